-- Documents by hash, and the sweep over them. The database is cache.db.

-- name: document_put
-- Found again, it is marked as seen in this round; what the disk made of it meanwhile is put right.
INSERT INTO document (sha256, data, seen)
VALUES (:sha256, :data, (SELECT round FROM sweep WHERE id = 1))
ON CONFLICT (sha256) DO UPDATE SET seen = excluded.seen, data = excluded.data
WHERE seen <> excluded.seen OR data <> excluded.data;

-- name: document_get
-- one
SELECT data FROM document WHERE sha256 = :sha256;

-- name: document_seen
-- Some row names it.
UPDATE document SET seen = :seen WHERE sha256 = :sha256 AND seen <> :seen;

-- name: document_drop
-- The next few that no row named in the round.
-- in: max INT
DELETE FROM document WHERE id IN (SELECT id FROM document WHERE seen < :seen LIMIT :max);

-- name: sweep_get
-- one
SELECT round, resource_id, application_id, label FROM sweep WHERE id = 1;

-- name: sweep_set
UPDATE sweep SET round = :round, resource_id = :resource_id, application_id = :application_id,
                 label = :label
WHERE id = 1;
