-- 0016: actions that were run: how far each is, what its steps asked for and how that ended, what they told.

CREATE TABLE operation (
        id INTEGER PRIMARY KEY,
        -- No references: what was run stays known when the application is gone.
        model_id INTEGER NOT NULL, model TEXT NOT NULL,
        application_id INTEGER NOT NULL, application TEXT NOT NULL,
        unit TEXT NOT NULL,             -- asked to run on, or ''
        action TEXT NOT NULL,
        params TEXT NOT NULL,           -- JSON with defaults; tokens where they are secret
        secret_results TEXT NOT NULL,   -- JSON list of names
        charm_sha256 TEXT NOT NULL,     -- this content's steps are run, whatever the application is refreshed to
        key TEXT NOT NULL,              -- random: what it makes outside is named after that
        status TEXT NOT NULL,           -- pending, running, completed, failed, cancelled, aborted
        live INTEGER NOT NULL DEFAULT 1, -- pending or running
        parallel INTEGER NOT NULL,
        execution_group TEXT NOT NULL,  -- '': none
        during_freeze INTEGER NOT NULL,
        approval TEXT NOT NULL,         -- '': needs none; wanted; given
        step TEXT NOT NULL DEFAULT '',  -- that is called next; '': the first
        cleanup INTEGER NOT NULL DEFAULT 0,     -- of those that clean up
        turn INTEGER NOT NULL DEFAULT 0,        -- number of the newest thing that was asked for
        asked INTEGER NOT NULL DEFAULT 0,       -- that is of the step that is called next, which gets its answer
        state TEXT NOT NULL DEFAULT '{}',       -- JSON: what the steps noted
        results TEXT NOT NULL DEFAULT '{}',      -- JSON: name -> text, perhaps with a token
        logged INTEGER NOT NULL DEFAULT 0,      -- lines
        ending TEXT NOT NULL DEFAULT '',        -- cleanup: the status that it will have
        message TEXT NOT NULL DEFAULT '',       -- why it failed, or was cancelled
        cancelled_by TEXT NOT NULL DEFAULT '',
        asked_by TEXT NOT NULL,
        asked_uid INTEGER, asked_login INTEGER,
        reason TEXT NOT NULL,
        approved_by TEXT NOT NULL DEFAULT '',
        deadline_ms INTEGER NOT NULL,
        enqueued_at INTEGER NOT NULL,
        started_at INTEGER,
        step_at INTEGER,                -- since when it is at this step
        deadline_at INTEGER,
        ended_at INTEGER
) STRICT;
CREATE INDEX operation_live ON operation (id) WHERE live = 1;
CREATE INDEX operation_application ON operation (application_id, id) WHERE live = 1;
CREATE INDEX operation_model ON operation (model_id, id);
CREATE INDEX operation_ended ON operation (ended_at) WHERE live = 0;

CREATE TABLE operation_turn (           -- one thing that a step asked for
        operation_id INTEGER NOT NULL REFERENCES operation (id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        step TEXT NOT NULL,
        ask TEXT NOT NULL,              -- JSON
        asked_at INTEGER NOT NULL,
        deadline_at INTEGER NOT NULL,   -- until then it is tried
        outcome TEXT NOT NULL DEFAULT '',       -- '': it is out
        error TEXT NOT NULL DEFAULT '',
        told TEXT NOT NULL DEFAULT '',        -- JSON: the answer
        ended_at INTEGER,
        PRIMARY KEY (operation_id, seq)
) STRICT;

CREATE TABLE operation_log (
        operation_id INTEGER NOT NULL REFERENCES operation (id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        at INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (operation_id, seq)
) STRICT;
