-- Secrets that people add, and the applications that may open them. What each key holds is in secret and secret_revision.

-- name: user_secret_insert
INSERT INTO user_secret (id, uri, model_id, name, info, revision, expire_at, created_at, updated_at)
VALUES (:id, :uri, :model_id, :name, :info, :revision, :expire_at, :created_at, :updated_at);

-- name: user_secret_by_id
-- row: user_secret
-- one
SELECT * FROM user_secret WHERE id = :id;

-- name: user_secret_by_uri
-- row: user_secret
-- one
SELECT * FROM user_secret WHERE uri = :uri;

-- name: user_secret_by_name
-- row: user_secret
-- one
SELECT * FROM user_secret WHERE model_id = :model_id AND name = :name;

-- name: user_secret_expiring
-- Of all models, the soonest first.
-- in: until_at INT
-- out: model TEXT
SELECT u.name, m.name AS model, u.expire_at FROM user_secret u JOIN model m ON m.id = u.model_id
WHERE u.expire_at IS NOT NULL AND u.expire_at <= :until_at ORDER BY u.expire_at LIMIT 500;

-- name: user_secret_set
UPDATE user_secret SET name = :name, info = :info, revision = :revision, expire_at = :expire_at, updated_at = :updated_at
WHERE id = :id;

-- name: user_secret_delete
DELETE FROM user_secret WHERE id = :id;

-- name: user_secret_delete_model
DELETE FROM user_secret WHERE model_id = :model_id;

-- name: user_secret_keys
-- Of all revisions that are left.
-- row: secret
SELECT * FROM secret WHERE user_secret_id = :user_secret_id ORDER BY field LIMIT 1000;

-- name: user_secret_rename
-- The label of its keys.
UPDATE secret SET label = :label WHERE user_secret_id = :user_secret_id;

-- name: user_secret_key_insert
INSERT INTO secret (id, uri, model_id, label, field, purpose, policy, revision, created_at, user_secret_id)
VALUES (:id, :uri, :model_id, :label, :field, 'user', '{}', :revision, :created_at, :user_secret_id);

-- name: user_secret_key
-- row: secret
-- one
SELECT * FROM secret WHERE user_secret_id = :user_secret_id AND field = :field;

-- name: user_secret_granted
SELECT a.id, a.name FROM user_secret_grant g JOIN application a ON a.id = g.application_id
WHERE g.user_secret_id = :user_secret_id ORDER BY a.id LIMIT 10000;

-- name: user_secret_grant_insert
INSERT INTO user_secret_grant (user_secret_id, application_id) VALUES (:user_secret_id, :application_id) ON CONFLICT DO NOTHING;

-- name: user_secret_grant_delete
DELETE FROM user_secret_grant WHERE user_secret_id = :user_secret_id AND application_id = :application_id;

-- name: user_secret_grant_delete_all
DELETE FROM user_secret_grant WHERE user_secret_id = :user_secret_id;

-- name: user_secret_grant_delete_application
DELETE FROM user_secret_grant WHERE application_id = :application_id;
