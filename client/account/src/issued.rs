//! Who logs in, and what the service issues to them.

use rustls_pki_types::CertificateDer;
use talaria_client::certificate::hash_of;
use talaria_opaque::{Account, Stretch};
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::identity::directory::{Cause, Entry};
use talaria_wire::identity::{Response, UserName};
use talaria_wire::network_file::NetworkId;

use crate::error::{AccountError, unexpected};

/// Who logs in where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// The network.
    pub network: NetworkId,
    /// The name.
    pub name: UserName,
    /// How much work one try of a password is.
    pub stretch: Stretch,
}

impl Me {
    pub(crate) fn account(&self) -> Account<'_> {
        Account { network: &self.network, name: &self.name }
    }
}

/// A certificate, and the entry of the directory that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// The entry.
    pub entry: Entry,
}

impl Issued {
    /// What the service has issued for `name` and `key`, because of `cause`.
    pub(crate) fn take(
        response: Response,
        name: &UserName,
        key: &IdentityPublic,
        cause: Cause,
    ) -> Result<Self, AccountError> {
        let (certificate, entry) = match response {
            Response::Certificate { certificate, entry } => (certificate.into_vec(), entry),
            other => return Err(unexpected(&other)),
        };
        let entry = Entry::from_bytes(&entry).map_err(|_| AccountError::Wrong("entry"))?;
        let fits = entry.name == *name && entry.key == *key && entry.cause == cause;
        if !fits || entry.certificate_hash != hash_of(&certificate) {
            return Err(AccountError::Wrong("entry"));
        }
        Ok(Self { certificate: certificate.into(), entry })
    }
}
