-- Operations: actions that were run, what their steps asked for, what they told.

-- name: operation_insert
INSERT INTO operation (id, model_id, model, application_id, application, unit, action, params, secret_results,
                       charm_sha256, key, status, parallel, execution_group, during_freeze, approval, asked_by, asked_uid,
                       asked_login, reason, deadline_ms, enqueued_at)
VALUES (:id, :model_id, :model, :application_id, :application, :unit, :action, :params, :secret_results,
        :charm_sha256, :key, 'pending', :parallel, :execution_group, :during_freeze, :approval, :asked_by, :asked_uid,
        :asked_login, :reason, :deadline_ms, :enqueued_at);

-- name: operation_by_id
-- row: operation
-- one
SELECT * FROM operation WHERE id = :id;

-- name: operation_live
-- What waits and what runs, the oldest first.
-- in: after INT
-- in: max INT
SELECT id, model_id, application_id, application, status, parallel, execution_group, during_freeze, approval, enqueued_at
FROM operation WHERE live = 1 AND id > :after ORDER BY id LIMIT :max;

-- name: operation_live_count
-- out: total INT
-- scan ok: of the index of those that live, which are bounded
SELECT count(*) AS total FROM operation WHERE live = 1 LIMIT 1;

-- name: operation_live_of
-- Of one application.
SELECT id, action, status, step, parallel FROM operation WHERE live = 1 AND application_id = :application_id ORDER BY id LIMIT 1000;

-- name: operation_charms
-- What may not be removed.
-- scan ok: of the index of those that live, which are bounded
SELECT DISTINCT charm_sha256 FROM operation WHERE live = 1 LIMIT 10000;

-- name: operation_list
-- Newest first, of the lines from OLDEST to NEWEST. Filters that are NULL do not count.
-- row: operation
-- in: newest INT
-- in: oldest INT
-- in: application TEXT NULL
-- in: action TEXT NULL
-- in: status TEXT NULL
-- in: max INT
SELECT * FROM operation
WHERE model_id = :model_id AND id <= :newest AND id >= :oldest
  AND (:application IS NULL OR application = :application) AND (:action IS NULL OR action = :action)
  AND (:status IS NULL OR status = :status)
ORDER BY id DESC LIMIT :max;

-- name: operation_newest_before
-- in: before_id INT
SELECT id FROM operation WHERE model_id = :model_id AND id < :before_id ORDER BY id DESC LIMIT 1;

-- name: operation_set_started
UPDATE operation SET status = 'running', started_at = :started_at, step_at = :started_at, deadline_at = :deadline_at
WHERE id = :id;

-- name: operation_set_cancelled
UPDATE operation SET cancelled_by = :cancelled_by WHERE id = :id;

-- name: operation_set_approved
UPDATE operation SET approval = 'given', approved_by = :approved_by WHERE id = :id;

-- name: operation_set_turn
UPDATE operation SET step = :step, cleanup = :cleanup, turn = :turn, asked = :asked, state = :state, results = :results, logged = :logged,
                     ending = :ending, message = :message, step_at = :step_at, steps = :steps
WHERE id = :id;

-- name: operation_set_deadline
UPDATE operation SET deadline_at = :deadline_at WHERE id = :id;

-- name: operation_set_held
UPDATE operation SET held_at = :held_at WHERE id = :id;

-- name: operation_set_free
-- Its time goes on.
-- in: ms INT
UPDATE operation SET held_at = NULL, deadline_at = deadline_at + :ms WHERE id = :id;

-- name: operation_set_ended
UPDATE operation SET live = 0, status = :status, message = :message, ended_at = :ended_at WHERE id = :id;

-- name: operation_prune_age
-- in: before_at INT
-- in: max INT
DELETE FROM operation WHERE id IN (
        SELECT id FROM operation WHERE live = 0 AND ended_at < :before_at ORDER BY ended_at LIMIT :max);

-- name: operation_prune_count
-- The oldest of those that ended beyond the newest KEEP, a few at a time.
-- in: keep INT
-- in: max INT
-- scan ok: counts the KEEP newest, now and then
DELETE FROM operation WHERE id IN (
        SELECT id FROM operation
        WHERE live = 0 AND ended_at <= (SELECT ended_at FROM operation WHERE live = 0 ORDER BY ended_at DESC LIMIT 1 OFFSET :keep)
        ORDER BY ended_at LIMIT :max);

-- name: operation_prune_scheduled
-- Of what one schedule ran and completed all but the newest KEEP, a few at a time: one that runs each minute would leave no room for the others.
-- in: keep INT
-- in: max INT
-- scan ok: of those that ended, which are bounded, now and then
DELETE FROM operation WHERE id IN (
        SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY application_id, action, asked_by ORDER BY ended_at DESC) AS place
                        FROM operation WHERE live = 0 AND status = 'completed' AND asked_by GLOB 'schedule *')
        WHERE place > :keep LIMIT :max);

-- name: operation_turn_insert
INSERT INTO operation_turn (operation_id, seq, step, ask, asked_at, deadline_at)
VALUES (:operation_id, :seq, :step, :ask, :asked_at, :deadline_at);

-- name: operation_turn_get
-- row: operation_turn
-- one
SELECT * FROM operation_turn WHERE operation_id = :operation_id AND seq = :seq;

-- name: operation_turn_list
-- row: operation_turn
-- in: after INT
-- in: max INT
SELECT * FROM operation_turn WHERE operation_id = :operation_id AND seq > :after ORDER BY seq LIMIT :max;

-- name: operation_turn_end
-- Only one that is out.
UPDATE operation_turn SET outcome = :outcome, error = :error, told = :told, ended_at = :ended_at
WHERE operation_id = :operation_id AND seq = :seq AND outcome = '';

-- name: operation_turn_later
-- What is out.
-- in: ms INT
UPDATE operation_turn SET deadline_at = deadline_at + :ms WHERE operation_id = :operation_id AND outcome = '';

-- name: operation_log_insert
INSERT INTO operation_log (operation_id, seq, at, text) VALUES (:operation_id, :seq, :at, :text);

-- name: operation_log_list
-- row: operation_log
-- in: after INT
-- in: max INT
SELECT * FROM operation_log WHERE operation_id = :operation_id AND seq > :after ORDER BY seq LIMIT :max;

-- name: operation_secrets
-- Those of its parameters.
SELECT id FROM secret WHERE application_id = :application_id AND label = :label ORDER BY field LIMIT 100;
