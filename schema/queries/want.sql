-- Wants: (application, label) → resource and document; and what resources need of each other.

-- name: want_put
INSERT INTO want (application_id, label, resource_id, document)
VALUES (:application_id, :label, :resource_id, :document)
ON CONFLICT (application_id, label) DO UPDATE SET resource_id = excluded.resource_id, document = excluded.document;

-- name: want_by_application
-- row: want
-- in: after TEXT
-- in: max INT
SELECT * FROM want WHERE application_id = :application_id AND label > :after ORDER BY label LIMIT :max;

-- name: want_by_resource
-- Who wants it, the first owner first.
-- row: want
SELECT * FROM want WHERE resource_id = :resource_id ORDER BY application_id, label LIMIT 1000;

-- name: want_list
-- All of them: loading at the start, and the sweep of cache.db.
-- row: want
-- in: after_application INT
-- in: after_label TEXT
-- in: max INT
SELECT * FROM want WHERE (application_id, label) > (:after_application, :after_label)
ORDER BY application_id, label LIMIT :max;

-- name: want_count
-- out: total INT
SELECT count(*) AS total FROM want WHERE application_id = :application_id LIMIT 1;

-- name: want_delete
DELETE FROM want WHERE application_id = :application_id AND label = :label;

-- name: want_delete_all
DELETE FROM want WHERE application_id = :application_id;

-- name: edge_insert
-- Twice is once.
INSERT INTO edge (resource_id, needs_id, kind, output) VALUES (:resource_id, :needs_id, :kind, :output)
ON CONFLICT DO NOTHING;

-- name: edge_of
-- What a resource needs.
-- row: edge
SELECT * FROM edge WHERE resource_id = :resource_id ORDER BY needs_id, kind, output LIMIT 1000;

-- name: edge_delete_one
-- Of those without an output.
DELETE FROM edge WHERE resource_id = :resource_id AND needs_id = :needs_id AND kind = :kind AND output = '';

-- name: edge_delete_of
DELETE FROM edge WHERE resource_id = :resource_id;

-- name: edge_delete_to
DELETE FROM edge WHERE needs_id = :needs_id;

-- name: want_count_model
-- out: total INT
SELECT count(*) AS total FROM want JOIN application ON application.id = want.application_id
WHERE application.model_id = :model_id LIMIT 1;
