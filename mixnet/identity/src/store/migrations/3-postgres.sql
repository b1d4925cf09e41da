-- The newest record of somebody's ledger, which only they can read, and how many there have been.
ALTER TABLE users ADD COLUMN ledger_number BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN ledger BYTEA NOT NULL DEFAULT '';
