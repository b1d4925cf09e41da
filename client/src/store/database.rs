//! The SQLite database of a home: what has to survive, in tables as small as the changes.
//!
//! A commit is durable when it returns (`synchronous=FULL` in WAL mode); only marks of what has
//! been shown may be lost in a power failure. What is deleted is overwritten.

mod changes;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params, params};
use talaria_wire::Round;
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::network_file::NetworkId;
use talaria_wire::peer_message::MessageId;

use super::{HomeError, files};
use crate::client::Change;
use crate::contact::{Contact, Name, NetworkTag};
use crate::conversation::state::{
    self, ConversationState, Outgoing, Partial, Received, Run, Said, Text,
};

/// Version of the tables, in `user_version`.
const FORMAT: i64 = 2;

const TABLES: &str = include_str!("tables.sql");

/// From format 1: conversations count the rounds that are charged to their privacy budget, and
/// what idle pairs tell is kept.
const CHARGED: &str = "
    ALTER TABLE contact ADD COLUMN charged INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE local ADD COLUMN idle_pairs_unmet INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE contact ADD COLUMN budget_warned INTEGER NOT NULL DEFAULT 0;
";

const BEGIN: i64 = 0;
const TEXT: i64 = 1;
const END: i64 = 2;

/// What a home knows of itself.
pub(super) struct Local {
    pub(super) name: Name,
    pub(super) created: Round,
    pub(super) network: NetworkId,
    pub(super) network_path: Option<PathBuf>,
}

pub(super) struct Database {
    connection: Connection,
}

impl Database {
    pub(super) fn open(path: &Path) -> Result<Self, HomeError> {
        // SQLite gives its other files the permissions of this one.
        drop(files::open_private(path)?);
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        bring_up_to_date(&mut connection)?;
        Ok(Self { connection })
    }

    pub(super) fn local(&self) -> Result<Local, HomeError> {
        let read = |r: &Row<'_>| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?));
        let sql = "SELECT name, created, network, network_path FROM local";
        let (name, created, network, path): (String, i64, [u8; 32], Option<String>) =
            self.connection.query_row(sql, [], read)?;
        Ok(Local {
            name: Name::new(&name).map_err(|_| HomeError::Damaged("local name"))?,
            created: round(created),
            network: NetworkId(network),
            network_path: path.map(PathBuf::from),
        })
    }

    /// Rounds of another network are other rounds: the newest answered one is forgotten with it.
    pub(super) fn set_local(&mut self, local: &Local) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        let path = local.network_path.as_ref().and_then(|path| path.to_str());
        self.connection.execute(
            "INSERT INTO local (id, name, created, network, network_path)
             VALUES (1, :name, :created, :network, :path)
             ON CONFLICT (id) DO UPDATE SET name = :name, created = :created, network = :network,
             network_path = :path,
             last_round = CASE WHEN network = :network THEN last_round END",
            named_params! {
                ":name": local.name.as_str(),
                ":created": local.created.0.cast_signed(),
                ":network": local.network.0,
                ":path": path,
            },
        )?;
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

    pub(super) fn charged(&self, partner: &IdentityPublic) -> Result<u64, HomeError> {
        let sql = "SELECT charged FROM contact WHERE key = ?1";
        let charged = self.connection.query_row(sql, [partner.to_bytes()], |r| r.get(0));
        Ok(charged.optional()?.map_or(0, i64::cast_unsigned))
    }

    pub(super) fn contacts(&self) -> Result<Vec<Contact>, HomeError> {
        let sql = "SELECT key, name, created, network FROM contact ORDER BY name";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], contact_row)?;
        rows.map(|row| Ok(contact(row?)?.0)).collect()
    }

    pub(super) fn contact_named(
        &self,
        name: &str,
    ) -> Result<Option<(Contact, NetworkTag)>, HomeError> {
        let sql = "SELECT key, name, created, network FROM contact WHERE name = ?1";
        let row = self.connection.query_row(sql, [name], contact_row).optional()?;
        row.map(contact).transpose()
    }

    pub(super) fn put_contact(
        &mut self,
        contact: &Contact,
        network: NetworkTag,
    ) -> Result<(), HomeError> {
        self.synchronous("FULL")?;
        self.connection.execute(
            "INSERT INTO contact (key, name, created, network) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (key) DO UPDATE SET name = ?2, created = ?3, network = ?4",
            params![
                contact.key.to_bytes(),
                contact.name.as_str(),
                contact.created.0.cast_signed(),
                network.0
            ],
        )?;
        Ok(())
    }

    pub(super) fn conversation(
        &self,
        partner: &IdentityPublic,
    ) -> Result<ConversationState, HomeError> {
        let sql = "SELECT id, next_seq, next_message, acked, received, begun, self_ended,
                   partner_ended, partial_id, partial_count, partial_have, charged, budget_warned
                   FROM contact WHERE key = ?1";
        let row = self.connection.query_row(sql, [partner.to_bytes()], conversation_row);
        let Some((id, mut state)) = row.optional()? else {
            return Ok(ConversationState::default());
        };
        self.read_fragments(id, &mut state)?;
        self.read_outgoing(id, &mut state)?;
        self.read_unshown(id, &mut state)?;
        Ok(state)
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
        let sql = "SELECT seq, message_id, text, sent_ms, round FROM unshown
                   WHERE contact = ?1 ORDER BY seq";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([id])?;
        while let Some(row) = rows.next()? {
            state.unshown.push_back(Received {
                seq: row.get(0)?,
                id: MessageId(row.get(1)?),
                text: text(row.get(2)?)?,
                sent_ms: row.get::<_, i64>(3)?.cast_unsigned(),
                round: round(row.get(4)?),
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

/// Makes the tables, or brings those of an earlier version to the form of this one.
fn bring_up_to_date(connection: &mut Connection) -> Result<(), HomeError> {
    if format(connection)? == FORMAT {
        return Ok(());
    }
    // Another process may do the same at this moment: look again once nobody else can write.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let steps = match format(&transaction)? {
        FORMAT => return Ok(()),
        0 => TABLES,
        1 => CHARGED,
        newer => return Err(HomeError::NewerFormat(newer)),
    };
    transaction.execute_batch(steps)?;
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

type ContactRow = ([u8; 33], String, i64, [u8; 8]);

fn contact_row(row: &Row<'_>) -> rusqlite::Result<ContactRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn contact((key, name, created, network): ContactRow) -> Result<(Contact, NetworkTag), HomeError> {
    let contact = Contact {
        key: IdentityPublic::from_bytes(&key).map_err(|_| HomeError::Damaged("contact key"))?,
        name: Name::new(&name).map_err(|_| HomeError::Damaged("contact name"))?,
        created: round(created),
    };
    Ok((contact, NetworkTag(network)))
}

fn conversation_row(row: &Row<'_>) -> rusqlite::Result<(i64, ConversationState)> {
    let partial = match row.get::<_, Option<u32>>(8)? {
        None => None,
        Some(id) => Some(Partial {
            id: MessageId(id),
            count: row.get(9)?,
            have: row.get(10)?,
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
        budget_warned: row.get(12)?,
        ..ConversationState::default()
    };
    Ok((row.get(0)?, state))
}

fn outgoing(row: &Row<'_>) -> Result<Outgoing, HomeError> {
    let what = match row.get::<_, i64>(1)? {
        BEGIN => Said::Begin,
        END => Said::End,
        TEXT => Said::Text {
            id: MessageId(row.get(2)?),
            text: text(row.get(3)?)?,
            sent_ms: row.get::<_, i64>(4)?.cast_unsigned(),
        },
        _ => return Err(HomeError::Damaged("outgoing kind")),
    };
    Ok(Outgoing { first_seq: row.get(0)?, what })
}
