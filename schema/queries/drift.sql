-- The ledger of drift.

-- name: drift_insert
-- in: fields TEXT
INSERT INTO drift (id, model_id, application, resource_id, type, path, fields, who, changed_at, seen_at, detected_ms,
                   action, outcome, before, standing)
VALUES (:id, :model_id, :application, :resource_id, :type, :path, :fields, :who, :changed_at, :seen_at, :detected_ms,
        :action, :outcome, :before, :standing);

-- name: drift_by_id
-- row: drift
-- one
SELECT * FROM drift WHERE id = :id;

-- name: drift_newest_before
-- in: before_id INT
SELECT id FROM drift WHERE model_id = :model_id AND id < :before_id ORDER BY id DESC LIMIT 1;

-- name: drift_list
-- Newest first, of the lines from OLDEST to NEWEST: what matches nothing may not read them all. Filters that are NULL do
-- not count.
-- row: drift
-- in: newest INT
-- in: oldest INT
-- in: application TEXT NULL
-- in: type TEXT NULL
-- in: who TEXT NULL
-- in: since INT
-- in: max INT
SELECT * FROM drift
WHERE model_id = :model_id AND id <= :newest AND id >= :oldest AND seen_at >= :since
  AND (:application IS NULL OR application = :application) AND (:who IS NULL OR who = :who OR user = :who)
  AND (:type IS NULL OR type LIKE :type OR type LIKE :type || '.%')
ORDER BY id DESC LIMIT :max;

-- name: drift_stats
-- What drifted how often and by whom, the most frequent first.
-- in: since INT
-- in: application TEXT NULL
-- out: total INT
-- out: open INT
-- out: repaired INT
-- out: detected_ms INT NULL
-- out: repaired_ms INT NULL
-- out: slowest_ms INT NULL
-- scan ok: the ledger of a model has bounds, and this is asked by people now and then
SELECT application, type, who, count(*) AS total, sum(outcome = 'open') AS open, sum(outcome = 'repaired') AS repaired,
       CAST(avg(detected_ms) AS INTEGER) AS detected_ms,
       CAST(avg(CASE WHEN outcome = 'repaired' THEN repaired_at - seen_at END) AS INTEGER) AS repaired_ms,
       max(CASE WHEN outcome = 'repaired' THEN repaired_at - seen_at END) AS slowest_ms
FROM drift WHERE model_id = :model_id AND seen_at >= :since AND (:application IS NULL OR application = :application)
GROUP BY application, type, who ORDER BY total DESC, application, type, who LIMIT 1000;

-- name: drift_by_writer
-- out: id INT
-- scan ok: as drift_stats
SELECT id FROM drift WHERE model_id = :model_id AND who = :who ORDER BY id DESC LIMIT 1;

-- name: drift_last_same
-- The last line with the same fields, of the newest hundred of that resource.
-- in: fields TEXT
-- out: before INT
-- scan ok: a hundred lines
SELECT before FROM (SELECT id, fields, before FROM drift WHERE resource_id = :resource_id ORDER BY id DESC LIMIT 100)
WHERE fields = :fields ORDER BY id DESC LIMIT 1;

-- name: drift_close
UPDATE drift SET outcome = :outcome, repaired_at = :repaired_at WHERE id = :id;

-- name: drift_set_user
UPDATE drift SET user = :user WHERE id = :id;

-- name: drift_set_action
UPDATE drift SET action = :action WHERE id = :id;

-- name: drift_close_open
-- Every open one of a resource.
UPDATE drift SET outcome = :outcome, repaired_at = :repaired_at WHERE resource_id = :resource_id AND outcome = 'open';

-- name: drift_prune_age
-- Closed ones seen before that time, a few at a time.
-- in: before_at INT
-- in: max INT
DELETE FROM drift WHERE id IN (SELECT id FROM drift WHERE seen_at < :before_at AND outcome <> 'open' LIMIT :max);

-- name: drift_prune_count
-- The oldest closed ones beyond the newest KEEP, a few at a time.
-- in: keep INT
-- in: max INT
-- scan ok: counts the KEEP newest, now and then
DELETE FROM drift WHERE id IN (
        SELECT id FROM drift
        WHERE id <= (SELECT id FROM drift ORDER BY id DESC LIMIT 1 OFFSET :keep) AND outcome <> 'open'
        ORDER BY id LIMIT :max);

-- name: drift_delete_model
-- A few at a time.
-- in: max INT
DELETE FROM drift WHERE id IN (SELECT id FROM drift WHERE model_id = :model_id LIMIT :max);
