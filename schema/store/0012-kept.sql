-- 0012: what a plan only keeps cannot be planned again when cache.db is lost.

CREATE TABLE kept_document (
        resource_id INTEGER PRIMARY KEY REFERENCES resource (id) ON DELETE CASCADE,
        wanted BLOB NOT NULL,           -- digest of the document; it says something only while the resource wants just that one
        body TEXT NOT NULL              -- with tokens where secrets stand
) STRICT;
