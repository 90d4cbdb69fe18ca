-- What only the reconciler asks.

-- name: resource_scope_insert
-- The namespace of a model: wanted by the model itself.
INSERT INTO resource (id, target_id, type, path, model_id, life, wanted, wanted_generation, keep, state)
VALUES (:id, :target_id, :type, :path, :model_id, 'alive', :wanted, 1, 1, 'new');

-- name: resource_set_identity
UPDATE resource SET keep = :keep, remake = :remake WHERE id = :id;

-- name: resource_inside
-- What no application owns in the servers that this one runs.
SELECT resource.id FROM target JOIN resource ON resource.target_id = target.id
WHERE target.application_id = :application_id LIMIT 1000;

-- name: model_set_scope
UPDATE model SET scope = :scope WHERE id = :id;

-- name: application_set_see
UPDATE application SET see = :see, conflicts = :conflicts WHERE id = :id;

-- name: relation_other_sides
-- The other sides of an application's relations, for its view; of peers, itself.
SELECT mine.relation_id, mine.role, mine.endpoint, relation.interface, relation.life,
       other.application_id AS other_id, application.name AS other_name
FROM relation_side AS mine
JOIN relation ON relation.id = mine.relation_id
JOIN relation_side AS other ON other.relation_id = mine.relation_id
     AND (other.role <> mine.role OR mine.role = 'peers')
JOIN application ON application.id = other.application_id
WHERE mine.application_id = :application_id
ORDER BY mine.relation_id LIMIT 1000;

-- name: drift_open_page
-- Open lines, after a restart.
-- in: after INT
-- in: max INT
SELECT id, resource_id, standing FROM drift WHERE outcome = 'open' AND id > :after ORDER BY id LIMIT :max;
