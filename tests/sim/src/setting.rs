//! What a simulated network is made of.

use talaria_wire::UnixMillis;
use talaria_wire::network_file::Noise;

/// When every simulation starts: any time will do.
pub(super) const START: UnixMillis = UnixMillis(1_800_000_000_000);

/// How long a client's machine takes for what the simulation does in no time, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Costs {
    /// Opening the replies of a round in which the lane may have talked: tags and signatures.
    pub verify_ms: u64,
    /// Making a commit durable.
    pub commit_ms: u64,
}

/// What a simulated network is made of.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Everything random comes from it.
    pub seed: u64,
    /// Length of the chain.
    pub hops: u8,
    /// Clients, all connected from the start.
    pub clients: usize,
    /// Length of a round in milliseconds.
    pub period_ms: u64,
    /// What each hop but the last adds to a round.
    pub noise: Noise,
    /// The privacy budget of a conversation, by the network file; `None` for no goal.
    pub charged_rounds: Option<u64>,
    /// What work costs clients.
    pub costs: Costs,
}

impl Setting {
    /// Two hops, rounds of a second, no noise, and work that takes no time.
    #[must_use]
    pub fn new(seed: u64, clients: usize) -> Self {
        Self {
            seed,
            hops: 2,
            clients,
            period_ms: 1000,
            noise: Noise::NONE,
            charged_rounds: None,
            costs: Costs::default(),
        }
    }

    /// The same with `onions` noise onions (T) of each hop but the last, and α = `alpha_tenths`/10.
    #[must_use]
    pub fn with_noise(self, onions: u32, alpha_tenths: u8) -> Self {
        Self { noise: Noise { onions, alpha_tenths, goal: None }, ..self }
    }
}
