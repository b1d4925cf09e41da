//! What comes out of verification: a network that may be used, and a version that is known.

use std::num::NonZeroU32;
use std::ops::Deref;

use super::signed::hop_signers;
use super::{NetworkFile, NetworkId, NetworkVersion, Signer, Terms, VerifyError, VersionHash};
use crate::crypto::IdentityPublic;
use crate::params::{RoundShape, UnixMillis};

use super::HopInfo;

impl NetworkFile {
    /// Checks that everybody has signed, that the version follows upon the one that is known,
    /// and that its time is now.
    ///
    /// # Errors
    /// [`VerifyError`], which says what to ask the operators for.
    pub fn verify(self, now: UnixMillis, known: Option<&Known>) -> Result<Network, VerifyError> {
        let candidate = self.into_known()?;
        if let Some(known) = known {
            candidate.check_successor(known)?;
        }
        let validity = candidate.terms().validity;
        if now < validity.from {
            return Err(VerifyError::NotYetValid(validity.from));
        }
        if now >= validity.until {
            return Err(VerifyError::Expired(validity.until));
        }
        Ok(Network(candidate))
    }

    /// Checks that everybody has signed, whenever that was: what later versions are compared
    /// with.
    ///
    /// # Errors
    /// [`VerifyError::MissingSignature`] or [`VerifyError::WrongSignature`].
    pub fn into_known(self) -> Result<Known, VerifyError> {
        self.check_signatures()?;
        let missing = self.signers().find(|(_, key)| !self.is_signed_by(key));
        match missing {
            Some((signer, _)) => Err(VerifyError::MissingSignature(signer)),
            None => Ok(Known(self)),
        }
    }

    /// Checks that it can be a later version than `known`, whoever has signed it.
    ///
    /// # Errors
    /// [`VerifyError`] with what does not fit.
    pub fn check_follows(&self, known: &Known) -> Result<(), VerifyError> {
        let (own, theirs) = (self.version(), known.version());
        let sequence = own.sequence;
        if own.network != theirs.network {
            return Err(VerifyError::OtherNetwork(self.terms().name.clone()));
        }
        if sequence == theirs.sequence {
            return Err(VerifyError::Forked(sequence));
        }
        if sequence < theirs.sequence {
            return Err(VerifyError::RolledBack { sequence, known: theirs.sequence });
        }
        if sequence - theirs.sequence == 1 && self.terms().previous != Some(theirs.hash) {
            return Err(VerifyError::OtherPrevious(sequence));
        }
        if self.terms().period_ms != known.terms().period_ms {
            return Err(VerifyError::OtherPeriod);
        }
        Ok(())
    }

    /// Everybody whose signature is missing: of its own operators, and of those of `known`.
    #[must_use]
    pub fn missing(&self, known: Option<&Known>) -> Vec<Signer> {
        let former = known.into_iter().flat_map(|known| hop_signers(known.terms()));
        let mut missing: Vec<(Signer, IdentityPublic)> = Vec::new();
        for (signer, key) in self.signers().chain(former) {
            if !self.is_signed_by(&key) && missing.iter().all(|(_, other)| *other != key) {
                missing.push((signer, key));
            }
        }
        missing.into_iter().map(|(signer, _)| signer).collect()
    }
}

/// A version that all of its operators have signed, and whose time may be over: the one that a
/// later version is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known(NetworkFile);

impl Known {
    /// What the operators agreed on.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        self.0.terms()
    }

    /// Which version it is.
    #[must_use]
    pub fn version(&self) -> NetworkVersion {
        self.0.version()
    }

    /// The file, signatures included.
    #[must_use]
    pub fn file(&self) -> &NetworkFile {
        &self.0
    }

    /// The same terms as the version after this one, to be changed and signed.
    #[must_use]
    pub fn next_terms(&self) -> Terms {
        let NetworkVersion { network, sequence, hash } = self.version();
        Terms {
            sequence: sequence.saturating_add(1),
            origin: Some(network),
            previous: Some(hash),
            ..self.terms().clone()
        }
    }

    /// Whether this version may take the place of `known`: it is that version, or a later one of
    /// the same network to which every hop of `known` has agreed. What lies between the two need
    /// not be known.
    ///
    /// The entry of `known` is not asked. Nobody's privacy rests on it, and it is not to be able
    /// to forbid its own replacement.
    ///
    /// # Errors
    /// [`VerifyError`] with what does not fit.
    pub fn check_successor(&self, known: &Self) -> Result<(), VerifyError> {
        if self.version().hash == known.version().hash {
            return Ok(());
        }
        self.0.check_follows(known)?;
        let mut former = hop_signers(known.terms());
        match former.find(|(_, key)| !self.0.is_signed_by(key)) {
            Some((signer, _)) => {
                let (sequence, known) = (self.version().sequence, known.version().sequence);
                Err(VerifyError::NotSignedBefore { sequence, signer, known })
            }
            None => Ok(()),
        }
    }
}

/// A network that may be used now: signed by everybody, and valid when it was verified.
///
/// There is no other way to one than [`NetworkFile::verify`], so an unsigned file cannot be used
/// by mistake:
///
/// ```compile_fail
/// # use talaria_wire::network_file::{Network, NetworkFile};
/// let file = NetworkFile::parse("…").unwrap();
/// let network: Network = file;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network(Known);

impl Network {
    /// The network, the same in all versions.
    #[must_use]
    pub fn id(&self) -> NetworkId {
        self.version().network
    }

    /// The hash of this version.
    #[must_use]
    pub fn version_hash(&self) -> VersionHash {
        self.version().hash
    }

    /// Which version of which network it is.
    #[must_use]
    pub fn version(&self) -> NetworkVersion {
        self.0.version()
    }

    /// Sizes that follow from the network.
    #[must_use]
    pub fn shape(&self) -> RoundShape {
        self.0.file().shape()
    }

    /// The chain, first hop first.
    #[must_use]
    pub fn hops(&self) -> &[HopInfo] {
        &self.0.terms().hops
    }

    /// Rounds of an epoch.
    #[must_use]
    pub fn epoch_rounds(&self) -> NonZeroU32 {
        NonZeroU32::new(self.epoch_rounds).expect("an epoch has at least MIN_ONION_EPOCH rounds")
    }

    /// When it must not be used any more.
    #[must_use]
    pub fn valid_until(&self) -> UnixMillis {
        self.0.terms().validity.until
    }

    /// The version as later ones are compared with it.
    #[must_use]
    pub fn known(&self) -> &Known {
        &self.0
    }

    /// The file, signatures included.
    #[must_use]
    pub fn file(&self) -> &NetworkFile {
        self.0.file()
    }
}

impl Deref for Network {
    type Target = Terms;

    fn deref(&self) -> &Terms {
        self.0.terms()
    }
}
