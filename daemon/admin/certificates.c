/* SPDX-License-Identifier: Apache-2.0 */
/* certificates.c - every certificate of a model and of the daemon: what it is for, when it ends,
 * who renews it; and the commands that replace them
 *
 * Of the daemon: what its metrics' listener shows, and what the model's cluster is read with
 * (certificate of the kubeconfig, authority of the cluster). */
#include "admin-internal.h"
#include "routes.h"

#include "cert.h"
#include "clock.h"
#include "command.h"
#include "lookup.h"
#include "metrics-server.h"
#include "reconcile.h"

#include <stdlib.h>

#define CERTIFICATES_PAGE 500
#define DAY_MS 86400000

#define AT(member) offsetof(struct certificates_body, member)
const struct json_field certificates_fields[] = {
        { "certificate", JSON_FIELD_STRING, AT(pem), JSON_REQUIRED, 1, CERT_PEM_MAX, NULL }, {}
};

static void put_life(json_t *j, int64_t begins, int64_t ends) {
        json_object_set_new(j, "begins", json_stamp(begins, false));
        json_object_set_new(j, "ends", json_stamp(ends, false));
        json_object_set_new(j, "days-left",
                            ends ? json_integer((ends - clock_wall()) / DAY_MS) : json_null());
}

/* ---- of the model */

static int used_in(struct tx *tx, int64_t secret, json_t *list, struct err *err) {
        struct q_certificate_used_in_row *rows;
        size_t n;
        int r = q_certificate_used_in(tx, &(struct q_certificate_used_in_in){ .secret_id = secret },
                                      &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                json_array_append_new(list, json_sprintf("%s %s", rows[i].type, rows[i].path));
        return r;
}

static json_t *certificate_json(const struct q_certificate_row *row, const char *application) {
        json_t *spec = NULL, *j = json_object();

        json_parse(row->spec, strlen(row->spec), &spec, NULL);
        json_object_set_new(j, "kind", json_string("application"));
        json_object_set_new(j, "name", json_sprintf("%s/%s", application, row->label));
        json_object_set_new(j, "application", json_string(application));
        json_object_set_new(j, "label", json_string(row->label));
        json_object_set_new(j, "subject", json_string(row->subject));
        json_object_set_new(j, "issuer", json_string(row->issuer));
        json_object_set_new(j, "serial", json_string(row->serial_number));
        json_object_set(j, "names", json_get(spec, "names"));
        put_life(j, row->begins_at, row->ends_at);
        json_object_set_new(j, "renewed-by",
                            json_get(spec, "issuer") ? json_string("its relation")
                                                     : json_string("mooring"));
        json_object_set_new(j, "renewal",
                            json_stamp(!row->issued_at     ? 0
                                       : row->renew_at > 0 ? row->renew_at
                                                           : clock_wall(),
                                       false));
        json_object_set_new(j, "issued", json_stamp(row->issued_at, false));
        json_object_set_new(j, "renewals", json_integer(row->renewals));
        json_object_set_new(j, "failed", row->failed ? json_string(row->failed) : json_null());
        json_decref(spec);
        return j;
}

static int add_certificate(struct tx *tx, const struct q_certificate_row *row, json_t *list,
                           struct err *err) {
        struct q_application_row *a;
        json_t *used = json_array(), *j;
        size_t n;
        int r = q_application_by_id(
                tx, &(struct q_application_by_id_in){ .id = row->application_id }, &a, &n, err);

        if (r >= 0)
                r = used_in(tx, row->id, used, err);
        j = certificate_json(row, r >= 0 && n ? a->name : "");
        json_object_set_new(j, "used-in", used);
        json_array_append_new(list, j);
        return r < 0 ? r : 0;
}

static json_t *authority_json(const struct q_authority_row *a) {
        bool asked = str_eq(a->state, "asked"), ours = a->renew_at > 0;
        json_t *j = json_object();

        json_object_set_new(j, "kind", json_string("ca"));
        json_object_set_new(j, "name", json_sprintf("ca %s", a->state));
        json_object_set_new(j, "state", json_string(a->state));
        json_object_set_new(j, "subject", json_string(a->subject));
        json_object_set_new(j, "issuer", json_string(a->issuer));
        json_object_set_new(j, "serial", json_string(a->serial_number));
        if (!asked)
                put_life(j, a->begins_at, a->ends_at);
        json_object_set_new(j, "renewed-by", json_string(ours ? "mooring" : "you: ca-csr, set-ca"));
        json_object_set_new(j, "renewal", json_stamp(a->renew_at, false));
        json_object_set_new(j, "issued", json_stamp(a->created_at, false));
        json_object_set_new(j, "used-in", json_array());
        return j;
}

static int add_authorities(struct tx *tx, int64_t model, json_t *list, struct err *err) {
        struct q_authority_row *rows;
        size_t n;
        int r = q_authority_list(tx, &(struct q_authority_list_in){ .model_id = model }, &rows, &n,
                                 err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                json_array_append_new(list, authority_json(&rows[i]));
        return r;
}

static int read_list(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        struct q_certificate_list_in in = { .after = request_query_int(q, "after", 0),
                                            .max = CERTIFICATES_PAGE };
        cleanup_(json_freep) json_t *out = json_object();
        json_t *list = json_array();
        const struct q_model_row *model;
        struct q_target_row *target;
        struct q_certificate_row *rows;
        size_t n = 0, k = 0;
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        json_object_set_new(out, "certificates", list);
        if (r < 0)
                return r;
        in.model_id = model->id;
        if (!in.after)
                r = add_authorities(tx, model->id, list, err);
        if (r >= 0)
                r = q_certificate_list(tx, &in, &rows, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_certificate(tx, &rows[i], list, err);
        if (r >= 0)
                r = q_target_by_id(tx, &(struct q_target_by_id_in){ .id = model->target_id },
                                   &target, &k, err);
        if (r < 0)
                return r;
        if (k)
                json_object_set_new(out, "cluster", json_string(target->name));
        if (n == CERTIFICATES_PAGE)
                json_object_set_new(out, "next", json_integer(rows[n - 1].id));
        *ret = take_ptr(out);
        return 0;
}

/* ---- of the daemon */

struct own {
        const char *name, *pem, *used, *renewed_by;
};

static void add_own(json_t *list, const struct own *o) {
        cleanup_(cert_facts_free) struct cert_facts f = { .names = NULL };
        json_t *j;

        if (!o->pem || cert_read(o->pem, &f, NULL) < 0)
                return;
        j = json_object();
        json_object_set_new(j, "kind", json_string("daemon"));
        json_object_set_new(j, "name", json_string(o->name));
        json_object_set_new(j, "subject", json_string(f.subject));
        json_object_set_new(j, "issuer", json_string(f.issuer));
        json_object_set_new(j, "serial", json_string(f.serial));
        json_object_set(j, "names", f.names);
        put_life(j, f.from, f.until);
        json_object_set_new(j, "renewed-by", json_string(o->renewed_by));
        json_object_set_new(j, "renewal", json_null());
        json_object_set_new(j, "issued", json_null());
        json_object_set_new(j, "used-in", json_pack("[s]", o->used));
        json_array_append_new(list, j);
}

static void add_cluster(json_t *list, const json_t *loop, const char *cluster) {
        cleanup_(freep) char *used = str_format("cluster %s", cluster);
        json_t *target;
        size_t i;

        json_array_foreach(json_get(loop, "targets"), i, target) {
                const json_t *manner = json_get(target, "manner");

                if (!str_eq(json_get_str(target, "name", ""), cluster))
                        continue;
                add_own(list, &(struct own){ "client certificate",
                                             json_get_str(manner, "certificate", NULL), used,
                                             "you: mooringctl update-cluster" });
                add_own(list, &(struct own){ "cluster CA", json_get_str(manner, "ca", NULL), used,
                                             "you: mooringctl update-cluster" });
        }
}

static void finish_list(struct request *q, json_t *json) {
        struct reconcile *rec = q->admin->options.reconcile;
        const char *waits = reconcile_authority_waits(rec, request_param(q, 0));
        const char *cluster = json_get_str(json, "cluster", NULL);
        json_t *list = json_get(json, "certificates");

        if (!request_query_int(q, "after", 0)) {
                cleanup_(json_freep) json_t *loop = reconcile_facts(rec);

                if (cluster)
                        add_cluster(list, loop, cluster);
                add_own(list, &(struct own){ "metrics", metrics_server_certificate(),
                                             "metrics-address", "you: the file, then reload" });
        }
        json_object_del(json, "cluster");
        json_object_set_new(json, "ca-waits-for", waits ? json_string(waits) : json_null());
        request_reply_long(q, json);
}

void certificates_list(struct request *q) {
        request_read(q, read_list, finish_list);
}

/* ---- commands */

static void release(struct command *c) {
        free(container_of(c, struct command_certificate, head));
}

static void run(struct request *q, int (*fn)(struct tx *, struct command *, struct err *),
                const char *pem) {
        struct command_certificate *c = mem_new(struct command_certificate);

        *c = (struct command_certificate){ .head = { .run = fn,
                                                     .dry_run = request_query_bool(q, "dry-run") },
                                           .model = request_param(q, 0),
                                           .application = request_param(q, 1),
                                           .label = request_query(q, "label"),
                                           .pem = pem };
        request_command(q, &c->head, release);
}

void certificates_rotate(struct request *q) {
        run(q, command_certificate_rotate, NULL);
}

void certificates_rotate_ca(struct request *q) {
        run(q, command_certificate_rotate_ca, NULL);
}

void certificates_ca_csr(struct request *q) {
        run(q, command_certificate_ca_csr, NULL);
}

void certificates_set_ca(struct request *q) {
        const struct certificates_body *b = q->data;

        run(q, command_certificate_set_ca, b->pem);
}
