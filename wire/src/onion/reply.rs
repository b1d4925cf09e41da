//! The way back: each hop adds one layer to the reply, the client opens them all.

use std::fmt;

use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::crypto::sealed;
use crate::params::{PEER_MESSAGE_LEN, TAG_LEN};

/// The key under which a hop seals the one reply to one onion.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct ReplyKey([u8; 32]);

impl AsMut<[u8; 32]> for ReplyKey {
    fn as_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }
}

impl fmt::Debug for ReplyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyKey(…)")
    }
}

/// Adds one layer to the reply in all but the last 16 bytes of `slot`, and its tag there.
///
/// # Panics
/// If `slot` is shorter than a tag.
pub fn seal_reply(key: &ReplyKey, slot: &mut [u8]) {
    sealed::seal(&key.0, slot);
}

/// A reply that was not sealed by the whole chain for this onion.
///
/// It says no more: which layer failed would tell nobody anything but an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the reply does not belong to the onion")]
pub struct BadReply;

/// What a client keeps of an onion to open its reply.
#[derive(Debug)]
pub struct ReplyOpener {
    /// First hop first.
    keys: Vec<ReplyKey>,
}

impl ReplyOpener {
    pub(super) fn new(keys: Vec<ReplyKey>) -> Self {
        Self { keys }
    }

    /// Opens a reply in place, the first hop's layer first.
    ///
    /// # Errors
    /// [`BadReply`] if the length or any layer is wrong.
    pub fn open<'a>(&self, reply: &'a mut [u8]) -> Result<&'a [u8; PEER_MESSAGE_LEN], BadReply> {
        if reply.len() != PEER_MESSAGE_LEN + self.keys.len() * TAG_LEN {
            return Err(BadReply);
        }
        let mut end = reply.len();
        for key in &self.keys {
            sealed::open(&key.0, &mut reply[..end]).map_err(|_| BadReply)?;
            end -= TAG_LEN;
        }
        reply.first_chunk().ok_or(BadReply)
    }
}
