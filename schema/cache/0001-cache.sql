-- 0001: cache.db. May be deleted at any time; another schema than the program's is thrown away, not migrated.

-- Rows of kilobytes: in the order in which they come, with a small index by hash beside them.
CREATE TABLE document (             -- wanted documents, field sets and baselines, by hash
        id INTEGER PRIMARY KEY,
        sha256 BLOB NOT NULL UNIQUE,
        data BLOB NOT NULL,
        seen INTEGER NOT NULL           -- round of the sweep that last found a row naming it
) STRICT;
CREATE INDEX document_seen ON document (seen);

CREATE TABLE sweep (                -- one row: how far the sweep is
        id INTEGER PRIMARY KEY CHECK (id = 1),
        round INTEGER NOT NULL,
        resource_id INTEGER NOT NULL,   -- last resource looked at; -1: all of them
        application_id INTEGER NOT NULL, -- last want looked at
        label TEXT NOT NULL
) STRICT;
INSERT INTO sweep (id, round, resource_id, application_id, label) VALUES (1, 1, 0, 0, '');
