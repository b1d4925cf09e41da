//! The operators of a simulated network, who found it and agree on its next versions.

use chacha20::ChaCha20Rng;
use talaria_wire::UnixMillis;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::network_file::{
    EntryInfo, HopInfo, IdentityInfo, Network, NetworkFile, Noise, NoiseGoal, Terms, Validity,
};

use super::setting::{START, Setting};

/// When network files expire: after every simulation.
const END: UnixMillis = UnixMillis(1_900_000_000_000);

/// The operators of a network, in one hand.
pub(super) struct Operators {
    entry: IdentitySecret,
    directory: IdentitySecret,
    pub(super) hops: Vec<IdentitySecret>,
}

impl Operators {
    pub(super) fn new(hops: u8, rng: &mut ChaCha20Rng) -> Self {
        let [entry, directory] = [(); 2].map(|()| IdentitySecret::generate(rng));
        Self { entry, directory, hops: (0..hops).map(|_| IdentitySecret::generate(rng)).collect() }
    }

    /// The first version of the network.
    pub(super) fn found(&self, setting: &Setting) -> Network {
        let entry = EntryInfo {
            operator: "entry".to_owned(),
            address: "entry:1".to_owned(),
            identity: *self.entry.public(),
            ca: vec![0].into(),
        };
        let validity = Validity { from: UnixMillis(0), until: END };
        let identity =
            IdentityInfo { address: "identity:1".to_owned(), key: *self.directory.public() };
        let hops = self.hops.iter().map(hop_info).collect();
        let mut terms = Terms::first("simulated", validity, entry, identity, hops);
        terms.period_ms = setting.period_ms.try_into().expect("a round lasts some time");
        terms.noise = setting.noise;
        if let Some(charged_rounds) = setting.charged_rounds {
            let (epsilon_millionths, delta_billionths) = (693_147, 100_000);
            let goal = NoiseGoal { epsilon_millionths, delta_billionths, charged_rounds };
            terms.noise = Noise { onions: 2, goal: Some(goal), ..Noise::NONE };
        }
        self.sign(terms).verify(START, None).expect("everybody has signed")
    }

    /// Everybody signs, those included who are to leave.
    pub(super) fn sign(&self, terms: Terms) -> NetworkFile {
        let mut file = NetworkFile::new(terms).expect("a setting within the limits");
        for own in self.hops.iter().chain([&self.entry]) {
            file.sign(own);
        }
        file
    }
}

pub(super) fn hop_info(own: &IdentitySecret) -> HopInfo {
    HopInfo { operator: "hop".to_owned(), address: "hop:1".to_owned(), identity: *own.public() }
}
