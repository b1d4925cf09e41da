//! The public part of a server: what its operator hands to whoever writes the network file.
//!
//! A small TOML file, signed with the key in it: nobody can be put into a network with a key that
//! they do not have, and what is changed on the way is noticed before everybody has signed.

use serde::{Deserialize, Serialize};

use super::encoding::{put_entry, put_hop, put_identity};
use super::terms::{check_address, check_label};
use super::text::{EntryTable, HopTable, IdentityTable, signature};
use super::{EntryInfo, HopInfo, IdentityInfo, NETWORK_FILE_MAX, NetworkFileError};
use crate::crypto::kdf::{Label, derive};
use crate::crypto::{IdentityPublic, IdentitySecret};

/// What the signature under a public part covers, before the hash of its contents.
pub const PUBLIC_PART_LABEL: &[u8] = b"talaria v1 public part signature";

/// What a server of a network is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The entry, with the identity service beside it.
    Entry(EntryInfo, IdentityInfo),
    /// A hop, wherever in the chain.
    Hop(HopInfo),
}

/// A public part whose own key has signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicPart {
    role: Role,
    signature: [u8; 64],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<EntryTable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<IdentityTable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hop: Option<HopTable>,
    signature: String,
}

impl PublicPart {
    /// Signs one's own public part.
    ///
    /// # Errors
    /// [`NetworkFileError`] if a name or address has not the form it must have, or the key is not
    /// the one in `role`.
    pub fn sign(role: Role, own: &IdentitySecret) -> Result<Self, NetworkFileError> {
        let signature = own.sign(&signed_bytes(&role));
        Self::checked(role, signature)
    }

    /// Parses a text, and checks its signature.
    ///
    /// # Errors
    /// [`NetworkFileError`], which says what is wrong.
    pub fn parse(text: &str) -> Result<Self, NetworkFileError> {
        if text.len() > NETWORK_FILE_MAX {
            return Err(NetworkFileError::TooLong(text.len()));
        }
        let file: File = toml::from_str(text)?;
        let role = match (file.entry, file.identity, file.hop) {
            (Some(entry), Some(identity), None) => Role::Entry(entry.parse()?, identity.parse()?),
            (None, None, Some(hop)) => Role::Hop(hop.parse()?),
            _ => {
                let range = "there with `identity`, or `hop` alone".to_owned();
                return Err(NetworkFileError::OutOfRange { field: "entry", range });
            }
        };
        Self::checked(role, signature(&file.signature)?)
    }

    /// The text.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let (entry, identity, hop) = match &self.role {
            Role::Entry(entry, identity) => {
                (Some(EntryTable::of(entry)), Some(IdentityTable::of(identity)), None)
            }
            Role::Hop(info) => (None, None, Some(HopTable::of(info))),
        };
        let file = File { entry, identity, hop, signature: hex::encode(self.signature) };
        let body = toml::to_string_pretty(&file).expect("the file has only strings");
        format!("# The public part of a Talaria server; it holds no secret.\n\n{body}")
    }

    /// What the server is.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// The entry that it describes, and its identity service.
    ///
    /// # Errors
    /// [`NetworkFileError::OtherRole`] if it describes a hop.
    pub fn into_entry(self) -> Result<(EntryInfo, IdentityInfo), NetworkFileError> {
        match self.role {
            Role::Entry(entry, identity) => Ok((entry, identity)),
            Role::Hop(_) => Err(NetworkFileError::OtherRole { wanted: "an entry", found: "a hop" }),
        }
    }

    /// The hop that it describes.
    ///
    /// # Errors
    /// [`NetworkFileError::OtherRole`] if it describes an entry.
    pub fn into_hop(self) -> Result<HopInfo, NetworkFileError> {
        match self.role {
            Role::Hop(info) => Ok(info),
            Role::Entry(..) => {
                Err(NetworkFileError::OtherRole { wanted: "a hop", found: "an entry" })
            }
        }
    }

    fn checked(role: Role, signature: [u8; 64]) -> Result<Self, NetworkFileError> {
        let (operator, address, identity) = role.parts();
        check_label(operator)?;
        check_address(address)?;
        if let Role::Entry(_, identity) = &role {
            check_address(&identity.address)?;
        }
        identity
            .verify(&signed_bytes(&role), &signature)
            .map_err(|_| NetworkFileError::NotOwn(operator.to_owned()))?;
        Ok(Self { role, signature })
    }
}

impl Role {
    fn parts(&self) -> (&str, &str, &IdentityPublic) {
        match self {
            Self::Entry(info, _) => (&info.operator, &info.address, &info.identity),
            Self::Hop(info) => (&info.operator, &info.address, &info.identity),
        }
    }
}

fn signed_bytes(role: &Role) -> Vec<u8> {
    let mut bytes = Vec::new();
    match role {
        Role::Entry(entry, identity) => {
            bytes.push(0);
            put_entry(&mut bytes, entry);
            put_identity(&mut bytes, identity);
        }
        Role::Hop(info) => {
            bytes.push(1);
            put_hop(&mut bytes, info);
        }
    }
    [PUBLIC_PART_LABEL, &derive::<32>(Label::PublicPart, &[&bytes])].concat()
}
