//! Key derivation: BLAKE3 in `derive_key` mode (BLAKE3 paper, section 2.3), one label a purpose.
//!
//! The input of a derivation is always a concatenation of fields of fixed size, so that two
//! different lists of fields cannot give the same bytes.

use std::sync::LazyLock;

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};

/// What a derived key is for. Every label of the protocol is here and in `PROTOCOL.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Label {
    /// What the layers of one hop in one round are bound to.
    OnionContext,
    /// Request and reply key of one onion layer.
    OnionLayer,
    /// Hash of a version of a network file; of the first one it is the network's id.
    NetworkVersion,
    /// Root secret of a session, from the static P-256 exchange.
    SessionRoot,
    /// Public identifier of a session.
    SessionId,
    /// Next epoch secret of the keywheel.
    WheelEpoch,
    /// First round secret of a keywheel epoch.
    WheelStart,
    /// Next round secret of the keywheel.
    WheelTurn,
    /// Dead-drop id of a round and lane slot.
    DeadDrop,
    /// Encryption and authentication key of a message.
    MessageKeys,
    /// Hash of an identity key.
    IdentityHash,
    /// Hash of the public part of a server.
    PublicPart,
    /// Key that wraps a thing under the export key of a password.
    Wrapping,
    /// What a user signs for another certificate.
    Renewal,
    /// What a user signs for another key.
    KeyRotation,
    /// Hash of a directory without entries.
    DirectoryStart,
    /// Hash of a directory when one more entry has followed.
    DirectoryEntry,
    /// What the identity service signs of its directory.
    DirectoryHead,
    /// What the entry signs of its clock.
    EntryTime,
    /// Secret of an era of the keywheel, from the root or from the era before.
    WheelEra,
    /// What was in the first units of a stream.
    StreamDigest,
    /// What a stream begins upon: how far its reader had come in the one before.
    StreamBase,
    /// Key that seals the ledger of an account.
    LedgerKey,
    /// Somebody's place in a ledger.
    LedgerPartner,
    /// What a user signs for another record of the ledger.
    LedgerUpdate,
}

impl Label {
    /// Every label, in the order of the enumeration.
    pub const ALL: [Self; 25] = [
        Self::OnionContext,
        Self::OnionLayer,
        Self::NetworkVersion,
        Self::SessionRoot,
        Self::SessionId,
        Self::WheelEpoch,
        Self::WheelStart,
        Self::WheelTurn,
        Self::DeadDrop,
        Self::MessageKeys,
        Self::IdentityHash,
        Self::PublicPart,
        Self::Wrapping,
        Self::Renewal,
        Self::KeyRotation,
        Self::DirectoryStart,
        Self::DirectoryEntry,
        Self::DirectoryHead,
        Self::EntryTime,
        Self::WheelEra,
        Self::StreamDigest,
        Self::StreamBase,
        Self::LedgerKey,
        Self::LedgerPartner,
        Self::LedgerUpdate,
    ];

    /// The BLAKE3 context string.
    #[must_use]
    pub fn context(self) -> &'static str {
        match self {
            Self::OnionContext => "talaria v1 onion context",
            Self::OnionLayer => "talaria v1 onion layer",
            Self::NetworkVersion => "talaria v1 network version",
            Self::SessionRoot => "talaria v1 session root",
            Self::SessionId => "talaria v1 session id",
            Self::WheelEpoch => "talaria v1 keywheel epoch",
            Self::WheelStart => "talaria v1 keywheel start",
            Self::WheelTurn => "talaria v1 keywheel turn",
            Self::DeadDrop => "talaria v1 dead drop",
            Self::MessageKeys => "talaria v1 message keys",
            Self::IdentityHash => "talaria v1 identity hash",
            Self::PublicPart => "talaria v1 public part",
            Self::Wrapping => "talaria v1 wrapping",
            Self::Renewal => "talaria v1 renewal",
            Self::KeyRotation => "talaria v1 key rotation",
            Self::DirectoryStart => "talaria v1 directory start",
            Self::DirectoryEntry => "talaria v1 directory entry",
            Self::DirectoryHead => "talaria v1 directory head",
            Self::EntryTime => "talaria v1 entry time",
            Self::WheelEra => "talaria v1 keywheel era",
            Self::StreamDigest => "talaria v1 stream digest",
            Self::StreamBase => "talaria v1 stream base",
            Self::LedgerKey => "talaria v1 ledger key",
            Self::LedgerPartner => "talaria v1 ledger partner",
            Self::LedgerUpdate => "talaria v1 ledger update",
        }
    }
}

/// Hashing a context costs as much as the derivation itself, so it is done once.
static CONTEXT_KEYS: LazyLock<[ContextKey; Label::ALL.len()]> =
    LazyLock::new(|| Label::ALL.map(|label| hash_derive_key_context(label.context())));

/// Derives `N` bytes for `label` from the concatenation of `fields`.
#[must_use]
pub fn derive<const N: usize>(label: Label, fields: &[&[u8]]) -> [u8; N] {
    let mut hasher = blake3::Hasher::new_from_context_key(&CONTEXT_KEYS[label as usize]);
    for field in fields {
        hasher.update(field);
    }
    let mut out = [0; N];
    hasher.finalize_xof().fill(&mut out);
    zeroize::Zeroize::zeroize(&mut hasher);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cached_context_gives_what_derive_key_gives() {
        for label in Label::ALL {
            let expected = blake3::derive_key(label.context(), b"key material");
            assert_eq!(derive::<32>(label, &[b"key ", b"material"]), expected);
        }
    }

    #[test]
    fn labels_are_all_different() {
        for (i, a) in Label::ALL.iter().enumerate() {
            assert_eq!(*a as usize, i);
            assert!(Label::ALL.iter().skip(i + 1).all(|b| a.context() != b.context()));
        }
    }
}
