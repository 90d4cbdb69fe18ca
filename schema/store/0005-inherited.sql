-- 0005: what was made inside of a server whose storage is kept comes back with the storage.

CREATE TABLE inherited (            -- users and the like: to be removed when an application of that name attaches the storage
        id INTEGER PRIMARY KEY,
        model_id INTEGER NOT NULL REFERENCES model (id),
        application TEXT NOT NULL,
        target TEXT NOT NULL,           -- label in its plan
        type TEXT NOT NULL,
        path TEXT NOT NULL,
        incarnation TEXT NOT NULL,
        resource_id INTEGER NOT NULL,   -- the row that it was
        needs TEXT NOT NULL,            -- JSON list of rows that it stood on
        secrets TEXT NOT NULL           -- JSON list of secrets that its document held
) STRICT;
CREATE INDEX inherited_model ON inherited (model_id, application);
