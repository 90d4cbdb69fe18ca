-- What a backup, or a state folder that one is to be restored into, holds.

-- name: backup_counts
-- out: models INT
-- out: applications INT
-- out: targets INT
-- out: audit_at INT
-- scan ok: once a backup that is looked at; counts some thousands of index entries
SELECT (SELECT count(*) FROM model) AS models,
       (SELECT count(*) FROM application) AS applications,
       (SELECT count(*) FROM target) AS targets,
       coalesce((SELECT a.at FROM audit a ORDER BY a.id DESC LIMIT 1), 0) AS audit_at
LIMIT 1;
