-- What commands do with storage that outlived its application.

-- name: detached_by_target
-- row: detached
SELECT * FROM detached WHERE target_id = :target_id ORDER BY id LIMIT 1000;

-- name: resource_insert_kept
-- Detached storage that is looked after again: by a new owner, or dying, to be destroyed.
INSERT INTO resource (id, target_id, type, path, owner_id, life, wanted_generation, made, keep, initialised_at, state)
VALUES (:id, :target_id, :type, :path, :owner_id, :life, 1, 1, :keep, :initialised_at, :state);
