//! The record of a user's ledger, which the service keeps and cannot read.

use talaria_wire::identity::ledger::LEDGER_LEN;
use talaria_wire::identity::proof::LedgerUpdate;
use talaria_wire::identity::{Refusal, Response};

use super::failure::Failure;
use super::session::Session;
use super::{Service, parse_name, parse_signature};
use crate::store::{LedgerRecord, Store};

impl<S: Store> Service<S> {
    /// Needs no login: the key itself has signed, for this connection only. It has no date either, and
    /// is taken while the clock is doubted: homes that cannot write may not talk on.
    pub(super) async fn replace_record(
        &self,
        session: &Session,
        name: &str,
        after: u64,
        record: &[u8],
        signature: &[u8],
    ) -> Result<Response, Failure> {
        if record.len() != LEDGER_LEN {
            return Err(Refusal::BadRequest.into());
        }
        let name = parse_name(name, Refusal::UnknownName)?;
        let (user, key) = self.active(&name).await?;
        let signature = parse_signature(signature)?;
        let (network, exporter) = (&self.config.network, &session.peer.exporter);
        let update = LedgerUpdate { network, exporter, after, record };
        update.verify(&key, &signature).map_err(|_| Refusal::BadSignature)?;
        // Not before: strangers would keep the user from writing.
        self.gate.ledger(&name)?;
        let newest = self.store.ledger(name.as_str(), user.key_since, after, record).await?;
        let LedgerRecord { number, record } = newest;
        Ok(Response::Ledger { number, record: record.into() })
    }
}
