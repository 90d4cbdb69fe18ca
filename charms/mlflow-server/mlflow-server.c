/* SPDX-License-Identifier: Apache-2.0 */
/* mlflow-server.c - MLflow's tracking server, with its runs in MySQL and its artifacts in an
 * object store
 *
 * The server needs both relations; what each told becomes a Secret of environment variables, and
 * the pods roll when one changes. What is missing is said in the order of Juju's charm: object
 * store, database, bucket. A server that runs is not taken down for a wrong option, a bucket
 * that is changed or a relation that is gone, which may be on its way back: it goes on as it is,
 * and the status says what is wrong. What a relation told goes with it: the Secrets are not
 * kept. The bucket is asked for over the relation, and the object store's charm makes it and
 * keeps it.
 *
 * What goes to the other relations is in tell.c; actions about backups are in pair*.c, those about
 * upgrades in upgrade.c, and the pod that they work in is in client.c. */
#include "charm.gen.h"

#include "upgrade.h"

#include <stdlib.h>

#define VERSION "2.22.0"
#define BUCKET_MIN 3
#define BUCKET_MAX 63
#define HOST_MAX 253

/* ---- texts */

static bool only(const char *text, const char *letters, size_t min, size_t max) {
        size_t length = strlen(text);

        return length >= min && length <= max && strspn(text, letters) == length;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* A host name of letters, digits, dots and dashes, no address, none that stores keep for
 * themselves. */
static bool is_bucket(const char *name) {
        if (!only(name, LOWER DIGITS ".-", BUCKET_MIN, BUCKET_MAX) ||
            (strchr(name, '.') && only(name, DIGITS ".", BUCKET_MIN, BUCKET_MAX)))
                return false;
        if (!strchr(LOWER DIGITS, name[0]) || !strchr(LOWER DIGITS, name[strlen(name) - 1]) ||
            strstr(name, "..") || strstr(name, ".-") || strstr(name, "-."))
                return false;
        return strncmp(name, "xn--", 4) != 0 && !strstr(name, "-s3alias") &&
               strcmp(name, "minio") != 0;
}

/* TEXT, a token or readable, as it stands in a URL. */
static const char *url_part(struct charm_plan *p, const char *text) {
        const char *out = "";

        if (!strncmp(text, "{{", 2))
                return charm_form(p, text, "url");
        for (; *text; text++) {
                bool plain = strchr(LOWER UPPER DIGITS "-._~", *text);

                out = charm_text(p, plain ? "%s%c" : "%s%%%02X", out, (unsigned char)*text);
        }
        return out;
}

const char *mlflow_own_name(const struct charm_view *v, struct charm_plan *p, const char *end) {
        return charm_text(p, "%s-%s", charm_application(v), end);
}

/* ---- the database */

/* The first of the servers told, as host and port; false: it reads as neither. */
static bool split_endpoint(struct charm_plan *p, const char *endpoints, const char **ret_host,
                           const char **ret_port) {
        const char *first = charm_text(p, "%.*s", (int)strcspn(endpoints, ","), endpoints),
                   *colon = strrchr(first, ':');
        size_t length = colon ? (size_t)(colon - first) : 0;

        /* Some tell an absolute name, with a dot at its end. */
        if (length > 1 && first[length - 1] == '.')
                length--;
        *ret_host = charm_text(p, "%.*s", (int)length, first);
        *ret_port = colon ? colon + 1 : "";
        return only(*ret_host, LOWER UPPER DIGITS ".-", 1, HOST_MAX) &&
               only(*ret_port, DIGITS, 1, 5);
}

static bool wants_tls(const struct charm_view *v) {
        const char *tls = charm_told(charm_relation(v, ENDPOINT_RELATIONAL_DB, 0), "tls");

        return tls && !strcmp(tls, "true");
}

const char *mlflow_ca(const struct charm_view *v) {
        const char *ca = charm_told(charm_relation(v, ENDPOINT_RELATIONAL_DB, 0), "tls-ca");

        return wants_tls(v) && ca && *ca ? ca : NULL;
}

/* With a CA the server is verified, by its name too; "tls" alone keeps others from listening. */
static const char *tls_query(const struct charm_view *v) {
        if (mlflow_ca(v))
                return "?ssl_ca=" MLFLOW_CA_FILE;
        return wants_tls(v) ? "?ssl_check_hostname=false" : "";
}

struct charm_hole mlflow_ca_volume(const struct charm_view *v, struct charm_plan *p,
                                   const struct backends *b) {
        const char *name = charm_quote(p, mlflow_own_name(v, p, "database-ca"));

        return (struct charm_hole){ "ca-volume", b->ca ? CHARM_JSON : CHARM_NONE,
                                    charm_text(p,
                                               "{\"name\":\"database-ca\",\"configMap\":{\"name\":"
                                               "%s}}",
                                               name) };
}

struct charm_hole mlflow_ca_mount(const struct backends *b) {
        return (struct charm_hole){ "ca-mount", b->ca ? CHARM_JSON : CHARM_NONE,
                                    "{\"name\":\"database-ca\",\"mountPath\":\"" MLFLOW_CA_FOLDER
                                    "\",\"readOnly\":true}" };
}

static bool read_database(const struct charm_view *v, struct charm_plan *p, struct backends *b) {
        const struct charm_relation *r = charm_relation(v, ENDPOINT_RELATIONAL_DB, 0);
        const char *endpoints = charm_told(r, "endpoints"), *database = charm_told(r, "database");
        const char *user = charm_told(r, "username"), *password = charm_told(r, "password"), *host,
                   *port;

        if (!r) {
                charm_status(p, CHARM_BLOCKED, "Please add relation to the database");
                return false;
        }
        if (!endpoints || !user || !password) {
                charm_status(p, CHARM_WAITING, "Waiting for relational-db relation data");
                return false;
        }
        if (!split_endpoint(p, endpoints, &host, &port)) {
                charm_status(p, CHARM_WAITING, "Incorrect data found in relation relational-db");
                return false;
        }
        b->ca = mlflow_ca(v);
        b->uri = charm_text(p, "mysql+pymysql://%s:%s@%s:%s/%s%s", url_part(p, user),
                            url_part(p, password), host, port,
                            url_part(p, database ? database : MLFLOW_DATABASE), tls_query(v));
        b->host = host;
        b->port = port;
        b->user = user;
        b->password = password;
        b->database = database ? database : MLFLOW_DATABASE;
        return true;
}

/* ---- the object store */

static bool read_storage(const struct charm_view *v, struct charm_plan *p, struct backends *b) {
        const struct charm_relation *r = charm_relation(v, ENDPOINT_OBJECT_STORAGE, 0);
        const char *service = charm_told(r, "service"), *namespace = charm_told(r, "namespace"),
                   *port = charm_told(r, "port");
        const char *secure = charm_told(r, "secure");

        b->access_key = charm_told(r, "access-key");
        b->secret_key = charm_told(r, "secret-key");
        if (!b->access_key || !b->secret_key || !service || !port) {
                charm_status(p, CHARM_WAITING, "Waiting for object-storage relation data");
                return false;
        }
        b->secure = secure && !strcmp(secure, "true") ? "true" : "false";
        b->via = charm_text(p, "%s/%s-0", namespace && *namespace ? namespace : charm_model(v),
                            service);
        b->store_port = port;
        b->endpoint =
                charm_text(p, "%s://%s.%s:%s", !strcmp(b->secure, "true") ? "https" : "http",
                           service, namespace && *namespace ? namespace : charm_model(v), port);
        return true;
}

/* The bucket that is to be there. One that cannot be is not asked for: then it is the one that was
 * told last. */
const char *mlflow_bucket_wanted(const struct charm_view *v) {
        const char *option = charm_option(v, OPTION_DEFAULT_ARTIFACT_ROOT);

        return is_bucket(option)
                       ? option
                       : charm_told(charm_relation(v, ENDPOINT_OBJECT_STORAGE, 0), "bucket");
}

/* False: it is not there, and nothing runs that could go on. */
static bool read_bucket(const struct charm_view *v, struct charm_plan *p, struct backends *b) {
        const char *told = charm_told(charm_relation(v, ENDPOINT_OBJECT_STORAGE, 0), "bucket");

        b->bucket = mlflow_bucket_wanted(v);
        if (!b->bucket)
                return false; /* said by check_options */
        if (!charm_option_bool(v, OPTION_CREATE_DEFAULT_ARTIFACT_ROOT_IF_MISSING) ||
            (told && !strcmp(told, b->bucket)))
                return true;
        charm_status(p, CHARM_WAITING, "Waiting for the object store to make the bucket %s",
                     b->bucket);
        if (told)
                b->bucket = told;
        return charm_exists(v, "deployment");
}

/* ---- the server */

/* What counts requests is on only while somebody scrapes it. */
bool mlflow_is_scraped(const struct charm_view *v) {
        return charm_relations(v, ENDPOINT_METRICS_ENDPOINT) > 0;
}

static void want_service(const struct charm_view *v, struct charm_plan *p) {
        bool open = charm_option_bool(v, OPTION_ENABLE_MLFLOW_NODEPORT);
        const char *port = charm_option(v, OPTION_MLFLOW_PROMETHEUS_EXPORTER_PORT), *node = "",
                   *exporter = "";

        if (open)
                node = charm_text(p, ",\"nodePort\":%s",
                                  charm_option(v, OPTION_MLFLOW_PROMETHEUS_EXPORTER_NODEPORT));
        if (mlflow_is_scraped(v))
                exporter = charm_text(
                        p, "{\"name\":\"http-exporter\",\"port\":%s,\"targetPort\":%s%s}", port,
                        port, node);
        charm_want(p, "service", "service.yaml",
                   CHARM_HOLES({ "type", CHARM_TEXT, open ? "NodePort" : "ClusterIP" },
                               { "node-port", open ? CHARM_INT : CHARM_NONE,
                                 .number = charm_option_int(v, OPTION_MLFLOW_NODEPORT) },
                               { "exporter-port", *exporter ? CHARM_JSON : CHARM_NONE, exporter }));
}

/* The second container, which asks the first. Nothing but the metrics hangs on it, so the pod is
 * ready without it. */
static const char *exporter(const struct charm_view *v, struct charm_plan *p) {
        const char *port = charm_option(v, OPTION_MLFLOW_PROMETHEUS_EXPORTER_PORT);

        return charm_text(p,
                          "{\"name\":\"mlflow-prometheus-exporter\",\"image\":%s,"
                          "\"command\":[\"python3\",\"mlflow_exporter.py\",\"--port\",\"%s\",\"--"
                          "mlflowurl\",\"http://localhost:%s/\"],"
                          "\"ports\":[{\"name\":\"http-exporter\",\"containerPort\":%s}],"
                          "\"resources\":{\"requests\":{\"memory\":\"64Mi\"}},"
                          "\"securityContext\":{\"allowPrivilegeEscalation\":false,"
                          "\"capabilities\":{\"drop\":[\"ALL\"]},"
                          "\"readOnlyRootFilesystem\":true},"
                          "\"volumeMounts\":[{\"name\":\"tmp\",\"mountPath\":\"/tmp\"}]}",
                          charm_quote(p, charm_image(v, RESOURCE_EXPORTER_OCI_IMAGE)), port,
                          charm_option(v, OPTION_MLFLOW_PORT), port);
}

static void want_credentials(const struct charm_view *v, struct charm_plan *p,
                             const struct backends *b, const char *database, const char *storage) {
        if (b->ca)
                charm_want(p, "database-ca", "database-ca.yaml",
                           CHARM_HOLES({ "name", CHARM_TEXT, mlflow_own_name(v, p, "database-ca") },
                                       { "ca", CHARM_TEXT, b->ca }));
        charm_want(p, "database", "database.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, database }, { "uri", CHARM_TEXT, b->uri }));
        charm_want(p, "object-storage", "object-storage.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, storage },
                               { "access-key", CHARM_TEXT, b->access_key },
                               { "secret-key", CHARM_TEXT, b->secret_key }));
}

const char *mlflow_image(const struct charm_view *v) {
        return upgraded_image(v, RESOURCE_OCI_IMAGE);
}

/* The image is made for this one. */
const char *mlflow_arch(const struct charm_view *v) {
        const char *arch = charm_constraint(v, "arch");

        return *arch ? arch : "amd64";
}

static void want_server(const struct charm_view *v, struct charm_plan *p,
                        const struct backends *b) {
        const char *database = mlflow_own_name(v, p, "database"),
                   *storage = mlflow_own_name(v, p, "object-storage");
        bool scraped = mlflow_is_scraped(v);

        want_credentials(v, p, b, database, storage);
        charm_want(
                p, "deployment", "deployment.yaml",
                CHARM_HOLES(
                        { "database", CHARM_TEXT, database },
                        { "database-digest", CHARM_TEXT, charm_digest(p, "database") },
                        { "object-storage", CHARM_TEXT, storage },
                        { "object-storage-digest", CHARM_TEXT, charm_digest(p, "object-storage") },
                        { "replicas", CHARM_INT, NULL,
                          charm_option_bool(v, OPTION_MAINTENANCE) ? 0 : charm_scale(v) },
                        { "image", CHARM_TEXT, mlflow_image(v) },
                        { "arch", CHARM_TEXT, mlflow_arch(v) },
                        { "port", CHARM_TEXT, charm_option(v, OPTION_MLFLOW_PORT) },
                        { "root", CHARM_TEXT, charm_text(p, "s3://%s/", b->bucket) },
                        { "endpoint", CHARM_TEXT, b->endpoint },
                        { "secure", CHARM_TEXT, b->secure },
                        { "metrics", scraped ? CHARM_JSON : CHARM_NONE,
                          "{\"name\":\"MLFLOW_EXPOSE_PROMETHEUS\",\"value\":\"/tmp/metrics\"}" },
                        { "exporter", scraped ? CHARM_JSON : CHARM_NONE,
                          scraped ? exporter(v, p) : "" },
                        mlflow_ca_volume(v, p, b), mlflow_ca_mount(b)));
        /* With one pod it would mean nothing. */
        if (charm_scale(v) > 1)
                charm_want(p, "disruption-budget", "disruption-budget.yaml", NULL);
}

/* Removed and made anew, a relation brings other credentials: the pods roll then. Those of the one
 * that stays are what a pod begins with. */
static void keep_server(const struct charm_view *v, struct charm_plan *p) {
        if (!charm_exists(v, "deployment"))
                return;
        charm_keep(p, "deployment");
        charm_keep(p, "disruption-budget");
        if (charm_relations(v, ENDPOINT_RELATIONAL_DB)) {
                charm_keep(p, "database");
                charm_keep(p, "database-ca");
        }
        if (charm_relations(v, ENDPOINT_OBJECT_STORAGE))
                charm_keep(p, "object-storage");
}

/* ---- the whole */

static void check_options(const struct charm_view *v, struct charm_plan *p) {
        const char *root = charm_option(v, OPTION_DEFAULT_ARTIFACT_ROOT);

        if (charm_relations(v, ENDPOINT_INGRESS) &&
            charm_relations(v, ENDPOINT_ISTIO_INGRESS_ROUTE))
                charm_status(p, CHARM_BLOCKED,
                             "Cannot have both 'istio-ingress-route' and 'ingress' relations at "
                             "the same time, remove one to "
                             "unblock.");
        if (!is_bucket(root))
                charm_status(p, CHARM_BLOCKED,
                             "Invalid value for config default_artifact_root '%.64s' - value must "
                             "be a valid S3 bucket name",
                             root);
        /* Refused as a whole: the server that runs stays as it is. */
        if (mlflow_is_scraped(v) &&
            charm_option_int(v, OPTION_MLFLOW_PORT) ==
                    charm_option_int(v, OPTION_MLFLOW_PROMETHEUS_EXPORTER_PORT))
                charm_fail(p, "mlflow_port and mlflow_prometheus_exporter_port are both %s",
                           charm_option(v, OPTION_MLFLOW_PORT));
}

/* Set by actions, and told for as long as they are. */
static void say_options(const struct charm_view *v, struct charm_plan *p) {
        if (!pair_say_part(v, p) && charm_option_bool(v, OPTION_MAINTENANCE))
                charm_status(p, CHARM_MAINTENANCE,
                             "stopped: an action restores or upgrades it, or one that did has "
                             "broken off (option maintenance)");
        if (charm_option_set(v, OPTION_SERVER_IMAGE))
                charm_status(p, CHARM_ACTIVE,
                             "runs %.200s, which upgrade has set (option server-image)",
                             charm_option(v, OPTION_SERVER_IMAGE));
}

bool mlflow_backends(const struct charm_view *v, struct charm_plan *p, struct backends *ret) {
        return read_storage(v, p, ret) && read_database(v, p, ret) && read_bucket(v, p, ret);
}

static void plan(const struct charm_view *v, struct charm_plan *p) {
        struct backends b = {};

        check_options(v, p);
        charm_want(p, "service-account", "service-account.yaml", NULL);
        want_service(v, p);
        mlflow_tell(v, p);
        if (strstr(mlflow_image(v), ":" VERSION))
                charm_version(p, VERSION);
        say_options(v, p);
        backup_plan(v, p);
        if (!read_storage(v, p, &b))
                return keep_server(v, p);
        mlflow_tell_namespaces(v, p, &b);
        if (read_database(v, p, &b) && read_bucket(v, p, &b)) {
                want_server(v, p, &b);
                client_plan(v, p, &b);
                pair_plan(v, p, &b);
        } else {
                keep_server(v, p);
        }
}

/* ---- get-minio-credentials */

static void tell_credentials(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_relation *r =
                charm_relation(charm_world_view(w), ENDPOINT_OBJECT_STORAGE, 0);
        const char *access = r ? charm_told(r, "access-key") : NULL,
                   *secret = r ? charm_told(r, "secret-key") : NULL;

        if (!access || !secret)
                return charm_give_up(a,
                                     "no object storage has told its keys yet: integrate it with "
                                     "object-storage, or try again in a few minutes");
        charm_result(a, "access-key", access);
        charm_result(a, "secret-access-key", secret);
        charm_done(a);
}

static const struct charm_step credentials_steps[] = { { "tell", tell_credentials, 0, 0 }, {} };
static const struct charm_action actions[] = { { ACTION_GET_MINIO_CREDENTIALS, credentials_steps },
                                               { ACTION_CREATE_BACKUP, pair_create_steps },
                                               { ACTION_LIST_BACKUPS, backup_list_steps },
                                               { ACTION_VERIFY_BACKUP, pair_verify_steps },
                                               { ACTION_RESTORE, pair_restore_steps },
                                               { ACTION_UPGRADE, upgrade_steps },
                                               { ACTION_CHECK_ROLLBACK, upgrade_check_steps },
                                               { ACTION_ROLLBACK, upgrade_rollback_steps },
                                               {} };

CHARM(.plan = plan, .actions = actions);
