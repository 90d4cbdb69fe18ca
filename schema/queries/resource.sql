-- Resources: the things outside.

-- name: resource_insert
INSERT INTO resource (id, target_id, type, path, owner_id, life, wanted, wanted_generation, keep, remake, state)
VALUES (:id, :target_id, :type, :path, :owner_id, 'alive', :wanted, :wanted_generation, :keep, :remake, :state);

-- name: resource_by_id
-- row: resource
-- one
SELECT * FROM resource WHERE id = :id;

-- name: resource_by_identity
-- row: resource
-- one
SELECT * FROM resource WHERE target_id = :target_id AND type = :type AND path = :path;

-- name: resource_list_page
-- All of them, by id: loading at the start.
-- row: resource
-- in: after INT
-- in: max INT
SELECT * FROM resource WHERE id > :after ORDER BY id LIMIT :max;

-- name: resource_by_owner
-- Those whose labels are this application's.
-- row: resource
-- in: after INT
-- in: max INT
SELECT * FROM resource WHERE owner_id = :owner_id AND id > :after ORDER BY id LIMIT :max;

-- name: resource_by_model
-- Those that no application owns: the model's namespace, and storage that is being destroyed.
-- row: resource
-- in: after INT
-- in: max INT
SELECT * FROM resource WHERE model_id = :model_id AND id > :after ORDER BY id LIMIT :max;

-- name: resource_digests
-- What the sweep of cache.db keeps.
-- in: after INT
-- in: max INT
SELECT id, wanted, fields, baseline_document FROM resource WHERE id > :after ORDER BY id LIMIT :max;

-- name: resource_want
-- A new or changed want: the generation rises.
UPDATE resource SET wanted = :wanted, wanted_generation = wanted_generation + 1, life = 'alive', owner_id = :owner_id,
                    model_id = :model_id, keep = :keep, changed_at = coalesce(:changed_at, changed_at)
WHERE id = :id;

-- name: resource_changed_count
-- How many objects of a model plans changed since then.
-- in: since INT
-- out: total INT
SELECT count(*) AS total FROM resource JOIN application ON application.id = resource.owner_id
WHERE resource.changed_at IS NOT NULL AND resource.changed_at >= :since AND application.model_id = :model_id LIMIT 1;

-- name: resource_set_owner
UPDATE resource SET owner_id = :owner_id WHERE id = :id;

-- name: resource_set_life
UPDATE resource SET life = :life WHERE id = :id;

-- name: resource_set_state
UPDATE resource SET state = :state, reason = :reason, outcome = :outcome, tries = :tries WHERE id = :id;

-- name: resource_let_delete
-- Data may be deleted from now on: not when somebody said meanwhile that it is kept.
UPDATE resource SET delete_at = :delete_at
WHERE id = :id AND life = 'dying'
  AND (owner_id IS NULL OR EXISTS (SELECT 1 FROM application WHERE application.id = owner_id AND destroy_storage = 1));

-- name: resource_set_found
-- Lost: what stands in its place: its uid, or that a database or bucket has something in it.
UPDATE resource SET found = :found, found_since = :found_since WHERE id = :id;

-- name: resource_release
-- A plan with it was gone on with.
UPDATE resource SET release = :release, release_until = :release_until WHERE id = :id;

-- name: resource_set_token
-- Of a long-running operation: committed before the next poll.
UPDATE resource SET token = :token, token_action = :token_action, token_generation = :token_generation,
                    token_outputs = :token_outputs, state = :state, outcome = :outcome
WHERE id = :id;

-- name: resource_drop_token
-- The operation is over, or nobody knows it any more.
UPDATE resource SET token = '', token_action = '', token_outputs = NULL WHERE id = :id AND token <> '';

-- name: resource_set_removed
-- We took it away, and it is wanted again: as one that was never made.
UPDATE resource SET applied_generation = 0, made = 0, adopted = 0, fields = NULL, baseline = NULL, baseline_document = NULL,
                    outputs = NULL, token = '', token_action = '', token_outputs = NULL, incarnation = '', version = '',
                    initialised_at = NULL, lost_at = NULL, applied_at = NULL, kept = '[]', unwritten = 0
WHERE id = :id;

-- name: resource_set_applied
-- The outside accepted this generation.
-- in: fields BLOB NULL
UPDATE resource SET applied_generation = :applied_generation, fields = :fields, baseline = :baseline,
                    baseline_document = :baseline_document,
                    incarnation = :incarnation, version = :version, outputs = :outputs, token = '',
                    token_action = '', token_outputs = NULL, made = :made, state = :state,
                    reason = :reason, outcome = :outcome, tries = 0, applied_at = :applied_at, kept = :kept, unwritten = :unwritten,
                    release = NULL, release_until = NULL
WHERE id = :id;

-- name: resource_set_mended
-- The outside accepted a repair of some of what differed: what is to be there is what it was.
UPDATE resource SET version = :version, state = :state, reason = '', outcome = :outcome, tries = 0,
                    applied_at = :applied_at, release = NULL, release_until = NULL
WHERE id = :id;

-- name: resource_set_adopted
UPDATE resource SET adopted = :adopted WHERE id = :id;

-- name: resource_set_recreate
UPDATE resource SET recreate = wanted_generation WHERE id = :id;

-- name: resource_take_over
-- Written anew once, over whose stamp it carries: after that another stamp is another's again.
UPDATE resource SET adopted = 1, applied_generation = 0, baseline = NULL WHERE id = :id;

-- name: resource_set_filled
-- Something is in it: the first time counts, and what was lost is no longer.
UPDATE resource SET initialised_at = coalesce(initialised_at, :at), lost_at = NULL, accepted_loss = 0 WHERE id = :id;

-- name: resource_set_lost
-- The first time counts.
UPDATE resource SET lost_at = coalesce(lost_at, :at) WHERE id = :id;

-- name: resource_accept_loss
UPDATE resource SET accepted_loss = 1, initialised_at = NULL, lost_at = NULL WHERE id = :id;

-- name: resource_delete
DELETE FROM resource WHERE id = :id;
