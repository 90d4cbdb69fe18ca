-- Secrets: what tokens name, their sealed revisions, and who may open them.

-- name: secret_insert
INSERT INTO secret (id, uri, model_id, application_id, label, field, purpose, policy, revision, created_at)
VALUES (:id, :uri, :model_id, :application_id, :label, :field, :purpose, :policy, :revision, :created_at);

-- name: secret_by_id
-- row: secret
-- one
SELECT * FROM secret WHERE id = :id;

-- name: secret_by_uri
-- row: secret
-- one
SELECT * FROM secret WHERE uri = :uri;

-- name: secret_by_label
-- row: secret
-- one
SELECT * FROM secret WHERE application_id = :application_id AND label = :label AND field = :field;

-- name: secret_by_application
-- row: secret
-- in: after_label TEXT
-- in: after_field TEXT
-- in: max INT
SELECT * FROM secret WHERE application_id = :application_id AND (label, field) > (:after_label, :after_field)
ORDER BY label, field LIMIT :max;

-- name: secret_list
-- row: secret
-- in: after INT
-- in: max INT
SELECT * FROM secret WHERE model_id = :model_id AND id > :after ORDER BY id LIMIT :max;

-- name: secret_set_revision
UPDATE secret SET revision = :revision WHERE id = :id;

-- name: secret_set_owner
-- NULL: kept for detached storage.
UPDATE secret SET application_id = :application_id WHERE id = :id;

-- name: secret_set_asked
UPDATE secret SET asked = :asked WHERE id = :id AND asked IS NOT :asked;

-- name: secret_use_put
-- in: uri TEXT
INSERT INTO secret_use (resource_id, secret_id, generation)
SELECT resource.id, secret.id, resource.wanted_generation FROM secret, resource
WHERE secret.uri = :uri AND resource.id = :resource_id
ON CONFLICT (resource_id, secret_id) DO UPDATE SET generation = excluded.generation;

-- name: secret_use_drop
-- What documents before this generation held.
DELETE FROM secret_use WHERE resource_id = :resource_id AND generation < :generation;

-- name: secret_use_drop_all
DELETE FROM secret_use WHERE secret_id = :secret_id;

-- name: secret_used
SELECT resource_id FROM secret_use WHERE secret_id = :secret_id LIMIT 1;

-- name: secret_unasked_in
-- Those in a resource that no plan asks for any more.
SELECT s.id FROM secret_use u JOIN secret s ON s.id = u.secret_id
WHERE u.resource_id = :resource_id AND s.asked = 0 ORDER BY s.id LIMIT 1000;

-- name: secret_unasked_over
SELECT s.id FROM secret_grant g JOIN secret s ON s.id = g.secret_id
WHERE g.relation_id = :relation_id AND s.asked = 0 ORDER BY s.id LIMIT 1000;

-- name: secret_delete
DELETE FROM secret WHERE id = :id;

-- name: secret_revision_insert
INSERT INTO secret_revision (secret_id, revision, sealed, created_at)
VALUES (:secret_id, :revision, :sealed, :created_at);

-- name: secret_revision_get
-- row: secret_revision
-- one
SELECT * FROM secret_revision WHERE secret_id = :secret_id AND revision = :revision;

-- name: secret_revision_delete_all
DELETE FROM secret_revision WHERE secret_id = :secret_id;

-- name: secret_grant_insert
INSERT INTO secret_grant (secret_id, relation_id) VALUES (:secret_id, :relation_id) ON CONFLICT DO NOTHING;

-- name: secret_opens
-- For an application: its own, and what it is told over a relation.
SELECT s.id FROM secret s
WHERE s.uri = :uri
  AND (s.application_id = :application_id
       OR EXISTS (SELECT 1 FROM secret_grant g JOIN relation_side side ON side.relation_id = g.relation_id
                  WHERE g.secret_id = s.id AND side.application_id = :application_id LIMIT 1))
LIMIT 1;

-- name: secret_granted_by
-- What one side tells.
SELECT s.id, s.uri FROM secret_grant g JOIN secret s ON s.id = g.secret_id
WHERE g.relation_id = :relation_id AND s.application_id = :application_id ORDER BY s.id LIMIT 1000;

-- name: secret_grant_list
SELECT relation_id FROM secret_grant WHERE secret_id = :secret_id ORDER BY relation_id LIMIT 1000;

-- name: secret_grant_delete
DELETE FROM secret_grant WHERE secret_id = :secret_id AND relation_id = :relation_id;

-- name: secret_grant_delete_relation
DELETE FROM secret_grant WHERE relation_id = :relation_id;

-- name: secret_grant_delete_all
DELETE FROM secret_grant WHERE secret_id = :secret_id;

-- name: sealed_keys
-- The keys under which anything is sealed: the start compares them with those of the key file.
-- out: id BLOB
-- scan ok: once a start; thousands of short rows
SELECT substr(credential, 2, 8) AS id FROM target WHERE credential IS NOT NULL
UNION SELECT substr(sealed, 2, 8) AS id FROM secret_revision
LIMIT 1000;
