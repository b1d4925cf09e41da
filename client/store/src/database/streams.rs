//! The streams of a conversation in the tables: which they are, and what the partner has had.

use rusqlite::{Connection, Row, params};
use talaria_client::conversation::state::{
    ConversationState, KEPT, Milestone, Outgoing, OwnStream, PartnerStream, SaidText,
};
use talaria_wire::peer_message::{MessageId, StreamDigest, StreamId};

use super::changes::Tables;
use crate::error::HomeError;

/// Reads what belongs to the streams of one contact.
pub(super) fn read(
    connection: &Connection,
    contact: i64,
    state: &mut ConversationState,
) -> Result<(), HomeError> {
    let sql = "SELECT stream, acked_digest, milestones_cut, partner_stream, received_digest,
               stream_blind FROM contact WHERE id = ?1";
    (state.own, state.partner) = connection.query_row(sql, [contact], streams)?;
    let sql = "SELECT message_id, text, sent_ms, stream, end_seq, digest FROM milestone
               WHERE contact = ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([contact])?;
    while let Some(row) = rows.next()? {
        state.own.milestones.push_back(milestone(row)?);
    }
    let sql = "SELECT message_id, text, sent_ms FROM doubtful WHERE contact = ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([contact])?;
    while let Some(row) = rows.next()? {
        state.own.doubtful.push_back(said(row, 0)?);
    }
    Ok(())
}

fn streams(row: &Row<'_>) -> rusqlite::Result<(OwnStream, PartnerStream)> {
    let digest = |at| row.get::<_, Option<_>>(at).map(|it| StreamDigest(it.unwrap_or_default()));
    let stream = |at| row.get::<_, Option<u32>>(at).map(|it| it.and_then(StreamId::new));
    let own = OwnStream {
        id: stream(0)?,
        acked: digest(1)?,
        cut: row.get(2)?,
        is_blind: row.get(5)?,
        ..OwnStream::default()
    };
    Ok((own, PartnerStream { id: stream(3)?, received: digest(4)? }))
}

fn milestone(row: &Row<'_>) -> Result<Milestone, HomeError> {
    let is_text = row.get::<_, Option<u32>>(0)?.is_some();
    let stream = StreamId::new(row.get(3)?).ok_or(HomeError::Damaged("milestone"))?;
    let (end_seq, digest) = (row.get(4)?, StreamDigest(row.get(5)?));
    let text = is_text.then(|| said(row, 0)).transpose()?;
    Ok(Milestone { stream, end_seq, digest, text })
}

/// A text of one's own, whose number, text and time are in the columns from `first` on.
pub(super) fn said(row: &Row<'_>, first: usize) -> Result<SaidText, HomeError> {
    Ok(SaidText {
        id: MessageId(row.get(first)?),
        text: super::text(row.get(first + 1)?)?,
        sent_ms: row.get::<_, i64>(first + 2)?.cast_unsigned(),
    })
}

impl Tables<'_> {
    pub(super) fn begin_stream(
        &self,
        stream: StreamId,
        base: StreamDigest,
        outgoing: &[Outgoing],
    ) -> rusqlite::Result<()> {
        self.renumber(outgoing)?;
        let sql = "UPDATE contact SET stream = :stream, acked_digest = :base WHERE id = :contact";
        self.run(sql, &[(":stream", &stream.0.get()), (":base", &base.0.as_slice())])
    }

    /// The numbering begins anew with these.
    pub(super) fn renumber(&self, outgoing: &[Outgoing]) -> rusqlite::Result<()> {
        self.run("DELETE FROM outgoing WHERE contact = :contact", &[])?;
        for item in outgoing {
            self.insert(item)?;
        }
        let next = outgoing.last().map_or(0, Outgoing::end_seq);
        let sql = "UPDATE contact SET next_seq = :next, acked = 0 WHERE id = :contact";
        self.run(sql, &[(":next", &next)])
    }

    /// A new session: no stream of the old one counts any more.
    pub(super) fn forget_streams(&self) -> rusqlite::Result<()> {
        self.run("DELETE FROM milestone WHERE contact = :contact", &[])?;
        let sql = "UPDATE contact SET stream = NULL, acked_digest = NULL, stream_blind = 0,
                   milestones_cut = 0, partner_stream = NULL, received_digest = NULL
                   WHERE id = :contact";
        self.run(sql, &[])
    }

    pub(super) fn acknowledge(
        &self,
        below: u32,
        digest: StreamDigest,
        ends: &[StreamDigest],
    ) -> rusqlite::Result<()> {
        let sql = "UPDATE contact SET acked = :below, acked_digest = :digest, stream_blind = 0
                   WHERE id = :contact";
        self.run(sql, &[(":below", &below), (":digest", &digest.0.as_slice())])?;
        if ends.is_empty() {
            return Ok(());
        }
        for (at, digest) in (0_i64..).zip(ends) {
            self.pass_milestone(at, *digest)?;
        }
        let sql = "DELETE FROM outgoing WHERE contact = :contact AND end_seq <= :below";
        self.run(sql, &[(":below", &below)])?;
        self.shorten("milestone")
    }

    /// What is under way becomes a milestone: the oldest, and then those after it.
    fn pass_milestone(&self, at: i64, digest: StreamDigest) -> rusqlite::Result<()> {
        let sql = "INSERT INTO milestone (contact, stream, end_seq, digest, message_id, text, sent_ms)
                   SELECT contact, (SELECT stream FROM contact WHERE id = :contact), end_seq, :digest,
                   message_id, text, sent_ms FROM outgoing WHERE contact = :contact
                   ORDER BY first_seq LIMIT 1 OFFSET :at";
        self.run(sql, &[(":digest", &digest.0.as_slice()), (":at", &at)])
    }

    /// All but the oldest `certain` milestones become doubtful.
    pub(super) fn doubt(&self, certain: usize) -> rusqlite::Result<()> {
        let certain = i64::try_from(certain).unwrap_or(i64::MAX);
        let after = "contact = :contact AND id NOT IN (SELECT id FROM milestone
                     WHERE contact = :contact ORDER BY id LIMIT :certain)";
        let sql = format!(
            "INSERT INTO doubtful (contact, message_id, text, sent_ms)
             SELECT contact, message_id, text, sent_ms FROM milestone
             WHERE message_id IS NOT NULL AND {after} ORDER BY id"
        );
        self.run(&sql, &[(":certain", &certain)])?;
        self.run(&format!("DELETE FROM milestone WHERE {after}"), &[(":certain", &certain)])?;
        let sql = "UPDATE contact SET stream = NULL, stream_blind = NOT EXISTS
                   (SELECT 1 FROM milestone WHERE contact = :contact) WHERE id = :contact";
        self.run(sql, &[])?;
        self.shorten("doubtful")
    }

    /// Keeps the newest rows.
    fn shorten(&self, table: &str) -> rusqlite::Result<()> {
        let sql = format!(
            "DELETE FROM {table} WHERE contact = ?1 AND id NOT IN
             (SELECT id FROM {table} WHERE contact = ?1 ORDER BY id DESC LIMIT ?2)"
        );
        let cut = self.transaction.prepare_cached(&sql)?.execute(params![self.contact, KEPT])?;
        if cut > 0 && table == "milestone" {
            self.run("UPDATE contact SET milestones_cut = 1 WHERE id = :contact", &[])?;
        }
        Ok(())
    }

    pub(super) fn send_again(&self, outgoing: &[Outgoing]) -> rusqlite::Result<()> {
        outgoing.iter().try_for_each(|item| self.queue(item))?;
        self.run("DELETE FROM doubtful WHERE contact = :contact", &[])
    }

    /// Nothing of the partner's new stream is here.
    pub(super) fn follow(&self, stream: StreamId, base: StreamDigest) -> rusqlite::Result<()> {
        self.run("DELETE FROM fragment WHERE contact = :contact", &[])?;
        let sql =
            "UPDATE contact SET partner_stream = :stream, received_digest = :base, received = 0,
                   partial_id = NULL, partial_count = NULL, partial_have = NULL
                   WHERE id = :contact";
        self.run(sql, &[(":stream", &stream.0.get()), (":base", &base.0.as_slice())])
    }

    pub(super) fn digested(&self, digest: StreamDigest) -> rusqlite::Result<()> {
        let sql = "UPDATE contact SET received_digest = :digest WHERE id = :contact";
        self.run(sql, &[(":digest", &digest.0.as_slice())])
    }
}
