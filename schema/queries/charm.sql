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
