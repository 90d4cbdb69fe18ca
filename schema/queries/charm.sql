-- Charms by content.

-- name: charm_put
-- The same content is the same row.
INSERT INTO charm (sha256, name, revision, metadata, added_at)
VALUES (:sha256, :name, :revision, :metadata, :added_at)
ON CONFLICT (sha256) DO NOTHING;

-- name: charm_by_sha256
-- row: charm
-- one
SELECT * FROM charm WHERE sha256 = :sha256;

-- name: charm_by_name
-- All contents of that name that applications are or were pinned to, newest first.
-- row: charm
SELECT * FROM charm WHERE name = :name ORDER BY added_at DESC LIMIT 100;

-- name: charm_list
-- row: charm
-- in: after TEXT
-- in: max INT
SELECT * FROM charm WHERE sha256 > :after ORDER BY sha256 LIMIT :max;

-- name: charm_delete
-- Fails with -ENOENT while an application is pinned to it.
DELETE FROM charm WHERE sha256 = :sha256;
