-- 0003: what is seen of storage that is detached or lost.

ALTER TABLE detached ADD COLUMN resource_id INTEGER NOT NULL DEFAULT 0; -- the row that it was: its lines in the ledger
ALTER TABLE detached ADD COLUMN trouble TEXT NOT NULL DEFAULT '';       -- told in the ledger: lost, destroying (by somebody); '': none

ALTER TABLE resource ADD COLUMN found TEXT NOT NULL DEFAULT '';         -- lost: incarnation of what stands in its place
ALTER TABLE resource ADD COLUMN found_since INTEGER;                    -- and when that was made
