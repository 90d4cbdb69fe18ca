-- 0019: secrets that people add, and which revision of a secret is outside.

CREATE TABLE user_secret (
        id INTEGER PRIMARY KEY,
        uri TEXT NOT NULL UNIQUE,       -- 128 random bits, base32: the ID of secret:ID
        model_id INTEGER NOT NULL REFERENCES model (id),
        name TEXT NOT NULL,
        info TEXT NOT NULL,
        revision INTEGER NOT NULL,      -- newest: the secrets of its keys that have this one are what it holds
        expire_at INTEGER,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        UNIQUE (model_id, name)
) STRICT;

CREATE TABLE user_secret_grant (        -- this application may open it
        user_secret_id INTEGER NOT NULL REFERENCES user_secret (id),
        application_id INTEGER NOT NULL REFERENCES application (id),
        PRIMARY KEY (user_secret_id, application_id)
) STRICT;
CREATE INDEX user_secret_grant_application ON user_secret_grant (application_id);

-- One key of it: purpose is user, label its name, field the key.
ALTER TABLE secret ADD COLUMN user_secret_id INTEGER REFERENCES user_secret (id);
CREATE UNIQUE INDEX secret_user ON secret (user_secret_id, field);

-- A resource may hold two revisions: of the document that is outside, and of the one that is wanted.
CREATE TABLE secret_use_by_revision (
        resource_id INTEGER NOT NULL REFERENCES resource (id),
        secret_id INTEGER NOT NULL REFERENCES secret (id),
        revision INTEGER NOT NULL,
        generation INTEGER NOT NULL,    -- of the newest document that does
        PRIMARY KEY (resource_id, secret_id, revision)
) STRICT;
INSERT INTO secret_use_by_revision (resource_id, secret_id, revision, generation)
SELECT u.resource_id, u.secret_id, s.revision, u.generation FROM secret_use u JOIN secret s ON s.id = u.secret_id;
DROP TABLE secret_use;
ALTER TABLE secret_use_by_revision RENAME TO secret_use;
CREATE INDEX secret_use_secret ON secret_use (secret_id, revision);
