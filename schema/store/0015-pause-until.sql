-- 0015: pauses of models and applications may end by themselves.

ALTER TABLE model ADD COLUMN paused_until INTEGER NOT NULL DEFAULT 0;           -- 0: by unpause only
ALTER TABLE application ADD COLUMN paused_until INTEGER NOT NULL DEFAULT 0;
