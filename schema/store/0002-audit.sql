-- 0002: the audit: what people and the loop wrote, one row each, never changed. Rows are cut from the oldest end only.

-- A CHECK with IN and three values or more makes SQLite build a table of them for each insert: OR does not.
CREATE TABLE audit (
        id INTEGER PRIMARY KEY,         -- 1, 2, 3, ...: without a gap
        at INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind = 'person' OR kind = 'loop' OR kind = 'daemon' OR kind = 'cut'),
        user_id INTEGER,                -- a person: uid of the other end of the socket
        login_id INTEGER,               -- the uid that its session was logged in with, where the kernel knows it
        user_name TEXT NOT NULL,
        pid INTEGER,
        command TEXT NOT NULL,          -- name of the program that asked, without its arguments
        role TEXT NOT NULL,
        what TEXT NOT NULL,             -- the action: "scale"; of the loop "apply", "remove"
        route TEXT NOT NULL,            -- method and path of the request
        model TEXT NOT NULL,
        application TEXT NOT NULL,
        subject TEXT NOT NULL,          -- names in the path; the object that the loop wrote
        was TEXT NOT NULL,              -- JSON: what was changed, before; '' nothing was
        became TEXT NOT NULL,           -- JSON: and after; secrets masked
        why TEXT NOT NULL,              -- --reason
        outcome TEXT NOT NULL,          -- done, unchanged, refused; of the loop how the operation ended
        message TEXT NOT NULL,          -- what was done in words, or why it was refused
        key_id BLOB NOT NULL,           -- id of the sealing key that the hash's key comes from
        hash BLOB NOT NULL              -- keyed, of the row before's hash and this row
) STRICT;
CREATE INDEX audit_cut ON audit (id) WHERE kind = 'cut';
