//! What the command line says if it cannot do what was asked.

/// Whatever went wrong, said in a sentence or two.
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;
