-- Targets: the outsides.

-- name: target_insert
INSERT INTO target (id, name, provider, config, credential, application_id, label, bound_uid, created_at)
VALUES (:id, :name, :provider, :config, :credential, :application_id, :label, :bound_uid, :created_at);

-- name: target_by_id
-- row: target
-- one
SELECT * FROM target WHERE id = :id;

-- name: target_by_name
-- row: target
-- one
SELECT * FROM target WHERE name = :name;

-- name: target_list
-- In order of id, after the cursor.
-- row: target
-- in: after INT
-- in: max INT
SELECT * FROM target WHERE id > :after ORDER BY id LIMIT :max;

-- name: target_by_application
-- The targets that an application's plan made.
-- row: target
SELECT * FROM target WHERE application_id = :application_id ORDER BY id LIMIT 1000;

-- name: target_set_config
UPDATE target SET config = :config, credential = :credential WHERE id = :id;

-- name: target_set_bound
UPDATE target SET bound_uid = :bound_uid WHERE id = :id;

-- name: target_delete
DELETE FROM target WHERE id = :id;

-- name: target_used
-- Whether a model, a resource or detached storage still names it.
-- out: models INT
-- out: resources INT
-- out: stores INT
SELECT EXISTS (SELECT 1 FROM model WHERE target_id = :id) AS models,
       EXISTS (SELECT 1 FROM resource WHERE target_id = :id) AS resources,
       EXISTS (SELECT 1 FROM detached WHERE target_id = :id) AS stores
LIMIT 1;
