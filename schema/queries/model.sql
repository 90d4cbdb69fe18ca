-- Models and their options.

-- name: model_insert
INSERT INTO model (id, name, uuid, target_id, life, created_at)
VALUES (:id, :name, :uuid, :target_id, 'alive', :created_at);

-- name: model_by_id
-- row: model
-- one
SELECT * FROM model WHERE id = :id;

-- name: model_by_name
-- row: model
-- one
SELECT * FROM model WHERE name = :name;

-- name: model_list
-- row: model
-- in: after INT
-- in: max INT
SELECT * FROM model WHERE id > :after ORDER BY id LIMIT :max;

-- name: model_by_target
-- row: model
-- in: after INT
-- in: max INT
SELECT * FROM model WHERE target_id = :target_id AND id > :after ORDER BY id LIMIT :max;

-- name: model_count_deleted
-- What plans deleted, as one change, and since when.
UPDATE model SET deleted_at = :deleted_at, deleted = :deleted WHERE id = :id;

-- name: model_set_life
UPDATE model SET life = :life, destroy_storage = :destroy_storage, force = :force WHERE id = :id;

-- name: model_pause
UPDATE model SET paused_by = :paused_by, paused_why = :paused_why, paused_at = :paused_at,
                 paused_until = :paused_until
WHERE id = :id;

-- name: model_delete
DELETE FROM model WHERE id = :id;

-- name: model_option_set
-- in: value TEXT
INSERT INTO model_option (model_id, name, value) VALUES (:model_id, :name, :value)
ON CONFLICT (model_id, name) DO UPDATE SET value = excluded.value;

-- name: model_option_get
-- one
SELECT value FROM model_option WHERE model_id = :model_id AND name = :name;

-- name: model_option_list
SELECT name, value FROM model_option WHERE model_id = :model_id ORDER BY name LIMIT 1000;

-- name: model_option_delete
DELETE FROM model_option WHERE model_id = :model_id AND name = :name;

-- name: model_option_delete_all
DELETE FROM model_option WHERE model_id = :model_id;
