-- What was shown when, and why it changed.

-- name: status_history_insert
INSERT INTO status_history (id, model_id, entity, status, message, cause, at)
VALUES (:id, :model_id, :entity, :status, :message, :cause, :at);

-- name: status_history_list
-- Of one entity, newest first, older than the cursor.
-- row: status_history
-- in: before_id INT
-- in: max INT
SELECT * FROM status_history WHERE model_id = :model_id AND entity = :entity AND id < :before_id
ORDER BY id DESC LIMIT :max;

-- name: status_history_prune_age
-- in: before_at INT
-- in: max INT
DELETE FROM status_history WHERE id IN (SELECT id FROM status_history WHERE at < :before_at LIMIT :max);

-- name: status_history_prune_count
-- The oldest of all beyond the newest KEEP, a few at a time.
-- in: keep INT
-- in: max INT
-- scan ok: counts the KEEP newest, now and then
DELETE FROM status_history WHERE id IN (
        SELECT id FROM status_history
        WHERE id <= (SELECT id FROM status_history ORDER BY id DESC LIMIT 1 OFFSET :keep)
        ORDER BY id LIMIT :max);

-- name: status_history_delete_model
-- A few at a time.
-- in: max INT
DELETE FROM status_history WHERE id IN (SELECT id FROM status_history WHERE model_id = :model_id LIMIT :max);
