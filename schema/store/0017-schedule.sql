-- 0017: actions that are run at times, without anybody at the keyboard.

CREATE TABLE schedule (
        id INTEGER PRIMARY KEY,
        model_id INTEGER NOT NULL, model TEXT NOT NULL,
        application_id INTEGER NOT NULL, application TEXT NOT NULL,
        unit TEXT NOT NULL,
        action TEXT NOT NULL,
        params TEXT NOT NULL,           -- JSON as they were given; none is secret
        cron TEXT NOT NULL,             -- '': once
        zone TEXT NOT NULL,
        jitter_ms INTEGER NOT NULL,     -- each run is so much later, at most
        missed TEXT NOT NULL,           -- skip, run: what was due while the daemon was off
        overlap TEXT NOT NULL,          -- skip, queue: while its run before is not over
        during_freeze INTEGER NOT NULL,
        asked_by TEXT NOT NULL,
        asked_uid INTEGER, asked_login INTEGER,
        reason TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        due_at INTEGER NOT NULL,        -- by the cron's clock
        run_at INTEGER NOT NULL,        -- that, and the jitter
        operation INTEGER,              -- of the newest run
        last_at INTEGER,                -- when it was due last,
        last_text TEXT NOT NULL DEFAULT ''      -- and why nothing was run then; '': it was
) STRICT;
CREATE INDEX schedule_run ON schedule (run_at);
CREATE INDEX schedule_model ON schedule (model_id, id);
CREATE INDEX schedule_application ON schedule (application_id);
