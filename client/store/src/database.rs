//! The SQLite database of a home: what has to survive, in tables as small as the changes.
//!
//! A commit is durable when it returns (`synchronous=FULL` in WAL mode); only marks of what has
//! been shown may be lost in a power failure. What is deleted is overwritten.

mod changes;
mod kinds;
mod ledger;
mod streams;

use std::io;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params, params};
use rustls_pki_types::CertificateDer;
use talaria_wire::Round;
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::identity::UserName;
use talaria_wire::identity::directory::{Entry, Head, TwoHeads};
use talaria_wire::network_file::NetworkId;
use talaria_wire::peer_message::MessageId;
use zeroize::Zeroizing;

use crate::error::HomeError;
use crate::files;
use crate::key::HomeKey;
use crate::mark::Disguise;
use talaria_client::client::Change;
use talaria_client::contact::Contact;
use talaria_client::conversation::budget::Price;
use talaria_client::conversation::state::{
    self, ConversationState, Outgoing, Partial, Received, Run, Said, Text, TextMark,
};

use kinds::{BEGIN, END, TEXT};
pub(crate) use ledger::RecordMark;

/// Version of the tables, in `user_version`. Up to 2 they were not encrypted.
const FORMAT: i64 = 4;
/// Nothing older has encrypted tables.
const OLDEST: i64 = 3;

/// What makes the tables of the next format out of those of each one; the first begins with none. What
/// has been released is never changed.
const STEPS: [(i64, &str); 2] =
    [(0, include_str!("migrations/3.sql")), (3, include_str!("migrations/4.sql"))];

/// What SQLite and SQLCipher keep beside the file of a database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// What a home knows of itself.
pub(super) struct Local {
    pub(super) name: UserName,
    pub(super) secret: IdentitySecret,
    pub(super) certificate: CertificateDer<'static>,
    pub(super) since: u64,
    pub(super) network: NetworkId,
    pub(super) earlier: bool,
}

pub(super) struct Database {
    connection: Connection,
}

/// Removes a database that belongs to no account.
pub(super) fn remove(path: &Path) -> Result<(), HomeError> {
    for companion in COMPANIONS {
        let mut name = path.as_os_str().to_owned();
        name.push(companion);
        files::remove(Path::new(&name))?;
    }
    files::remove(path)
}

impl Database {
    /// Makes the database of a new home.
    pub(super) fn make(path: &Path, key: &HomeKey) -> Result<Self, HomeError> {
        // SQLite gives its other files the permissions of this one.
        drop(files::open_private(path)?);
        Self::connect(path, key, 0)
    }

    /// Opens the database of a home that there is: it is never made anew.
    pub(super) fn open(path: &Path, key: &HomeKey) -> Result<Self, HomeError> {
        match std::fs::metadata(path) {
            Ok(file) if file.len() > 0 => Self::connect(path, key, OLDEST),
            Ok(_) => Err(HomeError::Damaged("it is empty")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(HomeError::NoDatabase(path.to_owned()))
            }
            Err(error) => Err(files::failed("read", path)(error)),
        }
    }

    fn connect(path: &Path, key: &HomeKey, oldest: i64) -> Result<Self, HomeError> {
        let mut connection = Connection::open(path)?;
        // A wrong key is an error that is told; SQLCipher would print it as well.
        connection.pragma_update(None, "cipher_log_level", "NONE")?;
        // Nothing can be read before.
        connection.pragma_update(None, "key", key.pragma().as_str())?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        bring_up_to_date(&mut connection, oldest)?;
        Ok(Self { connection })
    }

    pub(super) fn local(&self) -> Result<Local, HomeError> {
        let sql = "SELECT name, secret, certificate, since, network, earlier FROM local";
        let read = |r: &Row<'_>| {
            let secret = r.get::<_, [u8; 32]>(1).map(Zeroizing::new)?;
            Ok((r.get(0)?, secret, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?))
        };
        let row = self.connection.query_row(sql, [], read)?;
        let (name, secret, certificate, since, network, earlier): (String, _, Vec<u8>, i64, _, _) =
            row;
        Ok(Local {
            name: UserName::registered(&name).map_err(|_| HomeError::Damaged("local name"))?,
            secret: IdentitySecret::from_bytes(&secret).map_err(|_| HomeError::Damaged("key"))?,
            certificate: certificate.into(),
            since: since.cast_unsigned(),
            network: NetworkId(network),
            earlier,
        })
    }

    pub(super) fn create_local(&mut self, local: &Local) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        self.connection.execute(
            "INSERT INTO local (id, name, secret, certificate, since, network, earlier)
             VALUES (1, :name, :secret, :certificate, :since, :network, :earlier)",
            named_params! {
                ":name": local.name.as_str(),
                ":secret": local.secret.to_bytes().as_slice(),
                ":certificate": local.certificate.as_ref(),
                ":since": local.since.cast_signed(),
                ":network": local.network.0,
                ":earlier": local.earlier,
            },
        )?;
        Ok(())
    }

    pub(super) fn set_certificate(
        &mut self,
        certificate: &CertificateDer<'_>,
    ) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        let sql = "UPDATE local SET certificate = ?1";
        self.connection.execute(sql, [certificate.as_ref()])?;
        Ok(())
    }

    pub(super) fn set_key(
        &mut self,
        secret: &IdentitySecret,
        certificate: &CertificateDer<'_>,
        since: u64,
    ) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        let sql = "UPDATE local SET secret = ?1, certificate = ?2, since = ?3, prepared = NULL";
        let secret = secret.to_bytes();
        let values = params![secret.as_slice(), certificate.as_ref(), since.cast_signed()];
        self.connection.execute(sql, values)?;
        Ok(())
    }

    pub(super) fn prepared(&self) -> Result<Option<Zeroizing<[u8; 32]>>, HomeError> {
        let sql = "SELECT prepared FROM local";
        let key: Option<[u8; 32]> = self.connection.query_row(sql, [], |r| r.get(0))?;
        Ok(key.map(Zeroizing::new))
    }

    pub(super) fn prepare_key(&mut self, secret: &IdentitySecret) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        let sql = "UPDATE local SET prepared = ?1";
        self.connection.execute(sql, [secret.to_bytes().as_slice()])?;
        Ok(())
    }

    pub(super) fn directory(&self, since: u64, most: u64) -> Result<Vec<Entry>, HomeError> {
        let sql = "SELECT entry FROM directory WHERE position >= ?1 ORDER BY position LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let bounds = [since.cast_signed(), most.cast_signed()];
        let rows = statement.query_map(bounds, |r| r.get::<_, Vec<u8>>(0))?;
        let entry = |bytes: Vec<u8>| Entry::from_bytes(&bytes);
        rows.map(|row| entry(row?).map_err(|_| HomeError::Damaged("directory"))).collect()
    }

    /// Entries, and the head that is signed for them and all before. Fails if one of them is there
    /// already.
    pub(super) fn append_directory(
        &mut self,
        entries: &[Entry],
        head: &Head,
    ) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        let transaction = self.connection.transaction()?;
        for entry in entries {
            let sql = "INSERT INTO directory (position, entry) VALUES (?1, ?2)";
            let values = params![entry.index.cast_signed(), entry.to_bytes()];
            transaction.prepare_cached(sql)?.execute(values)?;
        }
        let reached = [head.entries.cast_signed()];
        transaction.execute("DELETE FROM head WHERE entries <= ?1", reached)?;
        put_head(&transaction, head)?;
        Ok(transaction.commit()?)
    }

    /// The head of so many entries, and those of more.
    pub(super) fn heads(&self, since: u64) -> Result<Vec<Head>, HomeError> {
        let sql = "SELECT head FROM head WHERE entries >= ?1 ORDER BY entries";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([since.cast_signed()], |r| r.get::<_, Vec<u8>>(0))?;
        let head = |bytes: Vec<u8>| Head::from_bytes(&bytes);
        rows.map(|row| head(row?).map_err(|_| HomeError::Damaged("head"))).collect()
    }

    /// A head that the copy of the directory has not reached.
    pub(super) fn add_head(&mut self, head: &Head) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        Ok(put_head(&self.connection, head)?)
    }

    pub(super) fn contradiction(&self) -> Result<Option<Vec<u8>>, HomeError> {
        let sql = "SELECT heads FROM contradiction";
        Ok(self.connection.query_row(sql, [], |r| r.get(0)).optional()?)
    }

    /// Keeps the first one.
    pub(super) fn keep_contradiction(&mut self, heads: &TwoHeads) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        let sql = "INSERT INTO contradiction (id, heads) VALUES (1, ?1) ON CONFLICT DO NOTHING";
        self.connection.execute(sql, [heads.to_bytes().as_slice()])?;
        Ok(())
    }

    pub(super) fn last_round(&self) -> Result<Option<Round>, HomeError> {
        let sql = "SELECT last_round FROM local";
        let last: Option<i64> = self.connection.query_row(sql, [], |r| r.get(0))?;
        Ok(last.map(round))
    }

    pub(super) fn idle_pairs_unmet(&self) -> Result<u64, HomeError> {
        let sql = "SELECT idle_pairs_unmet FROM local";
        let times: i64 = self.connection.query_row(sql, [], |r| r.get(0))?;
        Ok(times.cast_unsigned())
    }

    pub(super) fn charged(
        &self,
        partner: &IdentityPublic,
    ) -> Result<(u64, Option<Price>), HomeError> {
        let sql = "SELECT charged, charged_at FROM contact WHERE key = ?1";
        let read = |r: &Row<'_>| {
            Ok((
                r.get::<_, i64>(0)?.cast_unsigned(),
                r.get::<_, Option<_>>(1)?.map(Price::from_bytes),
            ))
        };
        let charged = self.connection.query_row(sql, [partner.to_bytes()], read);
        Ok(charged.optional()?.unwrap_or_default())
    }

    pub(super) fn contacts(&self) -> Result<Vec<(Contact, bool)>, HomeError> {
        let sql = "SELECT key, name, since, verified FROM contact ORDER BY name";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], contact_row)?;
        rows.map(|row| contact(row?)).collect()
    }

    /// The contact, and whether its key was compared.
    pub(super) fn contact_named(
        &self,
        name: &UserName,
    ) -> Result<Option<(Contact, bool)>, HomeError> {
        let sql = "SELECT key, name, since, verified FROM contact WHERE name = ?1";
        let row = self.connection.query_row(sql, [name.as_str()], contact_row).optional()?;
        row.map(contact).transpose()
    }

    pub(super) fn put_contact(&mut self, contact: &Contact) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        let transaction = self.connection.transaction()?;
        let added = transaction.execute(
            "INSERT INTO contact (key, name, since) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING",
            params![contact.key.to_bytes(), contact.name.as_str(), contact.since.cast_signed()],
        )?;
        if added == 0 {
            let sql = "UPDATE contact SET since = ?2 WHERE name = ?1";
            transaction
                .execute(sql, params![contact.name.as_str(), contact.since.cast_signed()])?;
        } else {
            ledger::begin(&transaction, &contact.name)?;
        }
        Ok(transaction.commit()?)
    }

    pub(super) fn accept_key(&mut self, contact: &Contact) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        let sql = "UPDATE contact SET key = ?1, since = ?3, verified = 0 WHERE name = ?2";
        let since = contact.since.cast_signed();
        let values = params![contact.key.to_bytes(), contact.name.as_str(), since];
        self.connection.execute(sql, values)?;
        Ok(())
    }

    pub(super) fn mark_verified(&mut self, contact: &Contact) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        let sql = "UPDATE contact SET verified = 1 WHERE name = ?1 AND key = ?2";
        let values = params![contact.name.as_str(), contact.key.to_bytes()];
        self.connection.execute(sql, values)?;
        Ok(())
    }

    pub(super) fn disguise(&self, partner: &IdentityPublic) -> Result<Option<Disguise>, HomeError> {
        let sql = "SELECT mark_tag, mark_mask FROM contact WHERE key = ?1";
        let read = |r: &Row<'_>| Ok((r.get::<_, Option<_>>(0)?, r.get::<_, Option<_>>(1)?));
        let row = self.connection.query_row(sql, [partner.to_bytes()], read).optional()?;
        Ok(row.and_then(|(tag, mask)| tag.zip(mask)).map(|(tag, mask)| Disguise { tag, mask }))
    }

    pub(super) fn set_disguise(
        &mut self,
        partner: &IdentityPublic,
        disguise: &Disguise,
    ) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        let sql = "UPDATE contact SET mark_tag = ?2, mark_mask = ?3 WHERE key = ?1";
        let values = params![partner.to_bytes(), disguise.tag, disguise.mask];
        self.connection.execute(sql, values)?;
        Ok(())
    }

    pub(super) fn conversation(
        &self,
        partner: &IdentityPublic,
    ) -> Result<ConversationState, HomeError> {
        let sql = "SELECT id, next_seq, next_message, acked, received, begun, self_ended,
                   partner_ended, partial_id, partial_count, partial_have, charged, budget_warned,
                   start, texts, partial_sent, charged_at FROM contact WHERE key = ?1";
        let row = self.connection.query_row(sql, [partner.to_bytes()], conversation_row);
        let Some((id, mut state)) = row.optional()? else {
            return Ok(ConversationState::default());
        };
        self.read_fragments(id, &mut state)?;
        self.read_outgoing(id, &mut state)?;
        self.read_unshown(id, &mut state)?;
        self.read_recent(id, &mut state)?;
        streams::read(&self.connection, id, &mut state)?;
        Ok(state)
    }

    fn read_recent(&self, id: i64, state: &mut ConversationState) -> Result<(), HomeError> {
        let sql = "SELECT message_id, sent_ms FROM recent WHERE contact = ?1 ORDER BY number";
        let mut statement = self.connection.prepare(sql)?;
        let read = |r: &Row<'_>| {
            let (id, sent_ms) = (MessageId(r.get(0)?), r.get::<_, i64>(1)?.cast_unsigned());
            Ok(TextMark { id, sent_ms })
        };
        for mark in statement.query_map([id], read)? {
            state.recent.push_back(mark?);
        }
        Ok(())
    }

    fn read_fragments(&self, id: i64, state: &mut ConversationState) -> Result<(), HomeError> {
        let Some(partial) = &mut state.partial else {
            return Ok(());
        };
        let sql = "SELECT bytes FROM fragment WHERE contact = ?1 ORDER BY position";
        let mut statement = self.connection.prepare(sql)?;
        for bytes in statement.query_map([id], |r| r.get::<_, Vec<u8>>(0))? {
            partial.bytes.append(&mut bytes?);
        }
        Ok(())
    }

    fn read_outgoing(&self, id: i64, state: &mut ConversationState) -> Result<(), HomeError> {
        let sql = "SELECT first_seq, kind, message_id, text, sent_ms FROM outgoing
                   WHERE contact = ?1 ORDER BY first_seq";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([id])?;
        while let Some(row) = rows.next()? {
            state.outgoing.push_back(outgoing(row)?);
        }
        Ok(())
    }

    fn read_unshown(&self, id: i64, state: &mut ConversationState) -> Result<(), HomeError> {
        let sql = "SELECT seq, message_id, text, sent_ms, round, number FROM unshown
                   WHERE contact = ?1 ORDER BY number";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([id])?;
        while let Some(row) = rows.next()? {
            state.unshown.push_back(Received {
                seq: row.get(0)?,
                id: MessageId(row.get(1)?),
                text: text(row.get(2)?)?,
                sent_ms: row.get::<_, i64>(3)?.cast_unsigned(),
                round: round(row.get(4)?),
                number: row.get(5)?,
            });
        }
        Ok(())
    }

    pub(super) fn commit(&mut self, changes: &[Change]) -> Result<(), HomeError> {
        let mark = |change: &Change| {
            matches!(change, Change::Conversation(_, state::Change::Shown { .. }))
        };
        self.synchronous(if changes.iter().all(mark) { "NORMAL" } else { "FULL" })?;
        let transaction = self.connection.transaction()?;
        for change in changes {
            match change {
                Change::LastRound(round) => {
                    let sql = "UPDATE local SET last_round = ?1";
                    transaction.prepare_cached(sql)?.execute([round.0.cast_signed()])?;
                }
                Change::IdlePairsUnmet(times) => {
                    let sql = "UPDATE local SET idle_pairs_unmet = ?1";
                    transaction.prepare_cached(sql)?.execute([times.cast_signed()])?;
                }
                Change::Conversation(partner, change) => {
                    changes::apply(&transaction, partner, change)?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn synchronous(&self, level: &str) -> Result<(), HomeError> {
        Ok(self.connection.pragma_update(None, "synchronous", level)?)
    }
}

fn put_head(connection: &Connection, head: &Head) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO head (entries, head) VALUES (?1, ?2)";
    let bytes = head.to_bytes();
    let values = params![head.entries.cast_signed(), bytes.as_slice()];
    connection.execute(sql, values).map(drop)
}

/// Makes the tables, or brings those of an earlier format, `oldest` or later, to the form of this one.
pub(crate) fn bring_up_to_date(connection: &mut Connection, oldest: i64) -> Result<(), HomeError> {
    if format(connection)? == FORMAT {
        return Ok(());
    }
    // Another process may do the same at this moment: look again once nobody else can write.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = format(&transaction)?;
    match found {
        FORMAT => return Ok(()),
        0 if oldest > 0 => return Err(HomeError::Damaged("it has no tables")),
        _ if STEPS.iter().any(|(from, _)| *from == found) => {}
        unknown => return Err(HomeError::NewerFormat(unknown)),
    }
    for (_, step) in STEPS.iter().filter(|(from, _)| *from >= found) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", FORMAT)?;
    Ok(transaction.commit()?)
}

fn format(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |r| r.get(0))
}

fn round(number: i64) -> Round {
    Round(number.cast_unsigned())
}

fn text(text: String) -> Result<Text, HomeError> {
    Text::new(text).map_err(|_| HomeError::Damaged("text"))
}

type ContactRow = ([u8; 33], String, i64, bool);

fn contact_row(row: &Row<'_>) -> rusqlite::Result<ContactRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn contact((key, name, since, verified): ContactRow) -> Result<(Contact, bool), HomeError> {
    let contact = Contact {
        key: IdentityPublic::from_bytes(&key).map_err(|_| HomeError::Damaged("contact key"))?,
        name: UserName::registered(&name).map_err(|_| HomeError::Damaged("contact name"))?,
        since: since.cast_unsigned(),
    };
    Ok((contact, verified))
}

fn conversation_row(row: &Row<'_>) -> rusqlite::Result<(i64, ConversationState)> {
    let partial = match row.get::<_, Option<u32>>(8)? {
        None => None,
        Some(id) => Some(Partial {
            id: MessageId(id),
            count: row.get(9)?,
            have: row.get(10)?,
            sent_ms: row.get::<_, i64>(15)?.cast_unsigned(),
            bytes: Vec::new(),
        }),
    };
    let state = ConversationState {
        next_seq: row.get(1)?,
        next_message: row.get(2)?,
        acked: row.get(3)?,
        received: row.get(4)?,
        partial,
        run: Run { begun: row.get(5)?, self_ended: row.get(6)?, partner_ended: row.get(7)? },
        charged: row.get::<_, i64>(11)?.cast_unsigned(),
        charged_at: row.get::<_, Option<_>>(16)?.map(Price::from_bytes),
        budget_warned: row.get(12)?,
        start: row.get::<_, Option<i64>>(13)?.map(i64::cast_unsigned),
        texts: row.get(14)?,
        ..ConversationState::default()
    };
    Ok((row.get(0)?, state))
}

fn outgoing(row: &Row<'_>) -> Result<Outgoing, HomeError> {
    let what = match row.get::<_, i64>(1)? {
        BEGIN => Said::Begin,
        END => Said::End,
        TEXT => Said::Text(streams::said(row, 2)?),
        _ => return Err(HomeError::Damaged("outgoing kind")),
    };
    Ok(Outgoing { first_seq: row.get(0)?, what })
}
