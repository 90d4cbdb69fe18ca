-- 0001: the model. Never edited after the first release; later changes are files of their own.
-- Times are milliseconds since 1970 (UTC). Booleans are 0 or 1. JSON is canonical text. Digests are 32 bytes.

CREATE TABLE setting (              -- one row each: controller uuid, ids of live keys, ...
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
) STRICT;

CREATE TABLE counter (              -- next id of each table: ids are never used again
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
) STRICT;

CREATE TABLE request (              -- recorded answers: the same request is not run twice
        name TEXT PRIMARY KEY,          -- the request id
        serial INTEGER NOT NULL UNIQUE,
        result INTEGER NOT NULL,        -- what run returned
        answer BLOB,                    -- NULL: it gave none
        at INTEGER NOT NULL
) STRICT;

CREATE TABLE target (               -- one outside of a kind: a cluster, a database server, an object store
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,      -- operator's name, or MODEL/APPLICATION/LABEL when a plan made it
        provider TEXT NOT NULL,         -- kubernetes, sql, s3
        config TEXT NOT NULL,           -- JSON without secrets
        credential BLOB,                -- sealed JSON: certificates, keys, tokens
        application_id INTEGER REFERENCES application (id),    -- whose plan made it; NULL: an operator did
        label TEXT,                     -- the plan's label
        bound_uid TEXT,                 -- kubernetes: uid of namespace kube-system at the first write
        created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX target_application ON target (application_id);

CREATE TABLE model (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,      -- = namespace
        uuid TEXT NOT NULL UNIQUE,
        target_id INTEGER NOT NULL REFERENCES target (id),
        life TEXT NOT NULL CHECK (life IN ('alive', 'dying')),
        scope INTEGER,                  -- resource of its namespace
        paused_by TEXT, paused_why TEXT, paused_at INTEGER,
        destroy_storage INTEGER NOT NULL DEFAULT 0,
        force INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX model_target ON model (target_id);

CREATE TABLE model_option (
        model_id INTEGER NOT NULL REFERENCES model (id),
        name TEXT NOT NULL,
        value TEXT NOT NULL,            -- JSON
        PRIMARY KEY (model_id, name)
) STRICT;

CREATE TABLE charm (                -- every charm an application was ever pinned to, by content
        sha256 TEXT PRIMARY KEY,        -- hex of the folder's content
        name TEXT NOT NULL,
        revision INTEGER NOT NULL,
        metadata TEXT NOT NULL,         -- charm.yaml as JSON
        added_at INTEGER NOT NULL
) STRICT;
CREATE INDEX charm_name ON charm (name);

CREATE TABLE application (
        id INTEGER PRIMARY KEY,
        model_id INTEGER NOT NULL REFERENCES model (id),
        name TEXT NOT NULL,
        charm_name TEXT NOT NULL,       -- as asked for; no module may serve it yet
        charm_sha256 TEXT REFERENCES charm (sha256), -- NULL: no charm module
        channel TEXT NOT NULL,
        revision INTEGER,               -- asked for by --revision, or NULL
        scale INTEGER NOT NULL,
        trust INTEGER NOT NULL DEFAULT 0,
        constraints TEXT NOT NULL,      -- JSON object
        annotations TEXT NOT NULL,      -- JSON object: bundle keys that are kept but mean nothing to us
        life TEXT NOT NULL CHECK (life IN ('alive', 'dying')),
        force INTEGER NOT NULL DEFAULT 0,            -- removal: do not wait for what is unreachable
        destroy_storage INTEGER NOT NULL DEFAULT 0,
        attach_storage INTEGER NOT NULL DEFAULT 0,
        paused_by TEXT, paused_why TEXT, paused_at INTEGER,
        held TEXT,                      -- why the last plan is held, or NULL
        held_list TEXT NOT NULL DEFAULT '[]',         -- JSON list of lines: what that plan takes away
        held_digest BLOB,               -- of what the plan that is held takes away
        release_digest BLOB,            -- of what apply-held let go; used once
        plan_digest BLOB,               -- of the view that was planned last, with the charm's hash
        cause_digest BLOB,              -- digest of that view without what other charms said
        plan_error TEXT,                -- what the charm's last run ended with, or NULL
        plan_status TEXT NOT NULL DEFAULT 'unknown',  -- the charm's own word
        plan_message TEXT NOT NULL DEFAULT '',
        status TEXT NOT NULL DEFAULT 'waiting',       -- what is shown: computed
        message TEXT NOT NULL DEFAULT '',
        status_at INTEGER NOT NULL,
        active_at INTEGER NOT NULL DEFAULT 0,         -- when it was last seen active, 0: never
        version TEXT NOT NULL DEFAULT '',             -- of the workload, said by the charm
        see TEXT NOT NULL DEFAULT '{}', -- JSON {label: [pointer]}: what the charm asked to see
        conflicts TEXT NOT NULL DEFAULT '',           -- wants of it that another application owns
        created_at INTEGER NOT NULL,
        UNIQUE (model_id, name)
) STRICT;
CREATE INDEX application_charm ON application (charm_sha256);

CREATE TABLE application_option (   -- what differs from the default
        application_id INTEGER NOT NULL REFERENCES application (id),
        name TEXT NOT NULL,
        value TEXT NOT NULL,            -- JSON scalar; of a secret option its token
        PRIMARY KEY (application_id, name)
) STRICT;

CREATE TABLE application_resource ( -- resources replaced by the operator: image reference, or hash of an attached file
        application_id INTEGER NOT NULL REFERENCES application (id),
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (application_id, name)
) STRICT;

CREATE TABLE application_storage (
        application_id INTEGER NOT NULL REFERENCES application (id),
        name TEXT NOT NULL,
        class TEXT,                     -- storage class, or NULL: the cluster's default
        size INTEGER NOT NULL,          -- bytes
        PRIMARY KEY (application_id, name)
) STRICT;

CREATE TABLE unit (                 -- pods as they were last seen
        application_id INTEGER NOT NULL REFERENCES application (id),
        name TEXT NOT NULL,             -- the pod's
        uid TEXT NOT NULL,
        number INTEGER NOT NULL,        -- APP/NUMBER
        status TEXT NOT NULL,           -- workload word
        agent TEXT NOT NULL,            -- idle, executing, allocating, error, lost
        message TEXT NOT NULL,
        address TEXT NOT NULL,
        node TEXT NOT NULL,
        ports TEXT NOT NULL,
        status_at INTEGER NOT NULL,
        PRIMARY KEY (application_id, name)
) STRICT;

CREATE TABLE relation (
        id INTEGER PRIMARY KEY,
        model_id INTEGER NOT NULL REFERENCES model (id),
        interface TEXT NOT NULL,        -- '': neither charm is there yet
        life TEXT NOT NULL CHECK (life IN ('alive', 'dying')),
        turns INTEGER NOT NULL DEFAULT 0, -- changes of its data in a row that nothing else led to
        created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX relation_model ON relation (model_id);

CREATE TABLE relation_side (
        relation_id INTEGER NOT NULL REFERENCES relation (id),
        role TEXT NOT NULL CHECK (role IN ('provides', 'requires', 'peers')),
        application_id INTEGER NOT NULL REFERENCES application (id),
        endpoint TEXT NOT NULL,         -- '': implied, not known until the charms are there
        PRIMARY KEY (relation_id, role)
) STRICT;
CREATE INDEX relation_side_application ON relation_side (application_id);

CREATE TABLE relation_data (        -- what one side tells the other
        relation_id INTEGER NOT NULL REFERENCES relation (id),
        application_id INTEGER NOT NULL REFERENCES application (id),
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (relation_id, application_id, key)
) STRICT;
CREATE INDEX relation_data_application ON relation_data (application_id);

CREATE TABLE resource (             -- one thing outside that we look after
        id INTEGER PRIMARY KEY,
        target_id INTEGER NOT NULL REFERENCES target (id),
        type TEXT NOT NULL,             -- canonical: "Deployment.apps", "user", "bucket"
        path TEXT NOT NULL,             -- canonical: "kubeflow/mlflow-server"
        owner_id INTEGER REFERENCES application (id), -- first owner: its labels are on the object
        model_id INTEGER REFERENCES model (id), -- without an owner: whose it is (namespace, storage to be destroyed)
        life TEXT NOT NULL CHECK (life IN ('alive', 'dying')), -- dying: no want is left, to be removed
        wanted BLOB,                    -- digest of the document that is wanted, in cache.db
        wanted_generation INTEGER NOT NULL,           -- rises with each change of the want
        applied_generation INTEGER NOT NULL DEFAULT 0, -- what the outside last accepted
        fields BLOB,                    -- digest of our field set, in cache.db
        baseline BLOB,                  -- digest of the baseline projection, as the provider takes it
        baseline_document BLOB,         -- digest of its text, in cache.db
        incarnation TEXT NOT NULL DEFAULT '',         -- uid
        version TEXT NOT NULL DEFAULT '',             -- resourceVersion, ETag of our last write
        outputs BLOB,                   -- digest of the values of others that were filled in when it was last accepted
        token TEXT NOT NULL DEFAULT '', -- of a long-running operation
        token_action TEXT NOT NULL DEFAULT '',        -- what it does: apply, remove
        token_generation INTEGER NOT NULL DEFAULT 0,  -- apply: of this generation,
        token_outputs BLOB,             -- with these values
        made INTEGER NOT NULL DEFAULT 0,              -- 1: we created it, so we may delete it
        adopted INTEGER NOT NULL DEFAULT 0,           -- 1: it was there before and adopt named it
        keep INTEGER NOT NULL DEFAULT 0,              -- holds data: never deleted without consent
        remake INTEGER NOT NULL DEFAULT 0,            -- data that is made again empty at once (a bucket)
        initialised_at INTEGER,         -- data: first time something was in it
        lost_at INTEGER,                -- data: when it was found gone; until it is filled again or that is accepted
        accepted_loss INTEGER NOT NULL DEFAULT 0,     -- accept-data-loss named it
        state TEXT NOT NULL,            -- waiting, applying, applied, ready, blocked, removing, ...
        reason TEXT NOT NULL DEFAULT '', -- of the state, for people
        outcome TEXT NOT NULL DEFAULT '', -- of the last operation
        tries INTEGER NOT NULL DEFAULT 0,             -- since the last success
        applied_at INTEGER,             -- last accepted apply: the audit pass goes by it
        UNIQUE (target_id, type, path)
) STRICT;
CREATE INDEX resource_owner ON resource (owner_id);
CREATE INDEX resource_model ON resource (model_id);

CREATE TABLE want (                 -- (application, label) wants this resource to look like this
        application_id INTEGER NOT NULL REFERENCES application (id),
        label TEXT NOT NULL,
        resource_id INTEGER NOT NULL REFERENCES resource (id),
        document BLOB NOT NULL,         -- digest, in cache.db
        PRIMARY KEY (application_id, label)
) STRICT;
CREATE INDEX want_resource ON want (resource_id, application_id, label);

CREATE TABLE edge (                 -- resource needs another: exists, ready, or a value of it
        resource_id INTEGER NOT NULL REFERENCES resource (id),
        needs_id INTEGER NOT NULL REFERENCES resource (id),
        kind TEXT NOT NULL CHECK (kind = 'exists' OR kind = 'ready' OR kind = 'value'),
        output TEXT NOT NULL DEFAULT '', -- value: JSON pointer of what is taken
        PRIMARY KEY (resource_id, needs_id, kind, output)
) STRICT;
CREATE INDEX edge_needs ON edge (needs_id);

CREATE TABLE secret (
        id INTEGER PRIMARY KEY,
        uri TEXT NOT NULL UNIQUE,       -- 128 random bits, base32: what a token names
        model_id INTEGER NOT NULL REFERENCES model (id),
        application_id INTEGER REFERENCES application (id), -- owner; NULL: kept for detached storage
        label TEXT NOT NULL,
        field TEXT NOT NULL,
        purpose TEXT NOT NULL,          -- generated, option
        policy TEXT NOT NULL,           -- JSON: length, alphabet
        revision INTEGER NOT NULL,      -- newest
        asked INTEGER DEFAULT 1,        -- by the last plan: 0: not any more; NULL: came with storage, and by none yet
        created_at INTEGER NOT NULL,
        UNIQUE (application_id, label, field)
) STRICT;
CREATE INDEX secret_model ON secret (model_id);

CREATE TABLE secret_revision (
        secret_id INTEGER NOT NULL REFERENCES secret (id),
        revision INTEGER NOT NULL,
        sealed BLOB NOT NULL,           -- format, key id, nonce, data, tag
        created_at INTEGER NOT NULL,
        PRIMARY KEY (secret_id, revision)
) STRICT;

CREATE TABLE secret_grant (         -- the other side of this relation may open it
        secret_id INTEGER NOT NULL REFERENCES secret (id),
        relation_id INTEGER NOT NULL REFERENCES relation (id),
        PRIMARY KEY (secret_id, relation_id)
) STRICT;
CREATE INDEX secret_grant_relation ON secret_grant (relation_id);

CREATE TABLE secret_use (           -- a resource whose document holds it: as long as that is outside, it stays
        resource_id INTEGER NOT NULL REFERENCES resource (id),
        secret_id INTEGER NOT NULL REFERENCES secret (id),
        generation INTEGER NOT NULL,    -- of the newest document that does
        PRIMARY KEY (resource_id, secret_id)
) STRICT;
CREATE INDEX secret_use_secret ON secret_use (secret_id);

CREATE TABLE detached (             -- storage that nobody wants any more, with the secrets that open it
        id INTEGER PRIMARY KEY,
        model_id INTEGER NOT NULL REFERENCES model (id),
        application TEXT NOT NULL,      -- name it belonged to
        application_id INTEGER REFERENCES application (id), -- which may want it again; NULL: is gone
        charm_name TEXT NOT NULL,
        target_id INTEGER NOT NULL REFERENCES target (id),
        type TEXT NOT NULL,
        path TEXT NOT NULL,
        secrets TEXT NOT NULL,          -- JSON list of secret ids
        incarnation TEXT NOT NULL,      -- this and what follows: as in resource
        made INTEGER NOT NULL,
        adopted INTEGER NOT NULL,
        initialised_at INTEGER,
        at INTEGER NOT NULL
) STRICT;
CREATE INDEX detached_model ON detached (model_id, application);
CREATE INDEX detached_target ON detached (target_id);
CREATE INDEX detached_owner ON detached (application_id);

CREATE TABLE drift (                -- the ledger
        id INTEGER PRIMARY KEY,
        model_id INTEGER NOT NULL REFERENCES model (id),
        application TEXT NOT NULL,
        resource_id INTEGER NOT NULL,   -- no reference: the ledger outlives the resource
        type TEXT NOT NULL,
        path TEXT NOT NULL,
        fields TEXT NOT NULL,           -- JSON list: field, wanted, found; secrets masked
        who TEXT NOT NULL,              -- name the writer gave itself, or "not recorded"
        changed_at INTEGER,             -- when the writer says it wrote
        seen_at INTEGER NOT NULL,
        repaired_at INTEGER,
        detected_ms INTEGER,            -- after the change, where its time is known
        action TEXT NOT NULL,           -- repair (perhaps with whose items were taken over), report, hold
        outcome TEXT NOT NULL,          -- open, repaired, accepted (data given up), undone (by whoever did it), removed
        before INTEGER NOT NULL         -- how often the same fields of it drifted before
) STRICT;
CREATE INDEX drift_model ON drift (model_id, id);
CREATE INDEX drift_application ON drift (model_id, application, id);
CREATE INDEX drift_resource ON drift (resource_id, id);
CREATE INDEX drift_open ON drift (resource_id) WHERE outcome = 'open';
CREATE INDEX drift_seen ON drift (seen_at);     -- prune by age

CREATE TABLE status_history (
        id INTEGER PRIMARY KEY,
        model_id INTEGER NOT NULL REFERENCES model (id),
        entity TEXT NOT NULL,           -- "application mlflow-server", "unit mlflow-server/0"
        status TEXT NOT NULL,
        message TEXT NOT NULL,
        cause TEXT NOT NULL,            -- what changed: "deployment/mlflow-server ready 0/1 -> 1/1"
        at INTEGER NOT NULL
) STRICT;
CREATE INDEX status_history_entity ON status_history (model_id, entity, id);
CREATE INDEX status_history_at ON status_history (at);  -- prune by age

CREATE TABLE leftover (             -- what a removal could not or must not take away
        id INTEGER PRIMARY KEY,
        model TEXT NOT NULL,
        application TEXT NOT NULL,
        type TEXT NOT NULL,
        path TEXT NOT NULL,
        why TEXT NOT NULL,
        at INTEGER NOT NULL
) STRICT;
CREATE INDEX leftover_model ON leftover (model, id);
