-- Permissions: which role may run an action, where an admin said so.

-- name: permission_get
-- row: permission
-- one
SELECT * FROM permission WHERE application_id = :application_id AND action = :action;

-- name: permission_insert
INSERT INTO permission (application_id, action, role, owner, why, at) VALUES (:application_id, :action, :role, :owner, :why, :at);

-- name: permission_delete
DELETE FROM permission WHERE application_id = :application_id AND action = :action;
