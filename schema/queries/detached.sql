-- Storage that outlived its application.

-- name: detached_insert
INSERT INTO detached (id, model_id, application, charm_name, target_id, type, path, secrets, incarnation, made, adopted,
                      initialised_at, at)
VALUES (:id, :model_id, :application, :charm_name, :target_id, :type, :path, :secrets, :incarnation, :made, :adopted,
        :initialised_at, :at);

-- name: detached_by_application
-- row: detached
SELECT * FROM detached WHERE model_id = :model_id AND application = :application ORDER BY id LIMIT 1000;

-- name: detached_list
-- row: detached
-- in: after INT
-- in: max INT
SELECT * FROM detached WHERE model_id = :model_id AND id > :after ORDER BY id LIMIT :max;

-- name: detached_delete
DELETE FROM detached WHERE id = :id;
