-- Fields that others change again and again.

-- name: fight_page
-- row: fight
-- in: after INT
-- in: max INT
SELECT * FROM fight WHERE id > :after ORDER BY id LIMIT :max;

-- name: fight_set
INSERT INTO fight (id, resource_id, field, who, times, last_at, delay_ms, opened_at, slow, next_at)
VALUES (:id, :resource_id, :field, :who, :times, :last_at, :delay_ms, :opened_at, :slow, :next_at)
ON CONFLICT (resource_id, field) DO UPDATE SET who = excluded.who, times = excluded.times, last_at = excluded.last_at,
        delay_ms = excluded.delay_ms, opened_at = excluded.opened_at, slow = excluded.slow, next_at = excluded.next_at;

-- name: fight_delete
DELETE FROM fight WHERE resource_id = :resource_id AND field = :field;

-- name: fight_delete_resource
DELETE FROM fight WHERE resource_id = :resource_id;

-- name: fight_prune
-- Those that ended long ago, a few at a time.
-- in: before_at INT
-- in: max INT
DELETE FROM fight WHERE id IN (SELECT id FROM fight WHERE last_at < :before_at LIMIT :max);
