//! What a home holds of its own account: the key pair and the certificate.

use rustls_pki_types::CertificateDer;
use talaria_client::Identity;
use talaria_client::certificate::Credentials;
use talaria_wire::crypto::IdentitySecret;

use crate::database::Local;
use crate::error::HomeError;
use crate::home::Home;

impl Home {
    /// The identity.
    ///
    /// # Errors
    /// [`HomeError`] if the database or the network file cannot be read.
    pub fn identity(&self) -> Result<Identity, HomeError> {
        let Local { name, secret, since, .. } = self.database.local()?;
        Ok(Identity { secret, name, since })
    }

    /// The certificate that was issued last.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn certificate(&self) -> Result<CertificateDer<'static>, HomeError> {
        Ok(self.database.local()?.certificate)
    }

    /// The entry of the directory with which this home began, or its key.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn since(&self) -> Result<u64, HomeError> {
        Ok(self.database.local()?.since)
    }

    /// Goes on with another certificate for the same key.
    ///
    /// # Errors
    /// [`HomeError`]; the old one is kept then.
    pub fn set_certificate(&mut self, certificate: &CertificateDer<'_>) -> Result<(), HomeError> {
        self.database.set_certificate(certificate)
    }

    /// Writes a key down that is to replace the present one.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be written.
    pub fn prepare_key(&mut self, secret: &IdentitySecret) -> Result<(), HomeError> {
        self.database.prepare_key(secret)
    }

    /// Whether this is the key that was written down to replace the present one.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn has_prepared(&self, secret: &IdentitySecret) -> Result<bool, HomeError> {
        let prepared = self.database.prepared()?;
        Ok(prepared.is_some_and(|key| *key == *secret.to_bytes()))
    }

    /// What is shown to the entry.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn credentials(&self) -> Result<Credentials, HomeError> {
        let Local { secret, certificate, .. } = self.database.local()?;
        Ok(Credentials { certificate, secret })
    }

    /// Goes on with another key pair, from the entry `since` of the directory on.
    ///
    /// # Errors
    /// [`HomeError`]; the old one is kept then.
    pub fn set_key(
        &mut self,
        secret: &IdentitySecret,
        certificate: &CertificateDer<'_>,
        since: u64,
    ) -> Result<(), HomeError> {
        self.database.set_key(secret, certificate, since)
    }
}
