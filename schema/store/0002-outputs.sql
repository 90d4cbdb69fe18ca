-- Values of other resources in documents, and long-running operations that are handed back to what began them.

CREATE TABLE edge_new (             -- resource needs another: exists, ready, or a value of it
        resource_id INTEGER NOT NULL REFERENCES resource (id),
        needs_id INTEGER NOT NULL REFERENCES resource (id),
        kind TEXT NOT NULL CHECK (kind IN ('exists', 'ready', 'value')),
        output TEXT NOT NULL DEFAULT '', -- value: JSON pointer of what is taken
        PRIMARY KEY (resource_id, needs_id, kind, output)
) STRICT;
INSERT INTO edge_new (resource_id, needs_id, kind) SELECT resource_id, needs_id, kind FROM edge WHERE kind <> 'value';
DROP TABLE edge;
ALTER TABLE edge_new RENAME TO edge;
CREATE INDEX edge_needs ON edge (needs_id);

ALTER TABLE resource ADD COLUMN outputs BLOB;        -- digest of the values that were filled in when it was last accepted
ALTER TABLE resource ADD COLUMN token_action TEXT NOT NULL DEFAULT ''; -- what the token is of: apply, remove
ALTER TABLE resource ADD COLUMN token_generation INTEGER NOT NULL DEFAULT 0; -- apply: of this generation,
ALTER TABLE resource ADD COLUMN token_outputs BLOB;  -- with these values
