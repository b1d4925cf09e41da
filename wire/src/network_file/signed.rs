//! A network file as it was read or is being made: its contents keep every limit, and its
//! signatures have yet to be looked at.

use super::text::{self, Signatures};
use super::{
    MAX_SIGNATURES, NETWORK_SIGNATURE_LABEL, NetworkFileError, NetworkId, NetworkVersion, Signer,
    Terms, VerifyError, VersionHash,
};
use crate::crypto::{IdentityPublic, IdentitySecret};
use crate::params::{HopIndex, RoundShape};

/// A network file that nobody has verified. It can be shown and signed, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkFile {
    terms: Terms,
    shape: RoundShape,
    hash: VersionHash,
    signatures: Signatures,
}

impl NetworkFile {
    /// A file that nobody has signed.
    ///
    /// # Errors
    /// [`NetworkFileError`] if the terms do not keep a limit.
    pub fn new(terms: Terms) -> Result<Self, NetworkFileError> {
        let shape = terms.check()?;
        Ok(Self { hash: terms.hash(), shape, terms, signatures: Vec::new() })
    }

    /// Parses a text.
    ///
    /// # Errors
    /// [`NetworkFileError`], which says what to change.
    pub fn parse(text: &str) -> Result<Self, NetworkFileError> {
        let (terms, signatures) = text::parse(text)?;
        let mut file = Self::new(terms)?;
        for (key, signature) in signatures {
            file.add(key, signature)?;
        }
        Ok(file)
    }

    /// The text: TOML, with comments for the people who open it.
    #[must_use]
    pub fn to_toml(&self) -> String {
        text::render(&self.terms, &self.signatures)
    }

    /// What the operators agree on, if they have signed it.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Sizes that follow from the terms.
    #[must_use]
    pub fn shape(&self) -> RoundShape {
        self.shape
    }

    /// Which version of which network it claims to be.
    #[must_use]
    pub fn version(&self) -> NetworkVersion {
        let network = self.terms.origin.unwrap_or(NetworkId(self.hash.0));
        NetworkVersion { network, sequence: self.terms.sequence, hash: self.hash }
    }

    /// Everybody whose signature it needs, with their keys: the entry, then the hops.
    pub fn signers(&self) -> impl Iterator<Item = (Signer, IdentityPublic)> {
        let entry = &self.terms.entry;
        let entry = (Signer { operator: entry.operator.clone(), hop: None }, entry.identity);
        std::iter::once(entry).chain(hop_signers(&self.terms))
    }

    /// Whether there is a signature of `key`; it need not fit.
    #[must_use]
    pub fn is_signed_by(&self, key: &IdentityPublic) -> bool {
        self.signatures.iter().any(|(signer, _)| signer == key)
    }

    /// Signs with one's own key, in place of an earlier signature of the same key.
    pub fn sign(&mut self, own: &IdentitySecret) {
        self.signatures.retain(|(key, _)| key != own.public());
        self.signatures.push((*own.public(), own.sign(&signed_bytes(self.hash))));
    }

    /// Takes over the signatures of another copy of the same version.
    ///
    /// # Errors
    /// [`NetworkFileError::BadSignature`] if there are too many, and
    /// [`VerifyError::WrongSignature`] if one of them does not fit, as those of another version
    /// do not.
    pub fn take_signatures(&mut self, other: &Self) -> Result<(), NetworkFileError> {
        for (key, signature) in &other.signatures {
            self.check_signature(key, signature)?;
            self.signatures.retain(|(signer, _)| signer != key);
            self.add(*key, *signature)?;
        }
        Ok(())
    }

    /// Checks that the signatures that are there fit.
    ///
    /// # Errors
    /// [`VerifyError::WrongSignature`] with the first one that does not.
    pub fn check_signatures(&self) -> Result<(), VerifyError> {
        let mut signatures = self.signatures.iter();
        signatures.try_for_each(|(key, signature)| self.check_signature(key, signature))
    }

    fn add(&mut self, key: IdentityPublic, signature: [u8; 64]) -> Result<(), NetworkFileError> {
        if self.signatures.len() >= MAX_SIGNATURES || self.is_signed_by(&key) {
            return Err(NetworkFileError::BadSignature);
        }
        self.signatures.push((key, signature));
        Ok(())
    }

    fn check_signature(
        &self,
        key: &IdentityPublic,
        signature: &[u8; 64],
    ) -> Result<(), VerifyError> {
        key.verify(&signed_bytes(self.hash), signature).map_err(|_| {
            let mut signers = self.signers();
            let signer = signers.find(|(_, signer)| signer == key);
            let name = signer.map(|(signer, _)| signer.to_string());
            VerifyError::WrongSignature(name.unwrap_or_else(|| hex::encode(key.to_bytes())))
        })
    }
}

/// The hops of a version, with their keys.
pub(super) fn hop_signers(terms: &Terms) -> impl Iterator<Item = (Signer, IdentityPublic)> {
    (0..).zip(&terms.hops).map(|(place, hop)| {
        let signer = Signer { operator: hop.operator.clone(), hop: Some(HopIndex(place)) };
        (signer, hop.identity)
    })
}

/// What a signature covers.
fn signed_bytes(hash: VersionHash) -> Vec<u8> {
    [NETWORK_SIGNATURE_LABEL, &hash.0].concat()
}
