-- Plans that were shown to people.

-- name: shown_by_name
-- row: shown
-- one
SELECT * FROM shown WHERE name = :name;

-- name: shown_same
-- row: shown
SELECT * FROM shown WHERE owner = :owner AND model_id = :model_id AND digest = :digest ORDER BY id DESC LIMIT 1;

-- name: shown_insert
INSERT INTO shown (id, name, model_id, application, owner, request, lines, digest, at, until)
VALUES (:id, :name, :model_id, :application, :owner, :request, :lines, :digest, :at, :until);

-- name: shown_again
UPDATE shown SET at = :at, until = :until WHERE id = :id;

-- name: shown_page
-- row: shown
-- in: after INT
-- in: max INT
SELECT * FROM shown WHERE id > :after ORDER BY id LIMIT :max;

-- name: shown_seal
UPDATE shown SET request = :request WHERE id = :id;

-- name: shown_delete
DELETE FROM shown WHERE id = :id;

-- name: shown_delete_model
DELETE FROM shown WHERE model_id = :model_id;

-- name: shown_prune_owner
-- All but the newest KEEP of one person's.
-- in: keep INT
DELETE FROM shown WHERE owner = :owner AND id <= (
        SELECT id FROM shown WHERE owner = :owner ORDER BY id DESC LIMIT 1 OFFSET :keep);

-- name: shown_prune
-- Those that are over, a few at a time.
-- in: before_at INT
-- in: max INT
DELETE FROM shown WHERE id IN (SELECT id FROM shown WHERE until < :before_at LIMIT :max);
