/* SPDX-License-Identifier: Apache-2.0 */
/* tell.c - what the other sides of relations are told
 *
 * As Juju's charm: links for the dashboard, a route, what is scraped, and for user namespaces the
 * keys of the bucket (as tokens) and PodDefaults that use them. */
#include "mlflow.h"

#include "charm.gen.h"

#define PREFIX "/mlflow/"

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
                        charm_quote(p, mlflow_own_name(v, p, "minio-artifact")), key, secret,
                        charm_quote(p, mlflow_own_name(v, p, "seldon-rclone-secret")), key, secret,
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
        const char *secret = mlflow_own_name(v, p, "minio-artifact"),
                   *minio = mlflow_own_name(v, p, "minio");
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
                           pod_default(p, mlflow_own_name(v, p, "access-minio"),
                                       "Allow access to MinIO", "access-minio", access),
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
        charm_tell(p, r, "database", MLFLOW_DATABASE);
        charm_tell_json(p, r, "requested-secrets",
                        "[\"username\",\"password\",\"tls\",\"tls-ca\",\"uris\"]");
}

static void ask_bucket(const struct charm_view *v, struct charm_plan *p,
                       const struct charm_relation *r) {
        if (charm_option_bool(v, OPTION_CREATE_DEFAULT_ARTIFACT_ROOT_IF_MISSING))
                charm_tell(p, r, "bucket", mlflow_bucket_wanted(v));
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

void mlflow_tell(const struct charm_view *v, struct charm_plan *p) {
        for (size_t i = 0; i < sizeof(tells) / sizeof(*tells); i++)
                for (size_t n = 0; n < charm_relations(v, tells[i].endpoint); n++)
                        tells[i].tell(v, p, charm_relation(v, tells[i].endpoint, n));
}

void mlflow_tell_namespaces(const struct charm_view *v, struct charm_plan *p,
                            const struct backends *b) {
        for (size_t i = 0; i < charm_relations(v, ENDPOINT_SECRETS); i++)
                tell_secrets(v, p, charm_relation(v, ENDPOINT_SECRETS, i), b);
        for (size_t i = 0; i < charm_relations(v, ENDPOINT_POD_DEFAULTS); i++)
                tell_pod_defaults(v, p, charm_relation(v, ENDPOINT_POD_DEFAULTS, i), b);
}
