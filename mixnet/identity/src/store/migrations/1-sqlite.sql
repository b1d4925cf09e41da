CREATE TABLE users (
    name TEXT NOT NULL PRIMARY KEY,
    record BLOB NOT NULL,
    wrapped_key BLOB NOT NULL,
    public_key BLOB NOT NULL,
    certificate BLOB NOT NULL,
    status INTEGER NOT NULL,
    key_since INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    registered_s INTEGER NOT NULL,
    skeleton TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE entries (
    place INTEGER NOT NULL PRIMARY KEY,
    entry BLOB NOT NULL,
    hash BLOB NOT NULL,
    time_s INTEGER NOT NULL
) STRICT;
CREATE TABLE tokens (
    hash BLOB NOT NULL PRIMARY KEY,
    made_s INTEGER NOT NULL,
    expires_s INTEGER NOT NULL,
    used_s INTEGER
) STRICT;
-- One row: the end of the directory, and whose directory it is.
CREATE TABLE tip (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    entries INTEGER NOT NULL,
    hash BLOB NOT NULL,
    time_s INTEGER NOT NULL,
    -- When the newest head was signed.
    signed_s INTEGER NOT NULL DEFAULT 0,
    owner BLOB NOT NULL
) STRICT;
INSERT INTO tip (id, entries, hash, time_s, owner) VALUES (1, 0, zeroblob(32), 0, x'');
