//! What operators can set in a network file, from the command line.

use std::time::Duration;

use clap::Args;
use talaria_server::files::network;
use talaria_wire::UnixMillis;
use talaria_wire::network_file::{Noise, NoiseGoal, Terms, Validity};

use crate::cli::failure::Failure;

/// Millionths in one.
const MILLION: f64 = 1e6;
/// Billionths in one.
const BILLION: f64 = 1e9;

/// What is not given stays as it is.
#[derive(Args)]
pub(super) struct Settings {
    /// What to call the network [default: talaria, or as before].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How long the version is valid, from now.
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = long)]
    valid_for: Duration,
    /// Where the identity service is reached [default: as in the entry's public part, or as
    /// before].
    #[arg(long, value_name = "HOST:PORT")]
    identity_address: Option<String>,
    /// Lanes of two onions that a client sends in a round [default: 1, or as before].
    #[arg(long, value_name = "N")]
    lanes: Option<u8>,
    /// Every N-th round is for dialing [default: 10, or as before].
    #[arg(long, value_name = "N")]
    dialing_every: Option<u16>,
    /// Rounds in which a hop uses one onion key [default: 64, or as before].
    #[arg(long, value_name = "N")]
    epoch_rounds: Option<u32>,
    /// Noise onions that each hop but the last adds to a round: even [default: 5668 for
    /// 10,000 charged rounds, or as before].
    #[arg(long, value_name = "T")]
    noise_onions: Option<u32>,
    /// α of the noise distribution, 2 to 4 in tenths [default: 2.4, or as before].
    #[arg(long, value_name = "A", value_parser = tenths)]
    noise_alpha: Option<u8>,
    /// What the noise is to achieve: ε′, such as 0.693147 for ln 2. With other noise than before no
    /// goal is left that is not given.
    #[arg(long, value_name = "E", requires_all = ["delta", "charged_rounds"])]
    epsilon: Option<f64>,
    /// What the noise is to achieve: δ′, such as 1e-4.
    #[arg(long, value_name = "D", requires = "epsilon")]
    delta: Option<f64>,
    /// What the noise is to achieve: for so many charged rounds.
    #[arg(long, value_name = "K", requires = "epsilon")]
    charged_rounds: Option<u64>,
}

impl Settings {
    pub(super) fn validity(&self, now: UnixMillis) -> Validity {
        network::validity(now, self.valid_for)
    }

    /// Puts in what is given.
    pub(super) fn put(&self, terms: &mut Terms) -> Result<(), Failure> {
        if let Some(name) = &self.name {
            terms.name.clone_from(name);
        }
        if let Some(address) = &self.identity_address {
            terms.identity.address.clone_from(address);
        }
        terms.lanes = self.lanes.unwrap_or(terms.lanes);
        terms.dialing_every = self.dialing_every.unwrap_or(terms.dialing_every);
        terms.epoch_rounds = self.epoch_rounds.unwrap_or(terms.epoch_rounds);
        let before = terms.noise;
        terms.noise = Noise {
            onions: self.noise_onions.unwrap_or(before.onions),
            alpha_tenths: self.noise_alpha.unwrap_or(before.alpha_tenths),
            goal: self.goal()?.or(before.goal),
        };
        // A goal belongs to the noise that was chosen for it.
        if self.epsilon.is_none() && terms.noise != before {
            terms.noise.goal = None;
        }
        Ok(())
    }

    fn goal(&self) -> Result<Option<NoiseGoal>, Failure> {
        let (Some(epsilon), Some(delta), Some(charged_rounds)) =
            (self.epsilon, self.delta, self.charged_rounds)
        else {
            return Ok(None);
        };
        Ok(Some(NoiseGoal {
            epsilon_millionths: parts(epsilon, MILLION)?,
            delta_billionths: parts(delta, BILLION)?,
            charged_rounds,
        }))
    }
}

/// A decimal in units of 1/`per`, which it has to be a whole number of.
fn parts(value: f64, per: f64) -> Result<u32, Failure> {
    let parts = (value * per).round();
    if !(1.0..=f64::from(u32::MAX)).contains(&parts) {
        return Err(format!("{value} is too small or too large").into());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in the range")]
    Ok(parts as u32)
}

fn tenths(text: &str) -> Result<u8, String> {
    let digits = text.split_once('.').map_or((text, "0"), |(whole, tenth)| (whole, tenth));
    let number = match digits {
        (whole, tenth) if whole.len() == 1 && tenth.len() == 1 => [whole, tenth].concat().parse(),
        _ => return Err("expected a number with one decimal, such as 2.6".to_owned()),
    };
    number.map_err(|_| "expected a number with one decimal, such as 2.6".to_owned())
}

fn long(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(length) if length >= Duration::from_secs(60) => Ok(length),
        Ok(_) => Err("a version is valid for a minute at least".to_owned()),
        Err(_) => Err("expected a number with a unit, such as 90d or 1y".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        assert_eq!(tenths("2.6"), Ok(26));
        assert_eq!(tenths("3"), Ok(30));
        for wrong in ["2.65", "", ".5", "x", "-2", "22"] {
            assert!(tenths(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parts(1.098_612, MILLION).unwrap(), 1_098_612);
        assert_eq!(parts(1e-4, BILLION).unwrap(), 100_000);
        for wrong in [0.0, -1.0, f64::NAN, 1e10] {
            assert!(parts(wrong, MILLION).is_err());
        }
    }
}
