-- 0013: fights are of a field, whoever changes it: those of one writer each are forgotten.

DROP TABLE fight;

CREATE TABLE fight (
        id INTEGER PRIMARY KEY,
        resource_id INTEGER NOT NULL,   -- no reference: it goes by itself
        field TEXT NOT NULL,            -- '': the whole object was deleted or replaced
        who TEXT NOT NULL,              -- name the writer gave itself, "several writers", or '': nobody gave one
        times TEXT NOT NULL,            -- JSON list: when it was found so, oldest first; the newest few
        last_at INTEGER NOT NULL,       -- the newest of them
        delay_ms INTEGER NOT NULL,      -- how long the next repair waits; 0: no breaker is open
        opened_at INTEGER NOT NULL,     -- when the breaker opened; 0: it is not
        slow INTEGER NOT NULL,          -- 1: it opened for many in a long time
        next_at INTEGER NOT NULL,       -- when it is put right again
        UNIQUE (resource_id, field)
) STRICT;
CREATE INDEX fight_last ON fight (last_at);
