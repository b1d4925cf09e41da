-- Rounds and times are u64, kept as the signed number of the same bits.
CREATE TABLE local (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    network BLOB NOT NULL,
    network_path TEXT,
    last_round INTEGER,
    idle_pairs_unmet INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE contact (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    network BLOB NOT NULL,
    next_seq INTEGER NOT NULL DEFAULT 0,
    next_message INTEGER NOT NULL DEFAULT 0,
    acked INTEGER NOT NULL DEFAULT 0,
    received INTEGER NOT NULL DEFAULT 0,
    begun INTEGER NOT NULL DEFAULT 0,
    self_ended INTEGER NOT NULL DEFAULT 0,
    partner_ended INTEGER NOT NULL DEFAULT 0,
    partial_id INTEGER,
    partial_count INTEGER,
    partial_have INTEGER,
    charged INTEGER NOT NULL DEFAULT 0,
    budget_warned INTEGER NOT NULL DEFAULT 0
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

-- What has arrived and has not been shown.
CREATE TABLE unshown (
    contact INTEGER NOT NULL REFERENCES contact ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    text TEXT NOT NULL,
    sent_ms INTEGER NOT NULL,
    round INTEGER NOT NULL,
    PRIMARY KEY (contact, seq)
) STRICT, WITHOUT ROWID;
