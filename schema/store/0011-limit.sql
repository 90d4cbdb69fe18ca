-- 0011: how much changes that come from our side may change or delete.

ALTER TABLE resource ADD COLUMN changed_at INTEGER;     -- when a plan wanted something else of it last; not at its first convergence
CREATE INDEX resource_changed ON resource (changed_at) WHERE changed_at IS NOT NULL;

ALTER TABLE model ADD COLUMN deleted_at INTEGER NOT NULL DEFAULT 0;     -- since when deletions count as one change
ALTER TABLE model ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;        -- how many there were since

ALTER TABLE application ADD COLUMN held_changes BLOB;           -- of what the plan that is held changes, beside held_digest
ALTER TABLE application ADD COLUMN release_changes BLOB;        -- of what a person let go, beside release_digest
