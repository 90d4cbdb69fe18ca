-- 0009: plans that were shown to people, so that `apply` does just that, or says what has moved.

CREATE TABLE shown (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,      -- PLAN-ID
        model_id INTEGER NOT NULL REFERENCES model (id),
        application TEXT NOT NULL,      -- of what the loop would do: only of this one; '': all
        owner TEXT NOT NULL,            -- to whom it was shown
        request BLOB,                   -- sealed JSON: the request that would make it so; NULL: what the loop would do
        lines TEXT NOT NULL,            -- JSON list of what it would do, without the differences
        digest BLOB NOT NULL,           -- keyed, of request and lines: the same plan again keeps its name
        at INTEGER NOT NULL,
        until INTEGER NOT NULL          -- then it is over
) STRICT;
CREATE INDEX shown_owner ON shown (owner, id);
CREATE INDEX shown_model ON shown (model_id);
CREATE INDEX shown_until ON shown (until);

-- digest of what a person let go although a rule or a pause keeps it back (what is wanted, and what was seen); until when that holds
ALTER TABLE resource ADD COLUMN release BLOB;
ALTER TABLE resource ADD COLUMN release_until INTEGER;
