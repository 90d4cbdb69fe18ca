-- What is counted in the rows for metrics.

-- name: metric_counts
-- out: secrets INT
-- out: leftovers INT
-- out: drift_open INT
-- out: drift_standing INT
-- out: detached INT
-- scan ok: counts some thousands of index entries, each time metrics are asked for, on the read thread
SELECT (SELECT count(*) FROM secret) AS secrets,
       (SELECT count(*) FROM leftover) AS leftovers,
       (SELECT count(*) FROM drift WHERE outcome = 'open' AND standing IS NULL AND action <> 'wait') AS drift_open,
       (SELECT count(*) FROM drift WHERE outcome = 'open' AND (standing IS NOT NULL OR action = 'wait')) AS drift_standing,
       (SELECT count(*) FROM detached) AS detached
LIMIT 1;
