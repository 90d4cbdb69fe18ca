-- Rules of what is done about drift; freezes of models and applications, pauses of objects.

-- name: policy_list
-- row: policy
SELECT * FROM policy WHERE model_id = :model_id ORDER BY id LIMIT 1000;

-- name: policy_get
-- row: policy
-- one
SELECT * FROM policy WHERE model_id = :model_id AND application = :application AND type = :type AND path = :path
                       AND field = :field;

-- name: policy_insert
INSERT INTO policy (id, model_id, application, type, path, field, mode, begins, zone, length_ms, writer, owner, why, at,
                    until)
VALUES (:id, :model_id, :application, :type, :path, :field, :mode, :begins, :zone, :length_ms, :writer, :owner, :why,
        :at, :until);

-- name: policy_delete
DELETE FROM policy WHERE id = :id;

-- name: policy_delete_model
DELETE FROM policy WHERE model_id = :model_id;

-- name: policy_delete_application
DELETE FROM policy WHERE model_id = :model_id AND application = :application;

-- name: freeze_list
-- row: freeze
SELECT * FROM freeze WHERE model_id = :model_id ORDER BY id LIMIT 1000;

-- name: freeze_insert
INSERT INTO freeze (id, model_id, application, type, path, owner, why, at, until)
VALUES (:id, :model_id, :application, :type, :path, :owner, :why, :at, :until);

-- name: freeze_delete
DELETE FROM freeze WHERE id = :id;

-- name: freeze_delete_model
DELETE FROM freeze WHERE model_id = :model_id;

-- name: freeze_delete_application
DELETE FROM freeze WHERE model_id = :model_id AND application = :application;
