//! What a network attacker sees: when, from where, where to, and how many bytes.

use talaria_wire::UnixMillis;

use super::node::Node;

/// One thing that went over a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// When it was sent.
    pub at: UnixMillis,
    /// Who sent it.
    pub from: Node,
    /// Who was to receive it.
    pub to: Node,
    /// How long it was. TLS adds a constant to it.
    pub bytes: usize,
}
