-- 0025: refreshes in stages, and what a rollback goes back to.

CREATE TABLE refresh (              -- the last one of an application
        application_id INTEGER PRIMARY KEY REFERENCES application (id) ON DELETE CASCADE,
        turn INTEGER NOT NULL,          -- rises with each change: the loop decides by what it has seen of one
        stage TEXT NOT NULL CHECK (stage IN ('canary', 'rest', 'done', 'rollback', 'rolled-back')),
        stage_at INTEGER NOT NULL,
        well_at INTEGER,                -- since when the canary has been well; NULL: it is not
        paused TEXT,                    -- why it goes on by nobody but a person, or NULL
        holds TEXT NOT NULL DEFAULT '{}', -- JSON {label: units of the new content}: where it was paused in the middle of the rest
        check_action TEXT,              -- of the charm's, which has to complete before the rest follows; or NULL
        check_operation INTEGER,        -- that was begun of it in this stage
        units TEXT NOT NULL,            -- JSON {uid: restarts}: pods of before, and what a person has seen of newer ones
        was_active INTEGER NOT NULL,    -- when it began
        from_sha256 TEXT NOT NULL,      -- of charm
        from_channel TEXT NOT NULL,
        from_revision INTEGER,          -- asked for by --revision, or NULL
        to_sha256 TEXT NOT NULL,
        options TEXT NOT NULL,          -- JSON {name: value}: those of before
        resources TEXT NOT NULL,        -- the same
        asked_by TEXT NOT NULL,
        started_at INTEGER NOT NULL
) STRICT;
CREATE INDEX refresh_from ON refresh (from_sha256);

ALTER TABLE unit ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;       -- of its containers
