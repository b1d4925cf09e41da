CREATE TABLE users (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    record BYTEA NOT NULL,
    wrapped_key BYTEA NOT NULL,
    public_key BYTEA NOT NULL,
    certificate BYTEA NOT NULL,
    status BIGINT NOT NULL,
    key_since BIGINT NOT NULL,
    newest BIGINT NOT NULL,
    registered_s BIGINT NOT NULL,
    skeleton TEXT NOT NULL UNIQUE
);
CREATE TABLE entries (
    place BIGINT NOT NULL PRIMARY KEY,
    entry BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    time_s BIGINT NOT NULL
);
CREATE TABLE tokens (
    hash BYTEA NOT NULL PRIMARY KEY,
    made_s BIGINT NOT NULL,
    expires_s BIGINT NOT NULL,
    used_s BIGINT
);
-- One row: the end of the directory, and whose directory it is.
CREATE TABLE tip (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    entries BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    time_s BIGINT NOT NULL,
    -- When the newest head was signed.
    signed_s BIGINT NOT NULL DEFAULT 0,
    owner BYTEA NOT NULL
);
INSERT INTO tip (id, entries, hash, time_s, owner) VALUES (1, 0, decode(repeat('00', 32), 'hex'), 0, '');
