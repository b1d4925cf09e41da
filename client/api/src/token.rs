//! How a face calls something that it has asked for.

use serde::{Deserialize, Serialize};

/// A number that a face chooses for a request, and gets back with what becomes of it. It means
/// nothing to anybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub u64);
