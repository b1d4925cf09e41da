//! The scalars of a call.

/// One scalar or many.
#[derive(Clone, Copy)]
pub(crate) enum Scalars<'a> {
    /// The same for every point.
    One(&'a [u8; 32]),
    /// One per point.
    Many(&'a [[u8; 32]]),
}
