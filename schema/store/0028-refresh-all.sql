-- 0028: `refresh --all` is an order that the daemon keeps.

CREATE TABLE refresh_all (          -- the last one of a model
        model_id INTEGER PRIMARY KEY REFERENCES model (id) ON DELETE CASCADE,
        state TEXT NOT NULL CHECK (state IN ('forward', 'back', 'done', 'cancelled', 'rolled-back')),
        stopped TEXT,                   -- why its next application was not begun: only a person goes on; or NULL
        accept_loss INTEGER NOT NULL DEFAULT 0, -- the way back may lose data
        asked_by TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        ended_at INTEGER
) STRICT;

CREATE TABLE refresh_all_part (     -- an application of it
        application_id INTEGER PRIMARY KEY REFERENCES application (id) ON DELETE CASCADE,
        model_id INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
        place INTEGER NOT NULL,         -- its turn, from 1
        to_sha256 TEXT NOT NULL,        -- of charm: what was on offer when it was ordered
        state TEXT NOT NULL CHECK (state IN ('waiting', 'going', 'done', 'unchanged', 'cancelled', 'waits-back', 'back', 'rolled-back'))
) STRICT;
CREATE INDEX refresh_all_part_model ON refresh_all_part (model_id, place);
CREATE INDEX refresh_all_part_to ON refresh_all_part (to_sha256);
