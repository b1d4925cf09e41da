-- The account had homes before this one.
ALTER TABLE local ADD COLUMN earlier INTEGER NOT NULL DEFAULT 0;
-- The records of what the account was charged: the number of the newest one known here, the
-- salts of those of which nobody knows whether they were taken, and what is charged to who is not here.
ALTER TABLE local ADD COLUMN record INTEGER NOT NULL DEFAULT 0;
ALTER TABLE local ADD COLUMN record_sent BLOB;
ALTER TABLE local ADD COLUMN charged_others BLOB;
-- The incarnation of each side's stream, and what was in it up to `acked` and `received`.
ALTER TABLE contact ADD COLUMN stream INTEGER;
ALTER TABLE contact ADD COLUMN acked_digest BLOB;
ALTER TABLE contact ADD COLUMN stream_blind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contact ADD COLUMN milestones_cut INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contact ADD COLUMN partner_stream INTEGER;
ALTER TABLE contact ADD COLUMN received_digest BLOB;
ALTER TABLE contact ADD COLUMN partial_sent INTEGER;
-- Rounds, epsilon and delta of the worst noise under which one was charged.
ALTER TABLE contact ADD COLUMN charged_at BLOB;
-- What other homes have charged to conversations with people who are no contacts here.
CREATE TABLE charged_elsewhere (
    partner BLOB PRIMARY KEY,
    charge BLOB NOT NULL
) STRICT;
-- Of what was under way the time is not known: it comes again.
UPDATE contact SET partial_id = NULL, partial_count = NULL, partial_have = NULL;
DELETE FROM fragment;

-- The newest things that the partner is known to have, and where in which stream each ended.
CREATE TABLE milestone (
    id INTEGER PRIMARY KEY,
    contact INTEGER NOT NULL REFERENCES contact ON DELETE CASCADE,
    stream INTEGER NOT NULL,
    end_seq INTEGER NOT NULL,
    digest BLOB NOT NULL,
    message_id INTEGER,
    text TEXT,
    sent_ms INTEGER
) STRICT;
CREATE INDEX milestone_of ON milestone (contact);

-- Texts that the partner had acknowledged and may not have any more.
CREATE TABLE doubtful (
    id INTEGER PRIMARY KEY,
    contact INTEGER NOT NULL REFERENCES contact ON DELETE CASCADE,
    message_id INTEGER NOT NULL,
    text TEXT NOT NULL,
    sent_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX doubtful_of ON doubtful (contact);
