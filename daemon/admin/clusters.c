/* SPDX-License-Identifier: Apache-2.0 */
/* clusters.c - outsides that an operator made: added, given new credentials, bound anew, removed */
#include "admin-internal.h"
#include "routes.h"

#include "command.h"
#include "provider.h"
#include "view-model.h"

#include <errno.h>
#include <stdlib.h>

#define AT(member) offsetof(struct clusters_body, member)

const struct json_field clusters_fields[] = {
        { "name", JSON_FIELD_STRING, AT(name), 0, 1, 63, NULL },
        { "config", JSON_FIELD_OBJECT, AT(config), 0, 0, 0, NULL },
        { "credential", JSON_FIELD_OBJECT, AT(credential), 0, 0, 0, NULL },
        {}
};

static int read_list(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        return view_model_clusters(tx, request_query_int(q, "after", 0), ret, err);
}

void clusters_list(struct request *q) {
        request_read(q, read_list, NULL);
}

struct adding {
        struct command_cluster_add command;
        struct buf sealed;
        char *name;
        json_t *config;
};

static void release_adding(struct command *c) {
        struct adding *a = container_of(container_of(c, struct command_cluster_add, head),
                                        struct adding, command);

        buf_free(&a->sealed);
        json_decref(a->config);
        free(a->name);
        free(a);
}

/* The credential is sealed before it goes anywhere; the request wipes its copy when it ends. */
static int seal_credential(struct request *q, struct adding *a, const json_t *credential,
                           struct err *err) {
        struct seal_place at = { "target", "credential", a->name, 1 };
        struct buf text = BUF_INIT;
        int r;

        json_canonical(credential, &text);
        r = seal_value(q->admin->options.sealer, &at, text.data, text.len, &a->sealed, err);
        buf_wipe(&text);
        return r;
}

static void submit(struct request *q, const char *name, bool add) {
        const struct clusters_body *b = q->data;
        const struct provider *p = provider_find("kubernetes");
        struct adding *a;
        struct err err = { 0 };
        int r = 0;

        if (!name || (add && !b->config)) {
                err_set(&err, -EINVAL, "name and config are needed");
                return request_fail(q, -EINVAL, &err);
        }
        if (b->config)
                r = p ? p->check(b->config, b->credential, &err)
                      : err_set(&err, -ENOTSUP, "no kubernetes provider");
        if (r < 0)
                return request_fail(q, r, &err);
        a = mem_new(struct adding);
        a->name = str_dup(name);
        a->config = json_incref(b->config);
        if (b->credential)
                r = seal_credential(q, a, b->credential, &err);
        a->command = (struct command_cluster_add){ .head = { .run = add ? command_cluster_add
                                                                        : command_cluster_update },
                                                   .name = a->name,
                                                   .config = a->config,
                                                   .credential = a->sealed.data,
                                                   .credential_len = a->sealed.len };
        if (r < 0) {
                request_fail(q, r, &err);
                return release_adding(&a->command.head);
        }
        request_command(q, &a->command.head, release_adding);
}

void clusters_add(struct request *q) {
        submit(q, ((const struct clusters_body *)q->data)->name, true);
}

void clusters_update(struct request *q) {
        submit(q, request_param(q, 0), false);
}

static void release(struct command *c) {
        struct command_cluster *cluster = container_of(c, struct command_cluster, head);

        free((char *)cluster->answers);
        free(cluster);
}

static void one(struct request *q, int (*run)(struct tx *, struct command *, struct err *)) {
        struct command_cluster *c = mem_new(struct command_cluster);
        struct reconcile *rec = q->admin->options.reconcile;

        *c = (struct command_cluster){
                .head = { .run = run, .dry_run = request_query_bool(q, "dry-run") },
                .name = request_param(q, 0),
                .answers = str_dup(reconcile_identity(rec, request_param(q, 0))),
                .force = request_query_bool(q, "force")
        };
        request_command(q, &c->head, release);
}

void clusters_remove(struct request *q) {
        one(q, command_cluster_remove);
}

void clusters_rebind(struct request *q) {
        one(q, command_cluster_rebind);
}
