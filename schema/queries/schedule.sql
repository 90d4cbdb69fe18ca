-- Schedules: actions that are run at times.

-- name: schedule_insert
INSERT INTO schedule (id, model_id, model, application_id, application, unit, action, params, cron, zone, jitter_ms, missed,
                      overlap, during_freeze, asked_by, asked_uid, asked_login, asked_role, reason, created_at, due_at, run_at)
VALUES (:id, :model_id, :model, :application_id, :application, :unit, :action, :params, :cron, :zone, :jitter_ms, :missed,
        :overlap, :during_freeze, :asked_by, :asked_uid, :asked_login, :asked_role, :reason, :created_at, :due_at, :run_at);

-- name: schedule_by_id
-- row: schedule
-- one
SELECT * FROM schedule WHERE id = :id;

-- name: schedule_list
-- row: schedule
-- in: after INT
-- in: max INT
SELECT * FROM schedule WHERE model_id = :model_id AND id > :after ORDER BY id LIMIT :max;

-- name: schedule_due
-- Those whose time has come, the longest overdue first.
-- row: schedule
-- in: until_at INT
-- in: max INT
SELECT * FROM schedule WHERE run_at <= :until_at ORDER BY run_at LIMIT :max;

-- name: schedule_next
-- scan ok: the first of the index
SELECT run_at FROM schedule ORDER BY run_at LIMIT 1;

-- name: schedule_count
-- out: total INT
-- scan ok: of a model, which has few
SELECT count(*) AS total FROM schedule WHERE model_id = :model_id LIMIT 1;

-- name: schedule_set_ran
UPDATE schedule SET due_at = :due_at, run_at = :run_at, operation = :operation, last_at = :last_at, last_text = :last_text
WHERE id = :id;

-- name: schedule_delete
DELETE FROM schedule WHERE id = :id;

-- name: schedule_delete_application
DELETE FROM schedule WHERE application_id = :application_id;

-- name: schedule_ages
-- Those that come again, and when their action completed last, whoever asked for it.
-- in: model_id INT NULL
-- in: max INT
-- out: completed_at INT NULL
-- scan ok: one pass over the operations that ended, 10,000 at most
SELECT s.id, s.model, s.application, s.action, s.cron, s.zone, s.jitter_ms, s.created_at, o.completed_at
FROM schedule AS s
LEFT JOIN (SELECT application_id, action, max(ended_at) AS completed_at FROM operation
           WHERE live = 0 AND status = 'completed' GROUP BY application_id, action) AS o
       ON o.application_id = s.application_id AND o.action = s.action
WHERE s.cron <> '' AND (:model_id IS NULL OR s.model_id = :model_id)
ORDER BY s.id LIMIT :max;
