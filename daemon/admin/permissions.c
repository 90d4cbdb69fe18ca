/* SPDX-License-Identifier: Apache-2.0 */
/* permissions.c - who may do what: the role of each request, and of the actions of an application
 * what the charm or an admin says */
#include "admin-internal.h"
#include "routes.h"

#include "command.h"

#include <stdlib.h>

/* ---- requests */

void permissions_list(struct request *q) {
        json_t *list = json_array(), *j = json_object();

        for (const struct route *r = route_table; r->method; r++) {
                json_t *one;

                if (!r->action)
                        continue;
                one = json_object();
                json_object_set_new(one, "action", json_string(r->action));
                json_object_set_new(one, "role", json_string(request_role_name(r->access)));
                json_object_set_new(one, "method", json_string(r->method));
                json_object_set_new(one, "path", json_string(r->path));
                json_object_set_new(one, "help", json_string(r->help));
                json_array_append_new(list, one);
        }
        json_object_set_new(j, "permissions", list);
        json_object_set_new(j, "role", json_string(request_role_name(q->role)));
        request_reply(q, 200, j);
}

/* ---- actions of an application */

static void release(struct command *c) {
        free(container_of(c, struct command_permission, head));
}

static void set(struct request *q, bool grant) {
        struct command_permission *c = mem_new(struct command_permission);

        *c = (struct command_permission){ .head = { .run = command_permission_set,
                                                    .dry_run = request_query_bool(q, "dry-run") },
                                          .model = request_param(q, 0),
                                          .application = request_param(q, 1),
                                          .action = request_param(q, 2),
                                          .why = q->reason,
                                          .grant = grant };
        request_command(q, &c->head, release);
}

void permissions_grant(struct request *q) {
        set(q, true);
}

void permissions_revoke(struct request *q) {
        set(q, false);
}
