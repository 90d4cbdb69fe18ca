-- Relations with both of their ends in one row; and what commands change of them.

-- name: relation_ends
-- The relations of one application with the other side; peers have none and are not here.
-- in: after INT
-- in: max INT
SELECT mine.relation_id, mine.role, mine.endpoint, relation.interface, relation.life, other.application_id AS other_id,
       other.endpoint AS other_endpoint, application.name AS other_name, application.charm_name AS other_charm
FROM relation_side AS mine
JOIN relation ON relation.id = mine.relation_id
JOIN relation_side AS other ON other.relation_id = mine.relation_id AND other.role <> mine.role
JOIN application ON application.id = other.application_id
WHERE mine.application_id = :application_id AND mine.relation_id > :after ORDER BY mine.relation_id LIMIT :max;

-- name: relation_set_interface
UPDATE relation SET interface = :interface WHERE id = :id;
