-- Storage that nobody wants any more.

-- name: detached_insert
INSERT INTO detached (id, model_id, application, application_id, charm_name, target_id, type, path, secrets, incarnation, made, adopted,
                      initialised_at, resource_id, trouble, at)
VALUES (:id, :model_id, :application, :application_id, :charm_name, :target_id, :type, :path, :secrets, :incarnation, :made, :adopted,
        :initialised_at, :resource_id, :trouble, :at);

-- name: detached_by_application
-- row: detached
SELECT * FROM detached WHERE model_id = :model_id AND application = :application ORDER BY id LIMIT 1000;

-- name: detached_earlier
-- Of an application of that name that is gone.
-- row: detached
SELECT * FROM detached WHERE model_id = :model_id AND application = :application AND application_id IS NULL
ORDER BY id LIMIT 1000;

-- name: detached_by_identity
-- Whoever left it there.
-- row: detached
SELECT * FROM detached WHERE target_id = :target_id AND type = :type AND path = :path
ORDER BY id LIMIT 1;

-- name: detached_of
-- What a living application let go.
-- row: detached
SELECT * FROM detached WHERE application_id = :application_id ORDER BY id LIMIT 1000;

-- name: detached_orphan
-- Its application ends.
UPDATE detached SET application_id = NULL WHERE application_id = :application_id;

-- name: detached_list
-- row: detached
-- in: after INT
-- in: max INT
SELECT * FROM detached WHERE model_id = :model_id AND id > :after ORDER BY id LIMIT :max;

-- name: detached_page
-- Of all models.
-- row: detached
-- in: after INT
-- in: max INT
SELECT * FROM detached WHERE id > :after ORDER BY id LIMIT :max;

-- name: detached_by_id
-- row: detached
-- one
SELECT * FROM detached WHERE id = :id;

-- name: detached_set_trouble
UPDATE detached SET trouble = :trouble WHERE id = :id;

-- name: detached_delete
DELETE FROM detached WHERE id = :id;
