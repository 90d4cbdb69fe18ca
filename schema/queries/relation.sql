-- Relations, their sides and what one side tells the other.

-- name: relation_insert
INSERT INTO relation (id, model_id, interface, life, created_at)
VALUES (:id, :model_id, :interface, 'alive', :created_at);

-- name: relation_by_id
-- row: relation
-- one
SELECT * FROM relation WHERE id = :id;

-- name: relation_list
-- row: relation
-- in: after INT
-- in: max INT
SELECT * FROM relation WHERE model_id = :model_id AND id > :after ORDER BY id LIMIT :max;

-- name: relation_set_life
UPDATE relation SET life = :life WHERE id = :id;

-- name: relation_turn
UPDATE relation SET turns = turns + 1 WHERE id = :id;

-- name: relation_turns_end
-- Something else happened to one of its sides.
UPDATE relation SET turns = 0
WHERE turns > 0 AND id IN (SELECT relation_id FROM relation_side WHERE application_id = :application_id);

-- name: relation_delete
DELETE FROM relation WHERE id = :id;

-- name: relation_side_insert
INSERT INTO relation_side (relation_id, role, application_id, endpoint)
VALUES (:relation_id, :role, :application_id, :endpoint);

-- name: relation_side_list
-- The sides of one relation: two, or one of peers; with the applications' names.
SELECT relation_side.role, relation_side.application_id, relation_side.endpoint, application.name AS application
FROM relation_side JOIN application ON application.id = relation_side.application_id
WHERE relation_side.relation_id = :relation_id ORDER BY relation_side.role LIMIT 3;

-- name: relation_by_application
-- The relations of one application, its own endpoint, and the relation's life.
-- in: after INT
-- in: max INT
SELECT relation_side.relation_id, relation_side.role, relation_side.endpoint, relation.interface, relation.life,
       relation.created_at
FROM relation_side JOIN relation ON relation.id = relation_side.relation_id
WHERE relation_side.application_id = :application_id AND relation_side.relation_id > :after
ORDER BY relation_side.relation_id LIMIT :max;

-- name: relation_side_leave
DELETE FROM relation_side WHERE relation_id = :relation_id AND application_id = :application_id;

-- name: relation_side_delete
DELETE FROM relation_side WHERE relation_id = :relation_id;

-- name: relation_data_set
-- Changes nothing (and returns 0) when the value is already there.
-- in: value TEXT
INSERT INTO relation_data (relation_id, application_id, key, value)
VALUES (:relation_id, :application_id, :key, :value)
ON CONFLICT (relation_id, application_id, key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value;

-- name: relation_data_list
-- What one side says.
-- in: after TEXT
-- in: max INT
SELECT key, value FROM relation_data
WHERE relation_id = :relation_id AND application_id = :application_id AND key > :after ORDER BY key LIMIT :max;

-- name: relation_data_delete
DELETE FROM relation_data WHERE relation_id = :relation_id AND application_id = :application_id AND key = :key;

-- name: relation_data_delete_side
DELETE FROM relation_data WHERE relation_id = :relation_id AND application_id = :application_id;

-- name: relation_data_delete_all
DELETE FROM relation_data WHERE relation_id = :relation_id;

-- name: relation_holders
-- What holds a secret that one side gave the other over it: its user, its Secret; with whose it is.
-- out: type TEXT
-- out: path TEXT
-- out: application TEXT
SELECT DISTINCT resource.type AS type, resource.path AS path, application.name AS application
FROM secret_grant JOIN secret_use ON secret_use.secret_id = secret_grant.secret_id
     JOIN resource ON resource.id = secret_use.resource_id
     JOIN application ON application.id = resource.owner_id
WHERE secret_grant.relation_id = :relation_id ORDER BY resource.id LIMIT 1000;
