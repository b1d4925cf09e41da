//! Who there is on a simulated network.

/// Somebody on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// A client, by its number.
    Client(usize),
    /// The entry.
    Entry,
    /// A hop, by its place from 0.
    Hop(u8),
}
