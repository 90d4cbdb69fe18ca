-- Applications, their options, attached resources and storage.

-- name: application_insert
INSERT INTO application (id, model_id, name, charm_name, charm_sha256, channel, revision, scale, trust, constraints,
                         annotations, life, attach_storage, status_at, created_at)
VALUES (:id, :model_id, :name, :charm_name, :charm_sha256, :channel, :revision, :scale, :trust, :constraints,
        :annotations, 'alive', :attach_storage, :status_at, :created_at);

-- name: application_by_id
-- row: application
-- one
SELECT * FROM application WHERE id = :id;

-- name: application_by_name
-- row: application
-- one
SELECT * FROM application WHERE model_id = :model_id AND name = :name;

-- name: application_list
-- Of one model, by name.
-- row: application
-- in: after TEXT
-- in: max INT
SELECT * FROM application WHERE model_id = :model_id AND name > :after ORDER BY name LIMIT :max;

-- name: application_list_all
-- Of all models, by id: loading at the start.
-- row: application
-- in: after INT
-- in: max INT
SELECT * FROM application WHERE id > :after ORDER BY id LIMIT :max;

-- name: application_count
-- out: total INT
SELECT count(*) AS total FROM application WHERE model_id = :model_id LIMIT 1;

-- name: application_charms
-- The contents that applications are pinned to, each once.
-- in: after TEXT
-- in: max INT
SELECT DISTINCT charm_sha256 FROM application WHERE charm_sha256 > :after ORDER BY charm_sha256 LIMIT :max;

-- name: application_set_charm
UPDATE application SET charm_name = :charm_name, charm_sha256 = :charm_sha256, channel = :channel,
                       revision = :revision
WHERE id = :id;

-- name: application_set_scale
UPDATE application SET scale = :scale WHERE id = :id;

-- name: application_set_trust
UPDATE application SET trust = :trust WHERE id = :id;

-- name: application_set_constraints
UPDATE application SET constraints = :constraints WHERE id = :id;

-- name: application_set_annotations
UPDATE application SET annotations = :annotations WHERE id = :id;

-- name: application_set_life
UPDATE application SET life = :life, force = :force, destroy_storage = :destroy_storage WHERE id = :id;

-- name: application_set_attach
UPDATE application SET attach_storage = :attach_storage WHERE id = :id;

-- name: application_pause
UPDATE application SET paused_by = :paused_by, paused_why = :paused_why, paused_at = :paused_at,
                       paused_until = :paused_until
WHERE id = :id;

-- name: application_pause_list
-- Of one model, those that end by themselves.
-- row: application
SELECT * FROM application WHERE model_id = :model_id AND paused_until > 0 LIMIT 1000;

-- name: application_set_plan
-- What the charm's last run ended with.
UPDATE application SET plan_digest = :plan_digest, plan_error = :plan_error, plan_status = :plan_status,
                       plan_message = :plan_message, version = :version
WHERE id = :id;

-- name: application_set_held
UPDATE application SET held = :held, held_digest = :held_digest, held_changes = :held_changes, held_list = :held_list
WHERE id = :id;

-- name: application_held_count
-- Others than this one.
-- out: total INT
SELECT count(*) AS total FROM application WHERE model_id = :model_id AND held IS NOT NULL AND id <> :id LIMIT 1;

-- name: application_set_cause
UPDATE application SET cause_digest = :cause_digest, rest_digest = :rest_digest WHERE id = :id;

-- name: application_set_release
UPDATE application SET release_digest = :release_digest, release_changes = :release_changes WHERE id = :id;

-- name: application_set_status
UPDATE application SET status = :status, message = :message, status_at = :status_at, active_at = :active_at
WHERE id = :id;

-- name: application_set_active
UPDATE application SET active_at = :active_at WHERE id = :id;

-- name: application_delete
DELETE FROM application WHERE id = :id;

-- name: application_option_set
-- in: value TEXT
INSERT INTO application_option (application_id, name, value) VALUES (:application_id, :name, :value)
ON CONFLICT (application_id, name) DO UPDATE SET value = excluded.value;

-- name: application_option_get
-- one
SELECT value FROM application_option WHERE application_id = :application_id AND name = :name;

-- name: application_option_list
SELECT name, value FROM application_option WHERE application_id = :application_id ORDER BY name LIMIT 1000;

-- name: application_option_delete
DELETE FROM application_option WHERE application_id = :application_id AND name = :name;

-- name: application_option_delete_all
DELETE FROM application_option WHERE application_id = :application_id;

-- name: application_resource_set
-- in: value TEXT
INSERT INTO application_resource (application_id, name, value) VALUES (:application_id, :name, :value)
ON CONFLICT (application_id, name) DO UPDATE SET value = excluded.value;

-- name: application_resource_list
SELECT name, value FROM application_resource WHERE application_id = :application_id ORDER BY name LIMIT 1000;

-- name: application_resource_delete
DELETE FROM application_resource WHERE application_id = :application_id AND name = :name;

-- name: application_resource_delete_all
DELETE FROM application_resource WHERE application_id = :application_id;

-- name: application_storage_set
INSERT INTO application_storage (application_id, name, class, size) VALUES (:application_id, :name, :class, :size)
ON CONFLICT (application_id, name) DO UPDATE SET class = excluded.class, size = excluded.size;

-- name: application_storage_list
SELECT name, class, size FROM application_storage WHERE application_id = :application_id ORDER BY name LIMIT 1000;

-- name: application_storage_delete_all
DELETE FROM application_storage WHERE application_id = :application_id;

-- name: application_set_destroyer
UPDATE application SET destroy_by = :destroy_by, destroy_at = :destroy_at WHERE id = :id;
