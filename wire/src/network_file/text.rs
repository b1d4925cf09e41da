//! The file as text: TOML with exactly these fields, in both directions.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use super::time::show_time;
use super::{
    EntryInfo, HopInfo, IdentityInfo, NETWORK_FILE_MAX, NETWORK_FILE_VERSION, NetworkFileError,
    NetworkId, Noise, NoiseGoal, Terms, Validity, VersionHash,
};
use crate::crypto::identity_key::{IDENTITY_PUBLIC_LEN, IdentityPublic, SIGNATURE_LEN};
use crate::params::UnixMillis;

/// Digits of a base64 line in a PEM file (RFC 7468, section 2).
const PEM_LINE: usize = 64;

/// A signature and the key that it is of.
pub(super) type Signatures = Vec<(IdentityPublic, [u8; SIGNATURE_LEN])>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u8,
    name: String,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    valid_from: String,
    valid_until: String,
    period_ms: u64,
    lanes: u8,
    epoch_rounds: u32,
    dialing: DialingTable,
    noise: NoiseTable,
    entry: EntryTable,
    identity: IdentityTable,
    #[serde(default)]
    hop: Vec<HopTable>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    signature: Vec<SignatureTable>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DialingTable {
    every: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoiseTable {
    onions: u32,
    alpha_tenths: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<GoalTable>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GoalTable {
    epsilon_millionths: u32,
    delta_billionths: u32,
    charged_rounds: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryTable {
    operator: String,
    address: String,
    identity: String,
    ca: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityTable {
    address: String,
    key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HopTable {
    operator: String,
    address: String,
    identity: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureTable {
    identity: String,
    signature: String,
}

/// Reads the format's version alone, so that a file of another format is named as one.
#[derive(Deserialize)]
struct Format {
    version: u8,
}

/// Parses a text; the terms are not checked yet.
pub(super) fn parse(text: &str) -> Result<(Terms, Signatures), NetworkFileError> {
    if text.len() > NETWORK_FILE_MAX {
        return Err(NetworkFileError::TooLong(text.len()));
    }
    match toml::from_str::<Format>(text)?.version {
        NETWORK_FILE_VERSION => {}
        old if old < NETWORK_FILE_VERSION => return Err(NetworkFileError::OldFormat(old)),
        new => return Err(NetworkFileError::NewFormat(new)),
    }
    let file: File = toml::from_str(text)?;
    let signatures = file.signature.iter().map(SignatureTable::parse).collect::<Result<_, _>>()?;
    let period_ms = file.period_ms.try_into().map_err(|_| NetworkFileError::OutOfRange {
        field: "period_ms",
        range: "more than 0".to_owned(),
    })?;
    let terms = Terms {
        name: file.name,
        sequence: file.sequence,
        origin: hash("origin", file.origin)?.map(NetworkId),
        previous: hash("previous", file.previous)?.map(VersionHash),
        validity: Validity { from: time(&file.valid_from)?, until: time(&file.valid_until)? },
        period_ms,
        lanes: file.lanes,
        dialing_every: file.dialing.every,
        noise: file.noise.parse(),
        epoch_rounds: file.epoch_rounds,
        entry: file.entry.parse()?,
        identity: file.identity.parse()?,
        hops: file.hop.into_iter().map(HopTable::parse).collect::<Result<_, _>>()?,
    };
    Ok((terms, signatures))
}

/// The text, with comments for the people who open it.
pub(super) fn render(terms: &Terms, signatures: &Signatures) -> String {
    let file = File {
        version: NETWORK_FILE_VERSION,
        name: terms.name.clone(),
        sequence: terms.sequence,
        origin: terms.origin.map(|origin| hex::encode(origin.0)),
        previous: terms.previous.map(|previous| hex::encode(previous.0)),
        valid_from: show_time(terms.validity.from),
        valid_until: show_time(terms.validity.until),
        period_ms: terms.period_ms.get(),
        lanes: terms.lanes,
        epoch_rounds: terms.epoch_rounds,
        dialing: DialingTable { every: terms.dialing_every },
        noise: NoiseTable::of(terms.noise),
        entry: EntryTable::of(&terms.entry),
        identity: IdentityTable::of(&terms.identity),
        hop: terms.hops.iter().map(HopTable::of).collect(),
        signature: signatures.iter().map(SignatureTable::of).collect(),
    };
    let body = toml::to_string_pretty(&file).expect("the file has only strings and integers");
    format!(
        "# A Talaria network. Give this file to everyone who should join; it holds no secret.\n\
         # Every operator has to sign it: whoever changes anything makes the signatures void.\n\n\
         {body}"
    )
}

impl NoiseTable {
    fn parse(self) -> Noise {
        let goal = self.goal.map(|goal| NoiseGoal {
            epsilon_millionths: goal.epsilon_millionths,
            delta_billionths: goal.delta_billionths,
            charged_rounds: goal.charged_rounds,
        });
        Noise { onions: self.onions, alpha_tenths: self.alpha_tenths, goal }
    }

    fn of(noise: Noise) -> Self {
        let goal = noise.goal.map(|goal| GoalTable {
            epsilon_millionths: goal.epsilon_millionths,
            delta_billionths: goal.delta_billionths,
            charged_rounds: goal.charged_rounds,
        });
        Self { onions: noise.onions, alpha_tenths: noise.alpha_tenths, goal }
    }
}

impl EntryTable {
    pub(super) fn parse(self) -> Result<EntryInfo, NetworkFileError> {
        let ca = CertificateDer::from_pem_slice(self.ca.as_bytes())
            .map_err(|_| NetworkFileError::BadCertificate)?;
        let identity = identity(&self.identity)?;
        Ok(EntryInfo { operator: self.operator, address: self.address, identity, ca })
    }

    pub(super) fn of(info: &EntryInfo) -> Self {
        Self {
            operator: info.operator.clone(),
            address: info.address.clone(),
            identity: hex::encode(info.identity.to_bytes()),
            ca: pem(&info.ca),
        }
    }
}

impl IdentityTable {
    pub(super) fn parse(self) -> Result<IdentityInfo, NetworkFileError> {
        Ok(IdentityInfo { address: self.address, key: public_key("key", &self.key)? })
    }

    pub(super) fn of(info: &IdentityInfo) -> Self {
        Self { address: info.address.clone(), key: hex::encode(info.key.to_bytes()) }
    }
}

impl HopTable {
    pub(super) fn parse(self) -> Result<HopInfo, NetworkFileError> {
        Ok(HopInfo {
            operator: self.operator,
            address: self.address,
            identity: identity(&self.identity)?,
        })
    }

    pub(super) fn of(info: &HopInfo) -> Self {
        Self {
            operator: info.operator.clone(),
            address: info.address.clone(),
            identity: hex::encode(info.identity.to_bytes()),
        }
    }
}

impl SignatureTable {
    fn parse(&self) -> Result<(IdentityPublic, [u8; SIGNATURE_LEN]), NetworkFileError> {
        Ok((identity(&self.identity)?, signature(&self.signature)?))
    }

    fn of((key, signature): &(IdentityPublic, [u8; SIGNATURE_LEN])) -> Self {
        Self { identity: hex::encode(key.to_bytes()), signature: hex::encode(signature) }
    }
}

pub(super) fn signature(text: &str) -> Result<[u8; SIGNATURE_LEN], NetworkFileError> {
    bytes(text).ok_or(NetworkFileError::BadSignature)
}

fn time(text: &str) -> Result<UnixMillis, NetworkFileError> {
    let bad = || NetworkFileError::BadTime(text.to_owned());
    let time = humantime::parse_rfc3339(text).map_err(|_| bad())?;
    let since = SystemTime::duration_since(&time, UNIX_EPOCH).map_err(|_| bad())?;
    let time = UnixMillis(since.as_secs().saturating_mul(1000));
    // One text for each moment: no fractions, no small letters.
    if show_time(time) == text { Ok(time) } else { Err(bad()) }
}

fn identity(text: &str) -> Result<IdentityPublic, NetworkFileError> {
    public_key("identity", text)
}

fn public_key(field: &'static str, text: &str) -> Result<IdentityPublic, NetworkFileError> {
    bytes::<IDENTITY_PUBLIC_LEN>(text)
        .and_then(|bytes| IdentityPublic::from_bytes(&bytes).ok())
        .ok_or(NetworkFileError::BadKey(field))
}

fn hash(field: &'static str, text: Option<String>) -> Result<Option<[u8; 32]>, NetworkFileError> {
    text.map(|text| bytes(&text).ok_or(NetworkFileError::BadHash(field))).transpose()
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let digits = BASE64.encode(certificate);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in digits.as_bytes().chunks(PEM_LINE) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
