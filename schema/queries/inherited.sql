-- What comes back with kept storage.

-- name: resource_made_inside
-- In the servers that an application runs: what goes if they stay, and data that something was in.
-- row: resource
-- in: after INT
-- in: max INT
SELECT resource.* FROM target JOIN resource ON resource.target_id = target.id
WHERE target.application_id = :application_id
  AND (resource.initialised_at IS NOT NULL OR (resource.made = 1 AND resource.adopted = 0 AND resource.keep = 0))
  AND resource.id > :after
ORDER BY resource.id LIMIT :max;

-- name: detached_inside
-- Let go before, in a server that the application runs.
-- row: detached
SELECT detached.* FROM target JOIN detached ON detached.target_id = target.id
WHERE target.application_id = :application_id AND detached.initialised_at IS NOT NULL
ORDER BY detached.id LIMIT 1000;

-- name: secret_in
-- In a resource's documents.
SELECT DISTINCT secret_id FROM secret_use WHERE resource_id = :resource_id LIMIT 1000;

-- name: inherited_insert
INSERT INTO inherited (id, model_id, application, target, type, path, incarnation, resource_id, needs, secrets,
                       made, adopted, initialised_at, lost_at)
VALUES (:id, :model_id, :application, :target, :type, :path, :incarnation, :resource_id, :needs, :secrets,
        :made, :adopted, :initialised_at, :lost_at);

-- name: inherited_list
-- row: inherited
SELECT * FROM inherited WHERE model_id = :model_id AND application = :application ORDER BY id LIMIT 10000;

-- name: inherited_delete
DELETE FROM inherited WHERE id = :id;

-- name: inherited_delete_of
DELETE FROM inherited WHERE model_id = :model_id AND application = :application;

-- name: inherited_delete_model
DELETE FROM inherited WHERE model_id = :model_id;
