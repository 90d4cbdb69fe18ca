-- Settings of the controller, the counters of ids, and the recorded answers.

-- name: setting_get
-- one
SELECT value FROM setting WHERE name = :name;

-- name: setting_set
-- in: value TEXT
INSERT INTO setting (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: setting_delete
DELETE FROM setting WHERE name = :name;

-- name: counter_get
-- one
SELECT value FROM counter WHERE name = :name;

-- name: counter_set
-- Never goes back.
-- in: value INT
INSERT INTO counter (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value);

-- name: request_get
-- one
SELECT result, answer FROM request WHERE name = :name;

-- name: request_insert
INSERT INTO request (name, serial, result, answer, at) VALUES (:name, :serial, :result, :answer, :at);

-- name: request_delete
DELETE FROM request WHERE name = :name;

-- name: request_prune
-- The oldest go: all up to this serial.
DELETE FROM request WHERE serial <= :serial;
