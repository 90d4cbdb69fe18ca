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
 * To the other relations goes what Juju's charm tells: links for the dashboard, a route, what is
 * scraped, and for user namespaces the keys of the bucket (as tokens) and PodDefaults that use
 * them. */
#include "charm.gen.h"

#include <stdlib.h>
#include <string.h>

#define VERSION "2.22.0"
#define DATABASE_NAME "mlflow"
#define BUCKET_MIN 3
#define BUCKET_MAX 63
#define HOST_MAX 253
#define PREFIX "/mlflow/"

struct backends {
        const char *uri;      /* of the database, with tokens */
        const char *endpoint; /* URL of the object store */
        const char *access_key, *secret_key;
        const char *secure; /* "true" or "false" */
        const char *bucket;
};

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

static const char *own_name(const struct charm_view *v, struct charm_plan *p, const char *end) {
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
        b->uri = charm_text(p, "mysql+pymysql://%s:%s@%s:%s/%s", url_part(p, user),
                            url_part(p, password), host, port,
                            url_part(p, database ? database : DATABASE_NAME));
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
        b->endpoint =
                charm_text(p, "%s://%s.%s:%s", !strcmp(b->secure, "true") ? "https" : "http",
                           service, namespace && *namespace ? namespace : charm_model(v), port);
        return true;
}

/* The bucket that is to be there. One that cannot be is not asked for: then it is the one that was
 * told last. */
static const char *bucket_wanted(const struct charm_view *v) {
        const char *option = charm_option(v, OPTION_DEFAULT_ARTIFACT_ROOT);

        return is_bucket(option)
                       ? option
                       : charm_told(charm_relation(v, ENDPOINT_OBJECT_STORAGE, 0), "bucket");
}

/* False: it is not there, and nothing runs that could go on. */
static bool read_bucket(const struct charm_view *v, struct charm_plan *p, struct backends *b) {
        const char *told = charm_told(charm_relation(v, ENDPOINT_OBJECT_STORAGE, 0), "bucket");

        b->bucket = bucket_wanted(v);
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
static bool is_scraped(const struct charm_view *v) {
        return charm_relations(v, ENDPOINT_METRICS_ENDPOINT) > 0;
}

static void want_service(const struct charm_view *v, struct charm_plan *p) {
        bool open = charm_option_bool(v, OPTION_ENABLE_MLFLOW_NODEPORT);
        const char *port = charm_option(v, OPTION_MLFLOW_PROMETHEUS_EXPORTER_PORT), *node = "",
                   *exporter = "";

        if (open)
                node = charm_text(p, ",\"nodePort\":%s",
                                  charm_option(v, OPTION_MLFLOW_PROMETHEUS_EXPORTER_NODEPORT));
        if (is_scraped(v))
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

static void want_credentials(struct charm_plan *p, const struct backends *b, const char *database,
                             const char *storage) {
        charm_want(p, "database", "database.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, database }, { "uri", CHARM_TEXT, b->uri }));
        charm_want(p, "object-storage", "object-storage.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, storage },
                               { "access-key", CHARM_TEXT, b->access_key },
                               { "secret-key", CHARM_TEXT, b->secret_key }));
}

static void want_server(const struct charm_view *v, struct charm_plan *p,
                        const struct backends *b) {
        const char *database = own_name(v, p, "database"),
                   *storage = own_name(v, p, "object-storage");
        const char *arch = charm_constraint(v, "arch");
        bool scraped = is_scraped(v);

        want_credentials(p, b, database, storage);
        charm_want(
                p, "deployment", "deployment.yaml",
                CHARM_HOLES(
                        { "database", CHARM_TEXT, database },
                        { "database-digest", CHARM_TEXT, charm_digest(p, "database") },
                        { "object-storage", CHARM_TEXT, storage },
                        { "object-storage-digest", CHARM_TEXT, charm_digest(p, "object-storage") },
                        /* The image is made for this one. */
                        { "arch", CHARM_TEXT, *arch ? arch : "amd64" },
                        { "port", CHARM_TEXT, charm_option(v, OPTION_MLFLOW_PORT) },
                        { "root", CHARM_TEXT, charm_text(p, "s3://%s/", b->bucket) },
                        { "endpoint", CHARM_TEXT, b->endpoint },
                        { "secure", CHARM_TEXT, b->secure },
                        { "metrics", scraped ? CHARM_JSON : CHARM_NONE,
                          "{\"name\":\"MLFLOW_EXPOSE_PROMETHEUS\",\"value\":\"/tmp/metrics\"}" },
                        { "exporter", scraped ? CHARM_JSON : CHARM_NONE,
                          scraped ? exporter(v, p) : "" }));
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
        if (charm_relations(v, ENDPOINT_RELATIONAL_DB))
                charm_keep(p, "database");
        if (charm_relations(v, ENDPOINT_OBJECT_STORAGE))
                charm_keep(p, "object-storage");
}

/* ---- what the user namespaces get */

static void tell_secrets(const struct charm_view *v, struct charm_plan *p,
                         const struct charm_relation *r, const struct backends *b) {
        const char *key = charm_quote(p, b->access_key), *secret = charm_quote(p, b->secret_key);

        charm_tell_json(
                p, r, "kubernetes_manifests",
                charm_text(
                        p,
                        "[{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":%s},"
                        "\"stringData\":{"
                        "\"AWS_ACCESS_KEY_ID\":%s,\"AWS_SECRET_ACCESS_KEY\":%s}},"
                        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":%s},"
                        "\"stringData\":{"
                        "\"RCLONE_CONFIG_S3_TYPE\":\"s3\",\"RCLONE_CONFIG_S3_PROVIDER\":\"minio\","
                        "\"RCLONE_CONFIG_S3_ENV_AUTH\":\"false\",\"RCLONE_CONFIG_S3_ACCESS_KEY_"
                        "ID\":%s,"
                        "\"RCLONE_CONFIG_S3_SECRET_ACCESS_KEY\":%s,\"RCLONE_CONFIG_S3_ENDPOINT\":%"
                        "s}}]",
                        charm_quote(p, own_name(v, p, "minio-artifact")), key, secret,
                        charm_quote(p, own_name(v, p, "seldon-rclone-secret")), key, secret,
                        charm_quote(p, b->endpoint)));
}

static const char *pod_default(struct charm_plan *p, const char *name, const char *what,
                               const char *label, const char *env) {
        return charm_text(
                p,
                "{\"apiVersion\":\"kubeflow.org/"
                "v1alpha1\",\"kind\":\"PodDefault\",\"metadata\":{\"name\":%s},"
                "\"spec\":{\"desc\":%s,\"selector\":{\"matchLabels\":{%s:\"true\"}},\"env\":[%s]}}",
                charm_quote(p, name), charm_quote(p, what), charm_quote(p, label), env);
}

static const char *env_value(struct charm_plan *p, const char *name, const char *value) {
        return charm_text(p, "{\"name\":\"%s\",\"value\":%s}", name, charm_quote(p, value));
}

static const char *env_secret(struct charm_plan *p, const char *name, const char *secret) {
        return charm_text(p,
                          "{\"name\":\"%s\",\"valueFrom\":{\"secretKeyRef\":{\"name\":%s,\"key\":"
                          "\"%s\",\"optional\":false}}}",
                          name, charm_quote(p, secret), name);
}

static void tell_pod_defaults(const struct charm_view *v, struct charm_plan *p,
                              const struct charm_relation *r, const struct backends *b) {
        const char *secret = own_name(v, p, "minio-artifact"), *minio = own_name(v, p, "minio");
        const char *server =
                charm_text(p, "http://%s.%s.svc.cluster.local:%s", charm_application(v),
                           charm_model(v), charm_option(v, OPTION_MLFLOW_PORT));
        const char *access = charm_text(p, "%s,%s,%s", env_secret(p, "AWS_ACCESS_KEY_ID", secret),
                                        env_secret(p, "AWS_SECRET_ACCESS_KEY", secret),
                                        env_value(p, "MINIO_ENDPOINT_URL", b->endpoint));
        const char *tracking =
                charm_text(p, "%s,%s", env_value(p, "MLFLOW_S3_ENDPOINT_URL", b->endpoint),
                           env_value(p, "MLFLOW_TRACKING_URI", server));

        charm_tell_json(
                p, r, "kubernetes_manifests",
                charm_text(p, "[%s,%s]",
                           pod_default(p, own_name(v, p, "access-minio"), "Allow access to MinIO",
                                       "access-minio", access),
                           pod_default(p, minio, "Allow access to MLflow", minio, tracking)));
}

/* ---- what the others are told */

static void tell_ingress(const struct charm_view *v, struct charm_plan *p,
                         const struct charm_relation *r) {
        charm_tell(p, r, "service", charm_application(v));
        charm_tell_int(p, r, "port", charm_option_int(v, OPTION_MLFLOW_PORT));
        charm_tell(p, r, "prefix", PREFIX);
        charm_tell(p, r, "rewrite", "/");
        charm_tell(p, r, "namespace", charm_model(v));
}

static void tell_route(const struct charm_view *v, struct charm_plan *p,
                       const struct charm_relation *r) {
        charm_tell_json(
                p, r, "config",
                charm_text(p,
                           "{\"model\":%s,\"listeners\":[{\"port\":80,\"protocol\":\"HTTP\"}],"
                           "\"http_routes\":[{"
                           "\"name\":\"http-ingress\",\"listener\":{\"port\":80,\"protocol\":"
                           "\"HTTP\"},"
                           "\"matches\":[{\"path\":{\"type\":\"PathPrefix\",\"value\":\"" PREFIX
                           "\"}}],"
                           "\"filters\":[{\"type\":\"URLRewrite\",\"urlRewrite\":{\"path\":{"
                           "\"type\":\"ReplacePrefixMatch\",\"value\":\"/\"}}}],"
                           "\"backends\":[{\"service\":%s,\"port\":%s}]}],\"grpc_routes\":[]}",
                           charm_quote(p, charm_model(v)), charm_quote(p, charm_application(v)),
                           charm_option(v, OPTION_MLFLOW_PORT)));
}

static void tell_link(const struct charm_view *v, struct charm_plan *p,
                      const struct charm_relation *r) {
        (void)v;
        charm_tell_json(p, r, "dashboard_links",
                        "[{\"text\":\"MLflow\",\"link\":\"" PREFIX
                        "\",\"type\":\"item\",\"icon\":\"device:data-usage\","
                        "\"location\":\"external\",\"desc\":\"\"}]");
}

static const char *topology(const struct charm_view *v, struct charm_plan *p) {
        return charm_text(p, "{\"model\":%s,\"application\":%s,\"charm_name\":\"mlflow-server\"}",
                          charm_quote(p, charm_model(v)), charm_quote(p, charm_application(v)));
}

static const char *job(const struct charm_view *v, struct charm_plan *p, const char *name,
                       const char *port) {
        const char *address = charm_text(p, "%s.%s.svc.cluster.local:%s", charm_application(v),
                                         charm_model(v), port);

        return charm_text(p,
                          "{\"job_name\":\"%s\",\"metrics_path\":\"/"
                          "metrics\",\"static_configs\":[{\"targets\":[%s]}]}",
                          name, charm_quote(p, address));
}

static void tell_metrics(const struct charm_view *v, struct charm_plan *p,
                         const struct charm_relation *r) {
        charm_tell_json(p, r, "scrape_metadata", topology(v, p));
        charm_tell_json(p, r, "scrape_jobs",
                        charm_text(p, "[%s,%s]",
                                   job(v, p, "mlflow", charm_option(v, OPTION_MLFLOW_PORT)),
                                   job(v, p, "mlflow-exporter",
                                       charm_option(v, OPTION_MLFLOW_PROMETHEUS_EXPORTER_PORT))));
}

static void tell_logging(const struct charm_view *v, struct charm_plan *p,
                         const struct charm_relation *r) {
        charm_tell_json(p, r, "metadata", topology(v, p));
        charm_tell_json(p, r, "alert_rules", "{}");
        charm_status(p, CHARM_ACTIVE, "logging: not served yet, the log is the pod's");
}

static void tell_model(const struct charm_view *v, struct charm_plan *p,
                       const struct charm_relation *r) {
        charm_tell_json(p, r, "cmr_data",
                        charm_text(p, "{\"app_name\":%s,\"juju_model_name\":%s}",
                                   charm_quote(p, charm_application(v)),
                                   charm_quote(p, charm_model(v))));
}

static void say_dashboard(const struct charm_view *v, struct charm_plan *p,
                          const struct charm_relation *r) {
        (void)v;
        charm_status(p, CHARM_ACTIVE, "%s: not served yet", r->endpoint);
}

static void say_mesh(const struct charm_view *v, struct charm_plan *p,
                     const struct charm_relation *r) {
        (void)v;
        charm_status(p, CHARM_BLOCKED, "%s: a service mesh is not served yet", r->endpoint);
}

static void ask_database(const struct charm_view *v, struct charm_plan *p,
                         const struct charm_relation *r) {
        (void)v;
        charm_tell(p, r, "database", DATABASE_NAME);
        charm_tell_json(p, r, "requested-secrets",
                        "[\"username\",\"password\",\"tls\",\"tls-ca\",\"uris\"]");
}

static void ask_bucket(const struct charm_view *v, struct charm_plan *p,
                       const struct charm_relation *r) {
        if (charm_option_bool(v, OPTION_CREATE_DEFAULT_ARTIFACT_ROOT_IF_MISSING))
                charm_tell(p, r, "bucket", bucket_wanted(v));
}

static const struct {
        const char *endpoint;
        void (*tell)(const struct charm_view *v, struct charm_plan *p,
                     const struct charm_relation *r);
} tells[] = {
        { ENDPOINT_RELATIONAL_DB, ask_database },
        { ENDPOINT_OBJECT_STORAGE, ask_bucket },
        { ENDPOINT_INGRESS, tell_ingress },
        { ENDPOINT_ISTIO_INGRESS_ROUTE, tell_route },
        { ENDPOINT_DASHBOARD_LINKS, tell_link },
        { ENDPOINT_METRICS_ENDPOINT, tell_metrics },
        { ENDPOINT_LOGGING, tell_logging },
        { ENDPOINT_REQUIRE_CMR_MESH, tell_model },
        { ENDPOINT_GRAFANA_DASHBOARD, say_dashboard },
        { ENDPOINT_SERVICE_MESH, say_mesh },
};

static void tell_all(const struct charm_view *v, struct charm_plan *p) {
        for (size_t i = 0; i < sizeof(tells) / sizeof(*tells); i++)
                for (size_t n = 0; n < charm_relations(v, tells[i].endpoint); n++)
                        tells[i].tell(v, p, charm_relation(v, tells[i].endpoint, n));
}

static void tell_namespaces(const struct charm_view *v, struct charm_plan *p,
                            const struct backends *b) {
        for (size_t i = 0; i < charm_relations(v, ENDPOINT_SECRETS); i++)
                tell_secrets(v, p, charm_relation(v, ENDPOINT_SECRETS, i), b);
        for (size_t i = 0; i < charm_relations(v, ENDPOINT_POD_DEFAULTS); i++)
                tell_pod_defaults(v, p, charm_relation(v, ENDPOINT_POD_DEFAULTS, i), b);
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
        if (is_scraped(v) && charm_option_int(v, OPTION_MLFLOW_PORT) ==
                                     charm_option_int(v, OPTION_MLFLOW_PROMETHEUS_EXPORTER_PORT))
                charm_fail(p, "mlflow_port and mlflow_prometheus_exporter_port are both %s",
                           charm_option(v, OPTION_MLFLOW_PORT));
}

static void plan(const struct charm_view *v, struct charm_plan *p) {
        struct backends b = {};

        check_options(v, p);
        charm_want(p, "service-account", "service-account.yaml", NULL);
        want_service(v, p);
        tell_all(v, p);
        if (strstr(charm_image(v, RESOURCE_OCI_IMAGE), ":" VERSION))
                charm_version(p, VERSION);
        if (!read_storage(v, p, &b))
                return keep_server(v, p);
        tell_namespaces(v, p, &b);
        if (read_database(v, p, &b) && read_bucket(v, p, &b))
                want_server(v, p, &b);
        else
                keep_server(v, p);
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
                                               {} };

CHARM(.plan = plan, .actions = actions);
