//! Certificates that can be replaced while the server runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::StartError;
use crate::files::keys;
use crate::net::tls::Shown;

/// The certificates that roles show, and the files they come from.
#[derive(Clone, Debug, Default)]
pub struct Renewable(Vec<Source>);

#[derive(Clone, Debug)]
struct Source {
    shown: Arc<Shown>,
    certificate: PathBuf,
    key: PathBuf,
}

impl Renewable {
    /// Reads a certificate and its key, and remembers where they are.
    pub(super) fn show(
        &mut self,
        certificate: &Path,
        key: &Path,
    ) -> Result<Arc<Shown>, StartError> {
        let (shown, secret) = keys::read_tls(certificate, key)?;
        let shown = Shown::new(shown, &secret)?;
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        self.0.push(Source { shown: shown.clone(), certificate, key });
        Ok(shown)
    }

    /// Reads all files again: whoever connects from now on is shown what is in them.
    ///
    /// # Errors
    /// [`StartError`] for the first that cannot be used; it and those after it stay as they are.
    pub fn renew(&self) -> Result<(), StartError> {
        for Source { shown, certificate, key } in &self.0 {
            let (certificate, key) = keys::read_tls(certificate, key)?;
            shown.replace(certificate, &key)?;
        }
        Ok(())
    }
}
