-- What commands do with storage that outlived its application.

-- name: detached_by_target
-- row: detached
SELECT * FROM detached WHERE target_id = :target_id ORDER BY id LIMIT 1000;

-- name: resource_insert_kept
-- Detached storage that is looked after again: by a new owner, or dying, to be destroyed.
INSERT INTO resource (id, target_id, type, path, owner_id, model_id, life, wanted_generation, incarnation, made, adopted,
                      keep, initialised_at, lost_at, state)
VALUES (:id, :target_id, :type, :path, :owner_id, :model_id, :life, 1, :incarnation, :made, :adopted,
        :keep, :initialised_at, :lost_at, :state);

-- name: resource_set_kept
-- Detached storage that a new owner wants already, and has not touched.
UPDATE resource SET incarnation = :incarnation, made = :made, adopted = :adopted, initialised_at = :initialised_at,
                    lost_at = :lost_at
WHERE id = :id AND applied_generation = 0;
