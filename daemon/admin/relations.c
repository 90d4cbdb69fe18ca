/* SPDX-License-Identifier: Apache-2.0 */
/* relations.c - integrate and remove-relation; by the two sides, or by id */
#include "admin-internal.h"
#include "previewing.h"
#include "routes.h"

#include "command.h"

#include <errno.h>
#include <stdlib.h>

const struct json_field relations_fields[] = {
        { "a", JSON_FIELD_STRING, offsetof(struct relations_body, a), JSON_REQUIRED, 1, 127, NULL },
        { "b", JSON_FIELD_STRING, offsetof(struct relations_body, b), JSON_REQUIRED, 1, 127, NULL },
        {}
};

static void release(struct command *c) {
        free(container_of(c, struct command_relation, head));
}

static struct command_relation *
command_new(struct request *q, int (*run)(struct tx *, struct command *, struct err *)) {
        struct command_relation *c = mem_new(struct command_relation);

        c->head.run = run;
        c->head.dry_run = request_query_bool(q, "dry-run");
        c->model = request_param(q, 0);
        return c;
}

void relations_add(struct request *q) {
        const struct relations_body *b = q->data;
        struct command_relation *c = command_new(q, command_relation_add);

        c->a = b->a;
        c->b = b->b;
        previewing_command(q, &c->head, c->model, NULL, release);
}

void relations_remove(struct request *q) {
        struct command_relation *c = command_new(q, command_relation_remove);
        struct err err = { 0 };

        c->a = request_query(q, "a");
        c->b = request_query(q, "b");
        c->id = request_query_int(q, "id", 0);
        c->force = request_query_bool(q, "force");
        if (!c->id && (!c->a || !c->b)) {
                free(c);
                err_set(&err, -EINVAL, "which relation: a and b, or id");
                return request_fail(q, -EINVAL, &err);
        }
        previewing_command(q, &c->head, c->model, NULL, release);
}
