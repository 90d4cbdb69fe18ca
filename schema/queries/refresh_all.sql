-- `refresh --all`: the last order of each model, and its applications.

-- name: refresh_all_get
-- row: refresh_all
-- one
SELECT * FROM refresh_all WHERE model_id = :model_id;

-- name: refresh_all_put
INSERT INTO refresh_all (model_id, state, asked_by, started_at)
VALUES (:model_id, 'forward', :asked_by, :started_at)
ON CONFLICT (model_id) DO UPDATE SET
        state = 'forward', stopped = NULL, accept_loss = 0, asked_by = excluded.asked_by, started_at = excluded.started_at,
        ended_at = NULL;

-- name: refresh_all_set_state
-- ENDED_AT NULL: it is not over.
UPDATE refresh_all SET state = :state, stopped = NULL, accept_loss = :accept_loss, ended_at = :ended_at
WHERE model_id = :model_id;

-- name: refresh_all_set_stopped
UPDATE refresh_all SET stopped = :stopped WHERE model_id = :model_id;

-- name: refresh_all_part_put
INSERT INTO refresh_all_part (application_id, model_id, place, to_sha256, state)
VALUES (:application_id, :model_id, :place, :to_sha256, 'waiting');

-- name: refresh_all_part_get
-- row: refresh_all_part
-- one
SELECT * FROM refresh_all_part WHERE application_id = :application_id;

-- name: refresh_all_part_list
-- In their order, with the applications' names.
-- in: after INT
-- in: max INT
SELECT refresh_all_part.application_id, refresh_all_part.place, refresh_all_part.to_sha256, refresh_all_part.state,
       application.name AS application
FROM refresh_all_part JOIN application ON application.id = refresh_all_part.application_id
WHERE refresh_all_part.model_id = :model_id AND refresh_all_part.place > :after
ORDER BY refresh_all_part.place LIMIT :max;

-- name: refresh_all_part_set_state
UPDATE refresh_all_part SET state = :state WHERE application_id = :application_id;

-- name: refresh_all_part_delete
DELETE FROM refresh_all_part WHERE application_id = :application_id;

-- name: refresh_all_part_delete_model
DELETE FROM refresh_all_part WHERE model_id = :model_id;

-- name: refresh_all_delete
DELETE FROM refresh_all WHERE model_id = :model_id;

-- name: refresh_all_charms
-- Contents that applications are to go over to.
-- in: after TEXT
-- in: max INT
SELECT DISTINCT to_sha256 FROM refresh_all_part WHERE to_sha256 > :after ORDER BY to_sha256 LIMIT :max;
