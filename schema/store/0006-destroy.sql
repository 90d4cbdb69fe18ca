-- 0006: who said that data is destroyed, and from when on that cannot be taken back.

ALTER TABLE application ADD COLUMN destroy_by TEXT NOT NULL DEFAULT ''; -- who said destroy-storage
ALTER TABLE application ADD COLUMN destroy_at INTEGER;

ALTER TABLE resource ADD COLUMN delete_at INTEGER;      -- data: when its deletion was let out; committed before it is sent
