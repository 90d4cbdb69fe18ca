-- Refreshes: the last one of each application.

-- name: refresh_put
INSERT INTO refresh (application_id, turn, stage, stage_at, check_action, units, was_active, from_sha256, from_channel, from_revision,
                     to_sha256, options, resources, asked_by, started_at)
VALUES (:application_id, :turn, 'canary', :started_at, :check_action, :units, :was_active, :from_sha256, :from_channel, :from_revision,
        :to_sha256, :options, :resources, :asked_by, :started_at)
ON CONFLICT (application_id) DO UPDATE SET
        turn = excluded.turn, stage = 'canary', stage_at = excluded.stage_at, well_at = NULL, paused = NULL, holds = '{}',
        check_action = excluded.check_action, check_operation = NULL, units = excluded.units, was_active = excluded.was_active, from_sha256 = excluded.from_sha256,
        from_channel = excluded.from_channel, from_revision = excluded.from_revision, to_sha256 = excluded.to_sha256,
        options = excluded.options, resources = excluded.resources, asked_by = excluded.asked_by,
        started_at = excluded.started_at;

-- name: refresh_get
-- row: refresh
-- one
SELECT * FROM refresh WHERE application_id = :application_id;

-- name: refresh_set_stage
-- It goes on.
UPDATE refresh SET turn = turn + 1, stage = :stage, stage_at = :stage_at, well_at = NULL, paused = NULL, holds = '{}',
                   check_operation = NULL
WHERE application_id = :application_id;

-- name: refresh_set_well
UPDATE refresh SET turn = turn + 1, well_at = :well_at WHERE application_id = :application_id;

-- name: refresh_set_paused
UPDATE refresh SET turn = turn + 1, well_at = NULL, paused = :paused, holds = :holds WHERE application_id = :application_id;

-- name: refresh_set_check
UPDATE refresh SET turn = turn + 1, check_operation = :check_operation WHERE application_id = :application_id;

-- name: refresh_set_units
UPDATE refresh SET units = :units WHERE application_id = :application_id;

-- name: refresh_charms
-- Contents that a rollback goes back to.
-- in: after TEXT
-- in: max INT
SELECT DISTINCT from_sha256 FROM refresh WHERE from_sha256 > :after ORDER BY from_sha256 LIMIT :max;

-- name: refresh_delete
DELETE FROM refresh WHERE application_id = :application_id;
