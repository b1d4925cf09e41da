-- Counts the changes of what somebody logs in with, or gets by it. That of `tip` is where users begin:
-- it is higher than any that a backup has replaced.
ALTER TABLE users ADD COLUMN credential BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tip ADD COLUMN credential BIGINT NOT NULL DEFAULT 0;
