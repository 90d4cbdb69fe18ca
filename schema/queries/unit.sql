-- Units: pods as they were last seen.

-- name: unit_put
INSERT INTO unit (application_id, name, uid, number, status, agent, message, address, node, ports, restarts, status_at)
VALUES (:application_id, :name, :uid, :number, :status, :agent, :message, :address, :node, :ports, :restarts, :status_at)
ON CONFLICT (application_id, name) DO UPDATE SET
        uid = excluded.uid, number = excluded.number, status = excluded.status, agent = excluded.agent,
        message = excluded.message, address = excluded.address, node = excluded.node, ports = excluded.ports,
        restarts = excluded.restarts, status_at = excluded.status_at;

-- name: unit_list
-- Of one application, by the pod's name.
-- row: unit
-- in: after TEXT
-- in: max INT
SELECT * FROM unit WHERE application_id = :application_id AND name > :after ORDER BY name LIMIT :max;

-- name: unit_delete
DELETE FROM unit WHERE application_id = :application_id AND name = :name;

-- name: unit_delete_all
DELETE FROM unit WHERE application_id = :application_id;
