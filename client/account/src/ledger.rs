//! The record of the account's ledger: replaced without a password, by whoever has the newest one.

use talaria_client::Identity;
use talaria_wire::identity::proof::{EXPORTER_LEN, LedgerUpdate};
use talaria_wire::identity::{Request, Response};
use talaria_wire::network_file::NetworkId;

use crate::error::{AccountError, unexpected};

/// The newest record that the service has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number; 0 if there is none.
    pub number: u64,
    /// The record; empty if there is none.
    pub record: Vec<u8>,
}

/// Asks to replace the record with this number, on the connection whose TLS exporter gives `exporter`.
#[must_use]
pub fn replace_record(
    network: &NetworkId,
    own: &Identity,
    exporter: &[u8; EXPORTER_LEN],
    after: u64,
    record: &[u8],
) -> Request {
    let update = LedgerUpdate { network, exporter, after, record };
    Request::Ledger {
        name: own.name.as_str().to_owned(),
        after,
        record: record.to_vec().into(),
        signature: update.sign(&own.secret).to_vec().into(),
    }
}

/// Takes the answer to [`replace_record`].
///
/// # Errors
/// [`AccountError`] if the service has refused.
pub fn kept_record(response: Response) -> Result<Kept, AccountError> {
    match response {
        Response::Ledger { number, record } => Ok(Kept { number, record: record.into_vec() }),
        other => Err(unexpected(&other)),
    }
}
