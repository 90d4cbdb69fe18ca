-- 0014: the newest change of ours of an object went into fields that rules leave to others, and nothing of it was written.

ALTER TABLE resource ADD COLUMN unwritten INTEGER NOT NULL DEFAULT 0;
