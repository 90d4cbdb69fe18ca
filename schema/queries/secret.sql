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

-- name: secret_given
-- What people gave: of options, and of secrets that they added; of all models.
-- row: secret
-- in: after INT
-- in: max INT
SELECT * FROM secret WHERE id > :after AND purpose IN ('option', 'user') ORDER BY id LIMIT :max;

-- name: secret_set_revision
UPDATE secret SET revision = :revision WHERE id = :id;

-- name: secret_set_rotate
UPDATE secret SET rotate = :rotate, rotate_at = :rotate_at WHERE id = :id;

-- name: secret_rotate_due
-- row: secret
-- in: until_at INT
-- in: max INT
SELECT * FROM secret WHERE rotate_at IS NOT NULL AND rotate_at <= :until_at ORDER BY rotate_at LIMIT :max;

-- name: secret_rotate_next
SELECT rotate_at FROM secret WHERE rotate_at IS NOT NULL ORDER BY rotate_at LIMIT 1;

-- name: secret_set_owner
-- NULL: kept for detached storage.
UPDATE secret SET application_id = :application_id WHERE id = :id;

-- name: secret_set_asked
UPDATE secret SET asked = :asked WHERE id = :id AND asked IS NOT :asked;

-- name: secret_use_put
-- in: uri TEXT
-- in: revision INT
INSERT INTO secret_use (resource_id, secret_id, revision, generation)
SELECT resource.id, secret.id, CAST(:revision AS INTEGER), resource.wanted_generation FROM secret, resource
WHERE secret.uri = :uri AND resource.id = :resource_id
ON CONFLICT (resource_id, secret_id, revision) DO UPDATE SET generation = excluded.generation;

-- name: secret_use_older
-- What documents before this generation held.
SELECT DISTINCT secret_id FROM secret_use WHERE resource_id = :resource_id AND generation < :generation LIMIT 1000;

-- name: secret_use_drop
-- What documents before this generation held.
DELETE FROM secret_use WHERE resource_id = :resource_id AND generation < :generation;

-- name: secret_use_drop_all
DELETE FROM secret_use WHERE secret_id = :secret_id;

-- name: secret_use_list
-- Which objects hold a revision, and whose they are.
-- in: after INT
-- in: max INT
-- out: application TEXT
SELECT r.id, r.type, r.path, coalesce(a.name, '') AS application FROM secret_use u
JOIN resource r ON r.id = u.resource_id LEFT JOIN application a ON a.id = r.owner_id
WHERE u.secret_id = :secret_id AND u.revision = :revision AND r.id > :after ORDER BY r.id LIMIT :max;

-- name: secret_use_objects
-- Objects whose documents hold secrets, and that are to stay.
-- in: after INT
-- in: max INT
SELECT r.id, r.target_id, r.type, r.path FROM resource r
WHERE r.id > :after AND r.life = 'alive' AND EXISTS (SELECT 1 FROM secret_use u WHERE u.resource_id = r.id LIMIT 1)
ORDER BY r.id LIMIT :max;

-- name: secret_revision_used
SELECT resource_id FROM secret_use WHERE secret_id = :secret_id AND revision = :revision LIMIT 1;

-- name: secret_revision_told
-- Who is told a token, or opens a target with it.
-- in: token TEXT
-- out: application TEXT
-- scan ok: once a revision that nothing outside holds any more
SELECT a.name AS application FROM relation_data d JOIN application a ON a.id = d.application_id
WHERE instr(d.value, :token) > 0
UNION SELECT a.name AS application FROM target t JOIN application a ON a.id = t.application_id
WHERE instr(t.config, :token) > 0 LIMIT 100;

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

-- name: secret_revision_list
-- Of one secret, the newest first, without values.
SELECT revision, created_at FROM secret_revision WHERE secret_id = :secret_id ORDER BY revision DESC LIMIT 1000;

-- name: secret_revision_stale
-- Those that are not the newest.
SELECT revision FROM secret_revision WHERE secret_id = :secret_id AND revision < :revision ORDER BY revision LIMIT 1000;

-- name: secret_revision_page
-- All there are, in order.
-- in: after_id INT
-- in: after_revision INT
-- in: max INT
SELECT v.secret_id, v.revision, v.sealed, s.uri FROM secret_revision v JOIN secret s ON s.id = v.secret_id
WHERE (v.secret_id, v.revision) > (:after_id, :after_revision) ORDER BY v.secret_id, v.revision LIMIT :max;

-- name: secret_revision_seal
UPDATE secret_revision SET sealed = :sealed WHERE secret_id = :secret_id AND revision = :revision;

-- name: secret_revision_delete
DELETE FROM secret_revision WHERE secret_id = :secret_id AND revision = :revision;

-- name: secret_revision_delete_all
DELETE FROM secret_revision WHERE secret_id = :secret_id;

-- name: secret_grant_insert
INSERT INTO secret_grant (secret_id, relation_id) VALUES (:secret_id, :relation_id) ON CONFLICT DO NOTHING;

-- name: secret_opens
-- For an application: its own, what it is told over a relation, and what people granted to it.
SELECT s.id FROM secret s
WHERE s.uri = :uri
  AND (s.application_id = :application_id
       OR EXISTS (SELECT 1 FROM secret_grant g JOIN relation_side side ON side.relation_id = g.relation_id
                  WHERE g.secret_id = s.id AND side.application_id = :application_id LIMIT 1)
       OR EXISTS (SELECT 1 FROM user_secret_grant u
                  WHERE u.user_secret_id = s.user_secret_id AND u.application_id = :application_id LIMIT 1))
LIMIT 1;

-- name: secret_granted_by
-- What one side tells.
SELECT s.id, s.uri FROM secret_grant g JOIN secret s ON s.id = g.secret_id
WHERE g.relation_id = :relation_id
  AND (s.application_id = :application_id
       OR EXISTS (SELECT 1 FROM user_secret_grant u
                  WHERE u.user_secret_id = s.user_secret_id AND u.application_id = :application_id LIMIT 1))
ORDER BY s.id LIMIT 1000;

-- name: secret_grant_list
SELECT relation_id FROM secret_grant WHERE secret_id = :secret_id ORDER BY relation_id LIMIT 1000;

-- name: secret_grant_delete
DELETE FROM secret_grant WHERE secret_id = :secret_id AND relation_id = :relation_id;

-- name: secret_grant_delete_relation
DELETE FROM secret_grant WHERE relation_id = :relation_id;

-- name: secret_grant_delete_side
-- What this application told of it.
DELETE FROM secret_grant WHERE secret_id = :secret_id
AND relation_id IN (SELECT side.relation_id FROM relation_side side WHERE side.application_id = :application_id);

-- name: secret_grant_delete_all
DELETE FROM secret_grant WHERE secret_id = :secret_id;

-- name: sealed_keys
-- The keys under which anything is sealed: the start compares them with those of the key file.
-- out: id BLOB
-- scan ok: once a start; thousands of short rows
SELECT substr(credential, 2, 8) AS id FROM target WHERE credential IS NOT NULL
UNION SELECT substr(sealed, 2, 8) AS id FROM secret_revision
LIMIT 1000;

-- name: secret_revision_last
-- Also one that is not in use.
SELECT revision FROM secret_revision WHERE secret_id = :secret_id ORDER BY revision DESC LIMIT 1;

-- name: secret_revision_drop
-- Of one whose values are made anew again and again: what is still outside stays.
-- in: before INT
DELETE FROM secret_revision
WHERE secret_id = :secret_id AND revision < :before
      AND NOT EXISTS (SELECT 1 FROM secret_use u
                      WHERE u.secret_id = secret_revision.secret_id AND u.revision = secret_revision.revision);
