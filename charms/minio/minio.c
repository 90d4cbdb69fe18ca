/* SPDX-License-Identifier: Apache-2.0 */
/* minio.c - one MinIO object store, with keys of its own for each relation
 *
 * Wants the server (StatefulSet, claim, administrator's Secret, Service), declares it as a target
 * of provider s3, and wants there, for each relation of object-storage: the bucket that it asked
 * for, a policy that opens this bucket only, a user with that policy. A relation that asks for no
 * bucket (charms that make their own) may do all, but not in the buckets of the others. What a
 * relation is told it is told when the three are there, and from then on for good: a user that
 * somebody removes is made again, and its clients must not be torn down meanwhile. What was told
 * once, and which buckets there are, is noted in the peer relation, the only memory of a pure
 * function.
 *
 * Actions: rotate-root-key, rotate-relation-key (minio-keys.c), mirror-buckets (minio-mirror.c).
 *
 * Not here: more than one server, TLS, gateway mode; the options for those are declared, and say
 * so. */
#include "charm.gen.h"

#include "minio.h"

#include <string.h>

#define VERSION "RELEASE.2025-09-07T16-13-09Z"
#define ROOT_KEY_LENGTH 30 /* MinIO takes 8 to 40 characters */
#define USER_KEY_LENGTH 32
#define BUCKET_MIN 3
#define BUCKET_MAX 63
#define NOTED_ALL "*"          /* note of a relation without a bucket */
#define NOTE_BUCKETS "buckets" /* key in the peer relation */
/* Relations whose labels, with the server's own, are always in the view. */
#define SEEN_UNASKED_MAX 12

/* ---- the server */

static const char *root_key(const struct charm_view *v, struct charm_plan *p) {
        const char *own = charm_secret(p, "root", MINIO_SECRET, ROOT_KEY_LENGTH, NULL),
                   *given = charm_option(v, OPTION_SECRET_KEY);

        return *given ? given : own;
}

static void want_server(const struct charm_view *v, struct charm_plan *p) {
        const char *application = charm_application(v), *key = root_key(v, p);
        const char *secret = charm_text(p, "%s-root", application),
                   *claim = charm_text(p, "data-%s-0", application);
        bool scraped = charm_relations(v, ENDPOINT_METRICS_ENDPOINT) > 0;

        charm_want(p, "service-account", "service-account.yaml", NULL);
        charm_want(p, "root-secret", "root-secret.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, secret }, { "secret-key", CHARM_TEXT, key }));
        charm_want(p, "data", "volume.yaml", CHARM_HOLES({ "name", CHARM_TEXT, claim }));
        charm_want(p, "service", "service.yaml", NULL);
        charm_want(p, "statefulset", "statefulset.yaml",
                   CHARM_HOLES({ "secret", CHARM_TEXT, secret },
                               { "secret-digest", CHARM_TEXT, charm_digest(p, "root-secret") },
                               { "claim", CHARM_TEXT, claim },
                               { "address", CHARM_TEXT,
                                 charm_text(p, ":%s", charm_option(v, OPTION_PORT)) },
                               { "console-address", CHARM_TEXT,
                                 charm_text(p, ":%s", charm_option(v, OPTION_CONSOLE_PORT)) },
                               { "metrics", CHARM_TEXT, scraped ? "public" : "jwt" }));
        charm_target(p, MINIO_SERVER, "s3", "target.yaml",
                     CHARM_HOLES({ "via", CHARM_TEXT,
                                   charm_text(p, "%s/%s-0", charm_model(v), application) },
                                 { "secret-key", CHARM_TEXT, key }));
        if (strstr(charm_image(v, RESOURCE_OCI_IMAGE), ":" VERSION))
                charm_version(p, VERSION);
}

/* ---- buckets */

/* What the store takes: a host name of letters, digits, dots and dashes, no address, none that is
 * the store's own. A document that it would refuse would take the whole plan with it. */
static bool is_bucket(const char *name) {
        static const char ends[] = "abcdefghijklmnopqrstuvwxyz0123456789",
                          all[] = "abcdefghijklmnopqrstuvwxyz0123456789.-",
                          digits[] = "0123456789.";
        size_t length = strlen(name);

        if (length < BUCKET_MIN || length > BUCKET_MAX || strspn(name, all) != length ||
            (strchr(name, '.') && strspn(name, digits) == length))
                return false;
        if (!strchr(ends, name[0]) || !strchr(ends, name[length - 1]) || strstr(name, "..") ||
            strstr(name, ".-") || strstr(name, "-."))
                return false;
        return strncmp(name, "xn--", 4) != 0 && !strstr(name, "-s3alias") &&
               strcmp(name, "minio") != 0;
}

/* The bucket that R asks for, or NULL. */
static const char *bucket_of(const struct charm_relation *r) {
        const char *bucket = charm_told(r, "bucket");

        return bucket && *bucket ? bucket : NULL;
}

/* ---- what is kept
 *
 * A bucket that was asked for once stays wanted when its relation goes: what no plan wants is
 * removed, and data is not. So their names are noted in the peer relation, "a,b,c". */

/* The buckets that were asked for, now or before. */
static const char *kept_buckets(const struct charm_view *v, struct charm_plan *p) {
        const struct charm_relation *peers = charm_relation(v, ENDPOINT_OBJECT_STORAGE_PEERS, 0);
        const char *noted = peers ? charm_told(peers, NOTE_BUCKETS) : NULL,
                   *list = noted ? noted : "";

        for (size_t i = 0; i < charm_relations(v, ENDPOINT_OBJECT_STORAGE); i++) {
                const char *bucket = bucket_of(charm_relation(v, ENDPOINT_OBJECT_STORAGE, i));

                if (bucket && is_bucket(bucket) && !charm_list_has(list, bucket))
                        list = charm_text(p, "%s%s%s", list, *list ? "," : "", bucket);
        }
        if (peers && *list)
                charm_tell(p, peers, NOTE_BUCKETS, list);
        return list;
}

/* ---- policies */

#define STATEMENT(effect, actions)                                                                 \
        "{\"Effect\":\"" effect "\",\"Action\":[" actions "],\"Resource\":[%s]}"
#define POLICY(statements) "{\"Version\":\"2012-10-17\",\"Statement\":[" statements "]}"

/* All that a user of a bucket does with objects; not to delete the bucket, open it to others or
 * change its rules. */
static const char *bucket_policy(struct charm_plan *p, const char *bucket) {
        const char *resources =
                charm_text(p, "\"arn:aws:s3:::%s\",\"arn:aws:s3:::%s/*\"", bucket, bucket);

        return charm_text(p,
                          POLICY(STATEMENT("Allow", "\"s3:AbortMultipartUpload\",\"s3:"
                                                    "DeleteObject\",\"s3:DeleteObjectTagging\","
                                                    "\"s3:GetBucketLocation\",\"s3:GetObject\","
                                                    "\"s3:GetObjectTagging\",\"s3:ListBucket\","
                                                    "\"s3:ListBucketMultipartUploads\",\"s3:"
                                                    "ListMultipartUploadParts\",\"s3:PutObject\","
                                                    "\"s3:PutObjectTagging\"")),
                          resources);
}

/* Everything, its own new buckets too, but nothing in those that others asked for (BUCKETS). */
static const char *open_policy(struct charm_plan *p, const char *buckets) {
        const char *others = "";

        if (!*buckets)
                return charm_text(p, POLICY(STATEMENT("Allow", "\"s3:*\"")), "\"arn:aws:s3:::*\"");
        for (; *buckets; buckets = charm_list_rest(buckets)) {
                const char *name = charm_list_first(p, buckets);

                others = charm_text(p, "%s%s\"arn:aws:s3:::%s\",\"arn:aws:s3:::%s/*\"", others,
                                    *others ? "," : "", name, name);
        }
        return charm_text(p,
                          POLICY(STATEMENT("Allow", "\"s3:*\"") "," STATEMENT("Deny", "\"s3:*\"")),
                          "\"arn:aws:s3:::*\"", others);
}

/* ---- relations */

struct served {
        const struct charm_relation *relation;
        const char *bucket; /* or NULL */
        const char *name;   /* of its policy, its note, and its first user */
        const char *bucket_label, *policy_label;
};

static void want_at_server(struct charm_plan *p, const char *label, const char *file,
                           const struct charm_hole *holes) {
        charm_want_at(p, label, MINIO_SERVER, file, holes);
        charm_needs(p, label, "statefulset", CHARM_READY);
}

static void want_buckets(const struct charm_view *v, struct charm_plan *p, const char *list) {
        for (; *list; list = charm_list_rest(list)) {
                const char *name = charm_list_first(p, list);

                want_at_server(p, charm_text(p, "bucket/%s", name), "bucket.yaml",
                               CHARM_HOLES({ "name", CHARM_TEXT, name }, minio_versioning(v, name),
                                           minio_lifecycle(v, p, name)));
        }
}

static void want_policy(struct charm_plan *p, const struct served *s, const char *buckets) {
        const char *document = s->bucket ? bucket_policy(p, s->bucket) : open_policy(p, buckets);

        want_at_server(
                p, s->policy_label, "policy.yaml",
                CHARM_HOLES({ "name", CHARM_TEXT, s->name }, { "document", CHARM_JSON, document }));
}

static const char *key_of(struct charm_plan *p, const struct served *s, int64_t generation) {
        return charm_secret(p, minio_user(p, s->relation->id, generation), MINIO_SECRET,
                            USER_KEY_LENGTH, NULL);
}

static void want_user(struct charm_plan *p, const struct served *s, int64_t generation) {
        const char *label = minio_user_label(p, s->relation->id, generation);

        want_at_server(
                p, label, "user.yaml",
                CHARM_HOLES({ "name", CHARM_TEXT, minio_user(p, s->relation->id, generation) },
                            { "secret-key", CHARM_TEXT, key_of(p, s, generation) },
                            { "policy", CHARM_TEXT, s->name }));
        charm_needs(p, label, s->policy_label, CHARM_EXISTS);
}

static bool is_there(const struct charm_view *v, struct charm_plan *p, const char *label) {
        if (charm_relations(v, ENDPOINT_OBJECT_STORAGE) > SEEN_UNASKED_MAX)
                charm_see(p, label, "/name");
        return charm_exists(v, label) && charm_ready(v, label);
}

static bool is_ready(const struct charm_view *v, struct charm_plan *p, const struct served *s,
                     int64_t generation) {
        bool policy = is_there(v, p, s->policy_label),
             user = is_there(v, p, minio_user_label(p, s->relation->id, generation));

        return (!s->bucket || is_there(v, p, s->bucket_label)) && policy && user;
}

/* What was noted of this relation, or is to be from now on: its bucket, or NOTED_ALL. NULL: it was
 * told nothing yet. GENERATION: of the key that it is told. */
static const char *keep_noted(const struct charm_view *v, struct charm_plan *p,
                              const struct served *s, int64_t generation) {
        const struct charm_relation *peers = charm_relation(v, ENDPOINT_OBJECT_STORAGE_PEERS, 0);
        const char *noted = peers ? charm_told(peers, s->name) : NULL,
                   *asked = s->bucket ? s->bucket : NOTED_ALL;

        if ((!noted || strcmp(noted, asked) != 0) && is_ready(v, p, s, generation))
                noted = asked;
        if (peers && noted)
                charm_tell(p, peers, s->name, noted);
        return noted;
}

/* Wants its users; which of their keys it is told: the newest that is there, and until then the
 * one that it has. */
static int64_t choose_key(const struct charm_view *v, struct charm_plan *p,
                          const struct served *s) {
        struct minio_keys keys = minio_keys_of(v, p, s->relation->id);
        int64_t told = minio_keys_told(v, p, s->relation->id),
                before = minio_generation_before(keys.generation);

        if (!told || (told != keys.generation && is_ready(v, p, s, keys.generation)))
                told = keys.generation;
        want_user(p, s, keys.generation);
        if (keys.both)
                want_user(p, s, before);
        if (told != keys.generation && !(keys.both && told == before))
                want_user(p, s, told);
        if (keys.both)
                charm_status(p, CHARM_ACTIVE,
                             "%s has two keys until it has taken the new one: rotate-relation-key "
                             "takes the old one away",
                             s->relation->application);
        return told;
}

static void serve(const struct charm_view *v, struct charm_plan *p, const struct served *s,
                  const char *buckets) {
        const char *noted;
        int64_t generation;

        want_policy(p, s, buckets);
        generation = choose_key(v, p, s);
        noted = keep_noted(v, p, s, generation);
        if (!noted)
                return;
        minio_keys_note(v, p, s->relation->id, generation);
        charm_tell(p, s->relation, "access-key", minio_user(p, s->relation->id, generation));
        charm_tell(p, s->relation, "secret-key", key_of(p, s, generation));
        charm_tell(p, s->relation, "service", charm_application(v));
        charm_tell(p, s->relation, "namespace", charm_model(v));
        charm_tell_int(p, s->relation, "port", charm_option_int(v, OPTION_PORT));
        charm_tell_bool(p, s->relation, "secure", false);
        /* A relation that asks for another bucket keeps its keys, and hears of the new one when
         * that is there. */
        if (s->bucket && !strcmp(noted, s->bucket))
                charm_tell(p, s->relation, "bucket", s->bucket);
}

/* Both may do all with what is in it. As they asked for it, but seldom meant. */
static void tell_shared(const struct charm_view *v, struct charm_plan *p, size_t i) {
        const struct charm_relation *r = charm_relation(v, ENDPOINT_OBJECT_STORAGE, i);
        const char *bucket = bucket_of(r);

        for (size_t j = 0; bucket && j < i; j++) {
                const struct charm_relation *other = charm_relation(v, ENDPOINT_OBJECT_STORAGE, j);

                if (bucket_of(other) && !strcmp(bucket_of(other), bucket))
                        charm_status(p, CHARM_ACTIVE, "%s and %s share the bucket %s",
                                     other->application, r->application, bucket);
        }
}

static void serve_relations(const struct charm_view *v, struct charm_plan *p) {
        const char *buckets = kept_buckets(v, p);

        want_buckets(v, p, buckets);
        minio_check_rules(v, p, buckets);
        for (size_t i = 0; i < charm_relations(v, ENDPOINT_OBJECT_STORAGE); i++) {
                const struct charm_relation *r = charm_relation(v, ENDPOINT_OBJECT_STORAGE, i);
                struct served s = { .relation = r, .bucket = bucket_of(r) };

                if (s.bucket && !is_bucket(s.bucket)) {
                        charm_status(
                                p, CHARM_BLOCKED,
                                "%s asks for the bucket \"%.64s\": no bucket can have that name",
                                r->application, s.bucket);
                        continue;
                }
                tell_shared(v, p, i);
                s.name = charm_text(p, "relation-%lld", (long long)r->id);
                s.bucket_label = s.bucket ? charm_text(p, "bucket/%s", s.bucket) : NULL;
                s.policy_label = charm_text(p, "%s/policy", s.name);
                serve(v, p, &s, buckets);
        }
}

/* ---- other relations */

static void tell_metrics(const struct charm_view *v, struct charm_plan *p,
                         const struct charm_relation *r) {
        const char *application = charm_quote(p, charm_application(v)),
                   *model = charm_quote(p, charm_model(v));
        const char *address = charm_text(p, "%s.%s.svc.cluster.local:%s", charm_application(v),
                                         charm_model(v), charm_option(v, OPTION_PORT));

        charm_tell_json(p, r, "scrape_metadata",
                        charm_text(p, "{\"model\":%s,\"application\":%s,\"charm_name\":\"minio\"}",
                                   model, application));
        charm_tell_json(
                p, r, "scrape_jobs",
                charm_text(
                        p,
                        "[{\"job_name\":\"minio\",\"metrics_path\":\"/minio/v2/metrics/cluster\","
                        "\"scrape_interval\":\"30s\",\"static_configs\":[{\"targets\":[%s]}]}]",
                        charm_quote(p, address)));
}

static void tell_backup(const struct charm_view *v, struct charm_plan *p,
                        const struct charm_relation *r) {
        const char *label = charm_text(p, "app.kubernetes.io/name=%s", charm_application(v));

        charm_tell(p, r, "app", charm_application(v));
        charm_tell(p, r, "relation_name", ENDPOINT_VELERO_BACKUP_CONFIG);
        charm_tell(p, r, "model", charm_model(v));
        charm_tell_json(
                p, r, "spec",
                charm_text(
                        p,
                        "{\"include_namespaces\":[%s],"
                        "\"include_resources\":[\"persistentvolumeclaims\",\"persistentvolumes\"],"
                        "\"label_selector\":%s}",
                        charm_quote(p, charm_model(v)), charm_quote(p, label)));
}

static void tell_others(const struct charm_view *v, struct charm_plan *p) {
        for (size_t i = 0; i < charm_relations(v, ENDPOINT_METRICS_ENDPOINT); i++)
                tell_metrics(v, p, charm_relation(v, ENDPOINT_METRICS_ENDPOINT, i));
        for (size_t i = 0; i < charm_relations(v, ENDPOINT_VELERO_BACKUP_CONFIG); i++)
                tell_backup(v, p, charm_relation(v, ENDPOINT_VELERO_BACKUP_CONFIG, i));
}

/* ---- what cannot be, and what is declared and not served: the server goes on as it is */

static void check_options(const struct charm_view *v, struct charm_plan *p) {
        if (!strcmp(charm_option(v, OPTION_MODE), "gateway")) {
                if (!*charm_option(v, OPTION_GATEWAY_STORAGE_SERVICE))
                        charm_status(p, CHARM_BLOCKED,
                                     "MinIO gateway mode requires 'gateway-storage-service' "
                                     "configuration. "
                                     "Supported values: 's3', 'azure'");
                charm_status(p, CHARM_BLOCKED,
                             "mode=gateway: MinIO dropped gateway mode in 2022; set mode=server");
        }
        if (*charm_option(v, OPTION_SSL_CA) || *charm_option(v, OPTION_SSL_CERT) ||
            *charm_option(v, OPTION_SSL_KEY))
                charm_status(p, CHARM_BLOCKED,
                             "ssl-ca, ssl-cert, ssl-key: TLS is not served yet; reset them");
        /* Refused as a whole: the server that runs stays as it is. */
        if (charm_option_int(v, OPTION_PORT) == charm_option_int(v, OPTION_CONSOLE_PORT))
                charm_fail(p, "port and console-port are both %s", charm_option(v, OPTION_PORT));
        if (charm_relations(v, ENDPOINT_GRAFANA_DASHBOARD))
                charm_status(p, CHARM_ACTIVE, "grafana-dashboard: not served yet");
}

static void plan(const struct charm_view *v, struct charm_plan *p) {
        want_server(v, p);
        serve_relations(v, p);
        tell_others(v, p);
        minio_mirror_plan(v, p);
        check_options(v, p);
}

static const struct charm_action actions[] = {
        { ACTION_ROTATE_ROOT_KEY, minio_root_steps },
        { ACTION_ROTATE_RELATION_KEY, minio_relation_steps },
        { ACTION_MIRROR_BUCKETS, minio_mirror_steps },
        {},
};

CHARM(.plan = plan, .actions = actions);
