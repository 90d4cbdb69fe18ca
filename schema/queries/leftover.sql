-- What a removal could not or must not take away.

-- name: leftover_insert
INSERT INTO leftover (id, model, application, type, path, why, at)
VALUES (:id, :model, :application, :type, :path, :why, :at);

-- name: leftover_list
-- row: leftover
-- in: after INT
-- in: max INT
SELECT * FROM leftover WHERE id > :after ORDER BY id LIMIT :max;

-- name: leftover_by_model
-- row: leftover
-- in: after INT
-- in: max INT
SELECT * FROM leftover WHERE model = :model AND id > :after ORDER BY id LIMIT :max;

-- name: leftover_prune
-- The oldest beyond the newest KEEP, a few at a time.
-- in: keep INT
-- in: max INT
-- scan ok: counts the KEEP newest, now and then
DELETE FROM leftover WHERE id IN (
        SELECT id FROM leftover
        WHERE id <= (SELECT id FROM leftover ORDER BY id DESC LIMIT 1 OFFSET :keep)
        ORDER BY id LIMIT :max);
