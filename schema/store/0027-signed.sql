-- 0027: authorities of applications' own (certificates whose spec says so), and what they signed for others.

ALTER TABLE certificate ADD COLUMN signs_revision INTEGER;     -- of an authority: the one that signs
ALTER TABLE certificate ADD COLUMN turning INTEGER NOT NULL DEFAULT 0;  -- 1: the next one is trusted too; 2: it signs, and the one before is trusted still
ALTER TABLE certificate ADD COLUMN settled_at INTEGER;         -- since when all is delivered that its next step waits for
CREATE INDEX certificate_turning ON certificate (id) WHERE turning > 0;
CREATE INDEX certificate_csr ON certificate (csr);

CREATE TABLE signed (
        id INTEGER PRIMARY KEY,
        certificate_id INTEGER NOT NULL,        -- the authority's
        csr_digest TEXT NOT NULL,       -- SHA-256, hex, of the request
        csr TEXT NOT NULL,              -- PEM
        lifetime INTEGER NOT NULL,      -- seconds, as asked for; 0: the model's
        revision INTEGER NOT NULL,      -- of the authority that signed or refused it
        certificate TEXT NOT NULL, serial_number TEXT NOT NULL,
        refused TEXT,                   -- why it was not signed
        again_at INTEGER,               -- of one that was refused because of the clock: when it is tried again
        UNIQUE (certificate_id, csr_digest)
) STRICT;
CREATE INDEX signed_again ON signed (again_at) WHERE again_at IS NOT NULL;
