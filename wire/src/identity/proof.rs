//! Signatures by which a user shows the identity service that a key is theirs, and the entry what its
//! clock shows.

use crate::crypto::identity_key::{BadSignature, SIGNATURE_LEN};
use crate::crypto::kdf::{Label, derive};
use crate::crypto::{IdentityPublic, IdentitySecret};
use crate::network_file::NetworkId;

use super::name::UserName;

/// The label of the TLS exporter whose value a renewal is bound to (RFC 8446, section 7.5; RFC 9266
/// is the same for names of its own).
pub const EXPORTER_LABEL: &[u8] = b"EXPERIMENTAL talaria renewal";
/// Bytes of that value.
pub const EXPORTER_LEN: usize = 32;

/// Signing and verifying of what is said on one connection by whom the other end knows.
macro_rules! proof {
    ($type:ty) => {
        impl $type {
            /// Signs with the key of who says it.
            #[must_use]
            pub fn sign(&self, own: &IdentitySecret) -> [u8; SIGNATURE_LEN] {
                own.sign(&self.message())
            }

            /// Whether who has this key has said it.
            ///
            /// # Errors
            /// [`BadSignature`].
            pub fn verify(
                &self,
                key: &IdentityPublic,
                signature: &[u8; SIGNATURE_LEN],
            ) -> Result<(), BadSignature> {
                key.verify(&self.message(), signature)
            }
        }
    };
}

proof!(Renewal<'_>);
proof!(EntryTime<'_>);
proof!(LedgerUpdate<'_>);

/// A request for a new certificate on this connection and no other.
#[derive(Clone, Copy, Debug)]
pub struct Renewal<'a> {
    /// The network.
    pub network: &'a NetworkId,
    /// The value of the TLS exporter on both ends of the connection.
    pub exporter: &'a [u8; EXPORTER_LEN],
    /// The certificate signing request.
    pub csr: &'a [u8],
}

impl Renewal<'_> {
    fn message(&self) -> [u8; 32] {
        derive(Label::Renewal, &[&self.network.0, self.exporter, self.csr])
    }
}

/// What the clock of the entry shows, said on this connection and no other.
#[derive(Clone, Copy, Debug)]
pub struct EntryTime<'a> {
    /// The network.
    pub network: &'a NetworkId,
    /// The value of the TLS exporter on both ends of the connection.
    pub exporter: &'a [u8; EXPORTER_LEN],
    /// Milliseconds since 1970.
    pub time_ms: u64,
}

impl EntryTime<'_> {
    fn message(&self) -> [u8; 32] {
        let time = self.time_ms.to_be_bytes();
        derive(Label::EntryTime, &[&self.network.0, self.exporter, &time])
    }
}

/// Another record of the ledger of an account, on this connection and no other.
#[derive(Clone, Copy, Debug)]
pub struct LedgerUpdate<'a> {
    /// The network.
    pub network: &'a NetworkId,
    /// The value of the TLS exporter on both ends of the connection.
    pub exporter: &'a [u8; EXPORTER_LEN],
    /// The number of the record that it replaces; 0 if there is none.
    pub after: u64,
    /// The record.
    pub record: &'a [u8],
}

impl LedgerUpdate<'_> {
    fn message(&self) -> [u8; 32] {
        let after = self.after.to_be_bytes();
        derive(Label::LedgerUpdate, &[&self.network.0, self.exporter, &after, self.record])
    }
}

/// One key of a user gives way to another.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    /// The network.
    pub network: &'a NetworkId,
    /// The user.
    pub name: &'a UserName,
    /// The directory entry with which the old key came: a rotation cannot be used a second time.
    pub since: u64,
    /// The key that goes.
    pub old: &'a IdentityPublic,
    /// The key that comes.
    pub new: &'a IdentityPublic,
}

impl Rotation<'_> {
    /// Signs with the old key.
    #[must_use]
    pub fn sign(&self, old: &IdentitySecret) -> [u8; SIGNATURE_LEN] {
        old.sign(&self.message())
    }

    /// Whether the owner of the old key wants this.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, signature: &[u8; SIGNATURE_LEN]) -> Result<(), BadSignature> {
        self.old.verify(&self.message(), signature)
    }

    fn message(&self) -> [u8; 32] {
        let (old, new) = (self.old.to_bytes(), self.new.to_bytes());
        let since = self.since.to_be_bytes();
        derive(
            Label::KeyRotation,
            &[&self.network.0, &since, &old, &new, self.name.as_str().as_bytes()],
        )
    }
}
