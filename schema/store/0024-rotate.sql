-- 0024: secrets of charms that get a new value at times.

ALTER TABLE secret ADD COLUMN rotate TEXT NOT NULL DEFAULT 'never';    -- hourly, daily, ...: what charm.yaml says of it
ALTER TABLE secret ADD COLUMN rotate_at INTEGER;                       -- when it is due; NULL: never
CREATE INDEX secret_rotate ON secret (rotate_at) WHERE rotate_at IS NOT NULL;
CREATE INDEX user_secret_expire ON user_secret (expire_at) WHERE expire_at IS NOT NULL;
