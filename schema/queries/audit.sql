-- The audit: append, cut from the oldest end, read.

-- name: audit_insert
INSERT INTO audit (id, at, kind, user_id, login_id, user_name, pid, command, role, what, route, model, application, subject,
                   was, became, why, outcome, message, key_id, hash)
VALUES (:id, :at, :kind, :user_id, :login_id, :user_name, :pid, :command, :role, :what, :route, :model, :application,
        :subject, :was, :became, :why, :outcome, :message, :key_id, :hash);

-- name: audit_last
SELECT id, hash FROM audit WHERE id > 0 ORDER BY id DESC LIMIT 1;

-- name: audit_hash
-- one
SELECT hash FROM audit WHERE id = :id;

-- name: audit_by_id
-- row: audit
-- one
SELECT * FROM audit WHERE id = :id;

-- name: audit_page
-- row: audit
-- in: after INT
-- in: max INT
SELECT * FROM audit WHERE id > :after ORDER BY id LIMIT :max;

-- name: audit_newest_before
-- in: before_id INT
SELECT id FROM audit WHERE id < :before_id ORDER BY id DESC LIMIT 1;

-- name: audit_list
-- Newest first, of the rows from OLDEST to NEWEST: what matches nothing may not read them all. Filters that are NULL do
-- not count. WHO is a user's name or number, or "loop"; WHAT a part of the action or the subject.
-- row: audit
-- in: newest INT
-- in: oldest INT
-- in: since INT
-- in: application TEXT NULL
-- in: who TEXT NULL
-- in: what TEXT NULL
-- in: max INT
SELECT * FROM audit
WHERE id <= :newest AND id >= :oldest AND at >= :since AND (:application IS NULL OR application = :application)
  AND (:who IS NULL OR user_name = :who OR kind = :who OR CAST(user_id AS TEXT) = :who)
  AND (:what IS NULL OR instr(what, :what) > 0 OR instr(subject, :what) > 0)
ORDER BY id DESC LIMIT :max;

-- name: audit_oldest
-- in: max INT
SELECT id, at FROM audit WHERE id > 0 ORDER BY id LIMIT :max;

-- name: audit_newest_cut
SELECT id, became FROM audit WHERE kind = 'cut' AND id > 0 ORDER BY id DESC LIMIT 1;

-- name: audit_delete_through
DELETE FROM audit WHERE id <= :id;
