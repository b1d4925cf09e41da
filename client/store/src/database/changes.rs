//! Every change of a conversation as statements: the same step as [`ConversationState::apply`].
//!
//! [`ConversationState::apply`]: talaria_client::ConversationState::apply

use rusqlite::{ToSql, Transaction, params};
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::peer_message::MessageId;

use super::kinds::{BEGIN, END, TEXT};
use talaria_client::conversation::budget::Price;
use talaria_client::conversation::state::{
    Change, MAY_COME_AGAIN, Outgoing, Received, Said, SaidText,
};

/// The tables of one conversation, within a transaction.
pub(super) struct Tables<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) contact: i64,
}

/// The partner's text that is under way.
struct Partly {
    id: MessageId,
    count: u16,
    sent_ms: u64,
}

/// Takes one step.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    partner: &IdentityPublic,
    change: &Change,
) -> rusqlite::Result<()> {
    let mut find = transaction.prepare_cached("SELECT id FROM contact WHERE key = ?1")?;
    let contact = find.query_row([partner.to_bytes()], |row| row.get(0))?;
    let tables = Tables { transaction, contact };
    match change {
        Change::Restarted { start, outgoing } => tables.restart(*start, outgoing),
        Change::Queued(item) => tables.queue(item),
        Change::StreamBegan { stream, base, outgoing } => {
            tables.begin_stream(*stream, *base, outgoing)
        }
        Change::Acknowledged { below, digest, ends } => tables.acknowledge(*below, *digest, ends),
        Change::OtherStory { certain } => tables.doubt(*certain),
        Change::SentAgain { outgoing } => tables.send_again(outgoing),
        Change::PartnerStream { stream, base } => tables.follow(*stream, *base),
        Change::Digested(digest) => tables.digested(*digest),
        Change::PartnerBegan { seq } | Change::Skipped { seq } => tables.receive(*seq, false),
        Change::PartnerEnded { seq: Some(seq) } => tables.receive(*seq, true),
        Change::PartnerEnded { seq: None } => {
            tables.run("UPDATE contact SET partner_ended = 1 WHERE id = :contact", &[])
        }
        Change::Fragment { seq, id, index, count, sent_ms, bytes } => {
            let text = Partly { id: *id, count: *count, sent_ms: *sent_ms };
            tables.fragment(*seq, *index, &text, &bytes.0)
        }
        Change::Text(received) => tables.text(received),
        Change::Shown { through } => {
            let sql = "DELETE FROM unshown WHERE contact = :contact AND number <= :through";
            tables.run(sql, &[(":through", through)])
        }
        Change::Finished => {
            let sql = "UPDATE contact SET begun = 0, self_ended = 0, partner_ended = 0
                       WHERE id = :contact";
            tables.run(sql, &[])
        }
        Change::Charged { rounds, at } => {
            let sql = "UPDATE contact SET charged = :rounds, charged_at = :at WHERE id = :contact";
            let at = at.map(Price::to_bytes);
            tables.run(sql, &[(":rounds", &rounds.cast_signed()), (":at", &at)])
        }
        Change::BudgetWarned => {
            tables.run("UPDATE contact SET budget_warned = 1 WHERE id = :contact", &[])
        }
    }
}

impl Tables<'_> {
    pub(super) fn run(&self, sql: &str, values: &[(&str, &dyn ToSql)]) -> rusqlite::Result<()> {
        let mut all: Vec<(&str, &dyn ToSql)> = vec![(":contact", &self.contact)];
        all.extend_from_slice(values);
        self.transaction.prepare_cached(sql)?.execute(all.as_slice())?;
        Ok(())
    }

    fn restart(&self, start: u64, outgoing: &[Outgoing]) -> rusqlite::Result<()> {
        self.forget_streams()?;
        self.renumber(outgoing)?;
        self.run("DELETE FROM fragment WHERE contact = :contact", &[])?;
        let sql = "UPDATE contact SET start = :start, received = 0, partial_id = NULL,
                   partial_count = NULL, partial_have = NULL WHERE id = :contact";
        self.run(sql, &[(":start", &start.cast_signed())])
    }

    pub(super) fn queue(&self, item: &Outgoing) -> rusqlite::Result<()> {
        let (kind, message) = self.insert(item)?;
        let update = "UPDATE contact SET next_seq = ?2, begun = begun OR ?3 = 0,
                      self_ended = ?3 = 2, next_message = max(next_message, coalesce(?4, 0))
                      WHERE id = ?1";
        let next_message = message.map(|id| id.saturating_add(1));
        let values = params![self.contact, item.end_seq(), kind, next_message];
        self.transaction.prepare_cached(update)?.execute(values)?;
        Ok(())
    }

    /// Gives its kind, and the number of the text if it is one.
    pub(super) fn insert(&self, item: &Outgoing) -> rusqlite::Result<(i64, Option<u32>)> {
        let (kind, message, text, sent) = match &item.what {
            Said::Begin => (BEGIN, None, None, None),
            Said::End => (END, None, None, None),
            Said::Text(SaidText { id, text, sent_ms }) => {
                (TEXT, Some(id.0), Some(text.as_str()), Some(sent_ms.cast_signed()))
            }
        };
        let insert = "INSERT INTO outgoing (contact, first_seq, end_seq, kind, message_id, text,
                      sent_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let end_seq = item.end_seq();
        let values = params![self.contact, item.first_seq, end_seq, kind, message, text, sent];
        self.transaction.prepare_cached(insert)?.execute(values)?;
        Ok((kind, message))
    }

    /// Whatever arrives ends the text that was under way.
    fn receive(&self, seq: u32, ended: bool) -> rusqlite::Result<()> {
        self.pass(seq, ended)?;
        self.run("DELETE FROM fragment WHERE contact = :contact", &[])
    }

    fn pass(&self, seq: u32, ended: bool) -> rusqlite::Result<()> {
        let sql = "UPDATE contact SET received = :next, partner_ended = :ended,
                   partial_id = NULL, partial_count = NULL, partial_have = NULL
                   WHERE id = :contact";
        self.run(sql, &[(":next", &seq.saturating_add(1)), (":ended", &ended)])
    }

    fn fragment(&self, seq: u32, index: u16, text: &Partly, bytes: &[u8]) -> rusqlite::Result<()> {
        if index == 0 {
            self.receive(seq, false)?;
        } else {
            self.pass(seq, false)?;
        }
        let have = index.saturating_add(1);
        let sql = "UPDATE contact SET partial_id = :id, partial_count = :count,
                   partial_have = :have, partial_sent = :sent WHERE id = :contact";
        let sent = text.sent_ms.cast_signed();
        let values: &[(&str, &dyn ToSql)] =
            &[(":id", &text.id.0), (":count", &text.count), (":have", &have), (":sent", &sent)];
        self.run(sql, values)?;
        let sql = "INSERT INTO fragment (contact, position, bytes)
                   VALUES (:contact, :index, :bytes)";
        self.run(sql, &[(":index", &index), (":bytes", &bytes)])
    }

    fn text(&self, received: &Received) -> rusqlite::Result<()> {
        self.receive(received.seq, false)?;
        let sql = "UPDATE contact SET texts = :next WHERE id = :contact";
        self.run(sql, &[(":next", &received.number.saturating_add(1))])?;
        let sql = "INSERT INTO recent (contact, number, message_id, sent_ms)
                   VALUES (:contact, :number, :id, :sent)";
        let sent = received.sent_ms.cast_signed();
        self.run(sql, &[(":number", &received.number), (":id", &received.id.0), (":sent", &sent)])?;
        let sql = "DELETE FROM recent WHERE contact = :contact AND number NOT IN
                   (SELECT number FROM recent WHERE contact = :contact
                    ORDER BY number DESC LIMIT :kept)";
        self.run(sql, &[(":kept", &MAY_COME_AGAIN)])?;
        let sql = "INSERT INTO unshown (contact, number, seq, message_id, text, sent_ms, round)
                   VALUES (:contact, :number, :seq, :id, :text, :sent, :round)";
        let values: &[(&str, &dyn ToSql)] = &[
            (":number", &received.number),
            (":seq", &received.seq),
            (":id", &received.id.0),
            (":text", &received.text.as_str()),
            (":sent", &received.sent_ms.cast_signed()),
            (":round", &received.round.0.cast_signed()),
        ];
        self.run(sql, values)
    }
}
