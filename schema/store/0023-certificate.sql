-- 0023: certificates: the authorities of a model, and what they issued for its applications.

CREATE TABLE authority (
        id INTEGER PRIMARY KEY,
        model_id INTEGER NOT NULL REFERENCES model (id),
        state TEXT NOT NULL CHECK (state IN ('asked', 'next', 'current', 'old')),   -- asked: its request is out; next: trusted, does not issue yet
        secret_id INTEGER NOT NULL REFERENCES secret (id),      -- its key
        certificate TEXT NOT NULL,      -- PEM: its own, and those above it but the root; of an asked one its request
        root TEXT NOT NULL,             -- PEM: what others trust
        subject TEXT NOT NULL, issuer TEXT NOT NULL, serial_number TEXT NOT NULL,
        begins_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,
        renew_at INTEGER NOT NULL,      -- 0: not by us
        settled_at INTEGER,             -- since when all is delivered that the next state waits for
        created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX authority_model ON authority (model_id);
CREATE INDEX authority_secret ON authority (secret_id);
CREATE INDEX authority_renew ON authority (renew_at);
CREATE INDEX authority_turning ON authority (model_id) WHERE state IN ('next', 'old');

CREATE TABLE certificate (
        id INTEGER PRIMARY KEY REFERENCES secret (id),  -- that of its key
        model_id INTEGER NOT NULL REFERENCES model (id),
        application_id INTEGER NOT NULL,
        label TEXT NOT NULL,
        spec TEXT NOT NULL,             -- JSON as the plan asked for it
        authority_id INTEGER REFERENCES authority (id), -- NULL: somebody else's
        revision INTEGER NOT NULL,      -- of its secrets
        subject TEXT NOT NULL, issuer TEXT NOT NULL, serial_number TEXT NOT NULL,
        begins_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,
        renew_at INTEGER NOT NULL,
        issued_at INTEGER NOT NULL,
        renewals INTEGER NOT NULL DEFAULT 0,
        csr TEXT,                   -- PEM: of one that another application issues, told to it until the answer comes
        csr_revision INTEGER,       -- of the key that it is for: not in use yet
        ca TEXT,                        -- PEM: what verifies one that the model's authority did not issue
        failed TEXT,                    -- why it could not be renewed when it was tried last
        planned_revision INTEGER NOT NULL DEFAULT 0,    -- that the last plan saw
        planned_bundle TEXT NOT NULL DEFAULT ''         -- authorities whose certificates it saw: "3 4"
) STRICT;
CREATE INDEX certificate_model ON certificate (model_id, id);
CREATE INDEX certificate_application ON certificate (application_id, label);
CREATE INDEX certificate_authority ON certificate (authority_id);
CREATE INDEX certificate_renew ON certificate (renew_at);

ALTER TABLE application ADD COLUMN rest_digest BLOB;    -- of the view of its plan without certificates: as long as that is the same, a plan renews only
