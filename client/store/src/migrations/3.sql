-- Rounds and times are u64, kept as the signed number of the same bits.
CREATE TABLE local (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    secret BLOB NOT NULL,
    certificate BLOB NOT NULL,
    -- A key that is to replace it, while nobody knows whether the service has taken it.
    prepared BLOB,
    -- The entry of the directory with which this home began, or its key.
    since INTEGER NOT NULL,
    network BLOB NOT NULL,
    last_round INTEGER,
    idle_pairs_unmet INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The copy of the directory, checked before it came here.
CREATE TABLE directory (
    position INTEGER PRIMARY KEY,
    entry BLOB NOT NULL
) STRICT;

-- The head that is signed for just these entries, and heads that others know of more.
CREATE TABLE head (
    entries INTEGER PRIMARY KEY,
    head BLOB NOT NULL
) STRICT;

-- The first two heads that prove that the service has signed two stories.
CREATE TABLE contradiction (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    heads BLOB NOT NULL
) STRICT;

CREATE TABLE contact (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    -- The entry of the directory with which sessions began anew.
    since INTEGER NOT NULL,
    verified INTEGER NOT NULL DEFAULT 0,
    -- The entry with which the session began that the numbers below belong to.
    start INTEGER,
    next_seq INTEGER NOT NULL DEFAULT 0,
    next_message INTEGER NOT NULL DEFAULT 0,
    acked INTEGER NOT NULL DEFAULT 0,
    received INTEGER NOT NULL DEFAULT 0,
    texts INTEGER NOT NULL DEFAULT 0,
    begun INTEGER NOT NULL DEFAULT 0,
    self_ended INTEGER NOT NULL DEFAULT 0,
    partner_ended INTEGER NOT NULL DEFAULT 0,
    partial_id INTEGER,
    partial_count INTEGER,
    partial_have INTEGER,
    charged INTEGER NOT NULL DEFAULT 0,
    budget_warned INTEGER NOT NULL DEFAULT 0,
    -- What the file of the shown mark says, and to whom it belongs, only this row tells.
    mark_tag BLOB,
    mark_mask INTEGER
) STRICT;

-- The partner's text that is under way.
CREATE TABLE fragment (
    contact INTEGER NOT NULL REFERENCES contact ON DELETE CASCADE,
    position INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (contact, position)
) STRICT, WITHOUT ROWID;

-- What the partner is not known to have. kind: 0 begin, 1 text, 2 end.
CREATE TABLE outgoing (
    contact INTEGER NOT NULL REFERENCES contact ON DELETE CASCADE,
    first_seq INTEGER NOT NULL,
    end_seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    message_id INTEGER,
    text TEXT,
    sent_ms INTEGER,
    PRIMARY KEY (contact, first_seq)
) STRICT, WITHOUT ROWID;

-- The newest texts of the partner, which may come again in a new session.
CREATE TABLE recent (
    contact INTEGER NOT NULL REFERENCES contact ON DELETE CASCADE,
    number INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    sent_ms INTEGER NOT NULL,
    PRIMARY KEY (contact, number)
) STRICT, WITHOUT ROWID;

-- What has arrived and has not been shown.
CREATE TABLE unshown (
    contact INTEGER NOT NULL REFERENCES contact ON DELETE CASCADE,
    number INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    text TEXT NOT NULL,
    sent_ms INTEGER NOT NULL,
    round INTEGER NOT NULL,
    PRIMARY KEY (contact, number)
) STRICT, WITHOUT ROWID;
