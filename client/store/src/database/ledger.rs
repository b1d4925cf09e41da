//! What the tables have of the account's ledger: see [`crate::ledger`].

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use talaria_client::conversation::budget::Price;
use talaria_wire::identity::UserName;
use talaria_wire::identity::charge::Charge;
use talaria_wire::identity::ledger::{Ledger, Partner};
use talaria_wire::network_file::NetworkId;

use super::Database;
use crate::error::HomeError;

/// With which a record begins, and by which it is known again.
type Salt = [u8; 32];

/// Where a home stands with the records of its account.
pub(crate) struct RecordMark {
    /// The number of the newest one that is known here.
    pub(crate) number: u64,
    /// The salts of those of which nobody knows whether they were taken.
    pub(crate) sent: Vec<Salt>,
}

impl Database {
    pub(crate) fn record_mark(&self) -> Result<RecordMark, HomeError> {
        let sql = "SELECT record, record_sent FROM local";
        let read = |r: &Row<'_>| {
            let sent = r.get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default();
            let (sent, _) = sent.as_chunks();
            Ok(RecordMark { number: r.get::<_, i64>(0)?.cast_unsigned(), sent: sent.to_vec() })
        };
        Ok(self.connection.query_row(sql, [], read)?)
    }

    pub(crate) fn record_sent(&mut self, salts: &[Salt]) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        self.connection.execute("UPDATE local SET record_sent = ?1", [salts.as_flattened()])?;
        Ok(())
    }

    pub(crate) fn record_kept(&mut self, number: u64) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        let sql = "UPDATE local SET record = ?1, record_sent = NULL";
        self.connection.execute(sql, [number.cast_signed()])?;
        Ok(())
    }

    /// What is charged here and elsewhere, with nothing reserved. An older program has not said at which
    /// price: at `otherwise`.
    pub(crate) fn ledger(&self, otherwise: Price) -> Result<Ledger, HomeError> {
        let network = self.local()?.network;
        let contacts = contacts(&self.connection, otherwise)?.into_iter();
        let place = |(name, charge)| (Partner::of(&network, &name), charge);
        let mut places: Vec<_> = contacts.map(place).collect();
        let mut elsewhere =
            self.connection.prepare("SELECT partner, charge FROM charged_elsewhere")?;
        let read = |r: &Row<'_>| Ok((Partner(r.get(0)?), Charge::from_bytes(r.get(1)?)));
        for place in elsewhere.query_map([], read)? {
            places.push(place?);
        }
        Ok(Ledger { reserve: Charge::default(), others: others(&self.connection)?, places })
    }

    /// What other homes have charged counts here from now on.
    pub(crate) fn take_over(
        &mut self,
        record: &Ledger,
        number: u64,
        otherwise: Price,
    ) -> Result<(), HomeError> {
        let network = self.local()?.network;
        self.synchronous("FULL")?;
        let transaction = self.connection.transaction()?;
        let here = others(&transaction)?.worst(record.others.and(record.reserve));
        transaction.execute("UPDATE local SET charged_others = ?1", [here.to_bytes()])?;
        let mut contacted = HashSet::new();
        for (name, charge) in contacts(&transaction, otherwise)? {
            let partner = Partner::of(&network, &name);
            set_charge(&transaction, &name, charge.worst(record.taken_over(&partner)))?;
            contacted.insert(partner);
        }
        let strangers = record.places.iter().filter(|(partner, _)| !contacted.contains(partner));
        for (partner, _) in strangers {
            let taken = record.taken_over(partner);
            let sql = "INSERT OR REPLACE INTO charged_elsewhere (partner, charge) VALUES (?1, ?2)";
            let known = elsewhere(&transaction, partner)?.unwrap_or_default();
            transaction.execute(sql, params![partner.0, known.worst(taken).to_bytes()])?;
        }
        let sql = "UPDATE local SET record = ?1, record_sent = NULL, earlier = 0";
        transaction.execute(sql, [number.cast_signed()])?;
        Ok(transaction.commit()?)
    }
}

/// A contact begins with what other homes have charged to it.
pub(super) fn begin(transaction: &Transaction<'_>, name: &UserName) -> Result<(), HomeError> {
    let network: [u8; 32] = transaction.query_row("SELECT network FROM local", [], |r| r.get(0))?;
    let partner = Partner::of(&NetworkId(network), name);
    let charge = match elsewhere(transaction, &partner)? {
        Some(charge) => charge,
        None => others(transaction)?,
    };
    transaction.execute("DELETE FROM charged_elsewhere WHERE partner = ?1", [partner.0])?;
    Ok(set_charge(transaction, name, charge)?)
}

fn contacts(
    connection: &Connection,
    otherwise: Price,
) -> Result<Vec<(UserName, Charge)>, HomeError> {
    let mut contacts = connection.prepare("SELECT name, charged, charged_at FROM contact")?;
    let read = |r: &Row<'_>| Ok((r.get::<_, String>(0)?, charged(r, otherwise)?));
    let named = |(name, charge): (String, Charge)| {
        let name = UserName::registered(&name).map_err(|_| HomeError::Damaged("contact name"))?;
        Ok((name, charge))
    };
    contacts.query_map([], read)?.map(|row| named(row?)).collect()
}

fn others(connection: &Connection) -> rusqlite::Result<Charge> {
    let found: Option<_> =
        connection.query_row("SELECT charged_others FROM local", [], |r| r.get(0))?;
    Ok(found.map(Charge::from_bytes).unwrap_or_default())
}

fn elsewhere(connection: &Connection, partner: &Partner) -> rusqlite::Result<Option<Charge>> {
    let sql = "SELECT charge FROM charged_elsewhere WHERE partner = ?1";
    connection.query_row(sql, [partner.0], |r| r.get(0).map(Charge::from_bytes)).optional()
}

/// From the second and third column.
fn charged(row: &Row<'_>, otherwise: Price) -> rusqlite::Result<Charge> {
    let charged = row.get::<_, i64>(1)?.cast_unsigned();
    let at = row.get::<_, Option<_>>(2)?.map_or(otherwise, Price::from_bytes);
    Ok(Charge { charged, at })
}

fn set_charge(
    transaction: &Transaction<'_>,
    name: &UserName,
    charge: Charge,
) -> rusqlite::Result<()> {
    let Charge { charged, at } = charge;
    let at = (charged > 0).then(|| at.to_bytes());
    let sql = "UPDATE contact SET charged = ?2, charged_at = ?3 WHERE name = ?1";
    transaction.execute(sql, params![name.as_str(), charged.cast_signed(), at]).map(drop)
}
