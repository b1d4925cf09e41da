//! The record of the account's ledger, from the home to the identity service and back.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{CryptoRng, SeedableRng};
use talaria_account::{Kept, kept_record, replace_record};
use talaria_client::Identity;
use talaria_store::{Home, HomeError, Record, Recorded};
use talaria_wire::network_file::Network;
use tokio::time::timeout;
use tracing::debug;

use crate::blocking::Shelf;
use crate::net::identity::{IdentityConnection, ServiceError};

/// Records of other homes that are taken over one after the other: more at once are in no good order.
const TRIES: usize = 4;
/// How long the end of a run may wait for the service. What is reserved stays reserved then, and this
/// home knows how much of it was used.
const PARTING: Duration = Duration::from_secs(3);

/// A record, and what it takes to send it.
pub(crate) struct Sending {
    record: Record,
    own: Identity,
}

impl Sending {
    /// What is charged by now. With `reserving`, conversations may go on after it.
    pub(crate) fn next(
        home: &mut Home,
        reserving: bool,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HomeError> {
        Ok(Self { record: home.next_record(reserving, rng)?, own: home.identity()? })
    }

    /// Gives the newest record that the service has then.
    pub(crate) async fn send(
        &self,
        service: &mut IdentityConnection,
    ) -> Result<Kept, ServiceError> {
        let exporter = service.exporter()?;
        let Record { after, bytes, network } = &self.record;
        let request = replace_record(network, &self.own, &exporter, *after, bytes);
        Ok(kept_record(service.ask(&request).await?)?)
    }
}

/// Writes down with the service what was charged here, and takes over what was charged in other homes
/// since. Nothing is reserved after it.
///
/// # Errors
/// [`ServiceError`].
pub(crate) async fn settle(
    service: &mut IdentityConnection,
    home: &mut Home,
    rng: &mut impl CryptoRng,
) -> Result<(), ServiceError> {
    for _ in 0..TRIES {
        let sending = Sending::next(home, false, rng)?;
        let kept = sending.send(service).await?;
        match home.record_answered(kept.number, &kept.record)? {
            Recorded::Own(_) if kept.record == sending.record.bytes => return Ok(()),
            Recorded::Own(_) | Recorded::Older => {}
            Recorded::Foreign => home.take_over(kept.number, &kept.record)?,
        }
    }
    Err(ServiceError::Malformed)
}

/// The end of a run: what was reserved and not used is given back, if the service is there.
pub(crate) async fn part(home: &Shelf, network: &Network, rng: StdRng) -> Result<(), HomeError> {
    match timeout(PARTING, give_back(home, network, rng)).await {
        Ok(Err(ServiceError::Home(error))) => return Err(error),
        Ok(Err(error)) => debug!(%error, "what was reserved was not given back"),
        Ok(Ok(())) | Err(_) => {}
    }
    Ok(())
}

async fn give_back(home: &Shelf, network: &Network, mut rng: StdRng) -> Result<(), ServiceError> {
    let mut service = IdentityConnection::open(network).await?;
    for _ in 0..TRIES {
        let mut drawing = StdRng::from_rng(&mut rng);
        let sending = home.with(move |home| Sending::next(home, false, &mut drawing)).await?;
        let Kept { number, record } = sending.send(&mut service).await?;
        let is_newest = record == sending.record.bytes;
        let answered = home.with(move |home| home.record_answered(number, &record)).await?;
        if is_newest || matches!(answered, Recorded::Foreign) {
            return Ok(());
        }
        // Another one of this home was there.
    }
    Ok(())
}
