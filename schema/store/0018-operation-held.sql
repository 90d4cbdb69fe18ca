-- 0018: a freeze or a pause that holds an operation which runs: since when, so that its deadline waits too.

ALTER TABLE operation ADD COLUMN held_at INTEGER;
