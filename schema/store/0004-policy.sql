-- 0004: what is done about drift, where, and until when; what may not be changed meanwhile.

CREATE TABLE policy (               -- a rule: of those that fit the narrowest decides
        id INTEGER PRIMARY KEY,
        model_id INTEGER NOT NULL REFERENCES model (id),
        application TEXT NOT NULL,      -- '': of any
        type TEXT NOT NULL,             -- kind; '': any
        path TEXT NOT NULL,             -- of one object; '': any
        field TEXT NOT NULL,            -- as the ledger prints it; '': all
        mode TEXT NOT NULL CHECK (mode IN ('off', 'report', 'repair', 'ignore')),
        begins TEXT NOT NULL,           -- repair only in a window that begins so (cron); '': at any time
        zone TEXT NOT NULL,             -- time zone of that
        length_ms INTEGER NOT NULL,     -- of the window
        writer TEXT NOT NULL,           -- ignore: to whom the field was handed over, or ''
        owner TEXT NOT NULL,            -- who made the rule
        why TEXT NOT NULL,
        at INTEGER NOT NULL,
        until INTEGER,                  -- when it ends by itself
        UNIQUE (model_id, application, type, path, field)
) STRICT;

CREATE TABLE freeze (
        id INTEGER PRIMARY KEY,
        model_id INTEGER NOT NULL REFERENCES model (id),
        application TEXT NOT NULL,      -- '': the whole model
        type TEXT NOT NULL,             -- with path: an object is paused, and nothing frozen
        path TEXT NOT NULL,
        owner TEXT NOT NULL,
        why TEXT NOT NULL,
        at INTEGER NOT NULL,
        until INTEGER,                  -- when it ends by itself
        UNIQUE (model_id, application, type, path)
) STRICT;

-- JSON list of fields that the last accepted apply kept as they were, for rules with mode ignore
ALTER TABLE resource ADD COLUMN kept TEXT NOT NULL DEFAULT '[]';
-- digest of what stands: differences that are told and not repaired, or not yet. NULL: another kind of line
ALTER TABLE drift ADD COLUMN standing BLOB;
