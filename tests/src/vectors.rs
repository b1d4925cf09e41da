//! Test vectors: the files in `tests/vectors`, made and verified.
//!
//! A file holds inputs and everything that follows from them. Verifying reads the inputs of a
//! file, computes the file anew with the implementation, and compares every byte; so a field that
//! nobody checks cannot exist. Making a file draws the inputs from a fixed seed and computes in
//! the same way. `tests/vectors/README.md` describes the fields for other implementers.

mod by_hand;
mod bytes;
mod control;
mod epoch_keys;
mod frames;
mod identity;
mod keywheel;
mod ledger;
mod network;
mod onion;
mod peer_message;
mod peer_message_cases;

pub(crate) use by_hand::Sealer;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A file of test vectors.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    /// Its name in `tests/vectors`.
    pub file: &'static str,
    generate: fn() -> String,
    recompute: fn(&str) -> Result<String, serde_json::Error>,
}

impl Topic {
    /// Every file.
    pub const ALL: [Self; 9] = [
        Self::new::<onion::OneHop>(),
        Self::new::<onion::ThreeHops>(),
        Self::new::<peer_message::Vectors>(),
        Self::new::<keywheel::Vectors>(),
        Self::new::<network::Vectors>(),
        Self::new::<frames::Vectors>(),
        Self::new::<control::Vectors>(),
        Self::new::<identity::Vectors>(),
        Self::new::<epoch_keys::Vectors>(),
    ];

    /// The file as its fixed seed makes it.
    #[must_use]
    pub fn generate(&self) -> String {
        (self.generate)()
    }

    /// The file that follows from the inputs in `text`: equal to it if the vectors hold.
    ///
    /// # Errors
    /// If `text` is not JSON with exactly the fields of this topic.
    ///
    /// # Panics
    /// If an input does not have the length that it must have.
    pub fn recompute(&self, text: &str) -> Result<String, serde_json::Error> {
        (self.recompute)(text)
    }

    const fn new<F: VectorFile>() -> Self {
        Self {
            file: F::FILE,
            generate: || render(&F::generate()),
            recompute: |text| serde_json::from_str::<F>(text).map(|file| render(&file.recompute())),
        }
    }
}

/// What a topic's file holds.
trait VectorFile: Serialize + DeserializeOwned {
    const FILE: &'static str;

    /// Draws inputs and computes the rest.
    fn generate() -> Self;

    /// Takes the inputs of `self` and computes the rest again.
    fn recompute(&self) -> Self;
}

fn render(file: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(file).expect("vectors are plain JSON");
    text.push('\n');
    text
}
