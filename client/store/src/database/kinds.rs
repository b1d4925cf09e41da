//! Kinds of what is under way, as the tables hold them.

pub(super) const BEGIN: i64 = 0;
pub(super) const TEXT: i64 = 1;
pub(super) const END: i64 = 2;
