/* SPDX-License-Identifier: Apache-2.0 */
/* user-secrets.c - secrets that people add: each request is one command
 *
 * A body with values is overwritten with its request; what is kept for a plan that is gone on with
 * is sealed. */
#include "admin-internal.h"
#include "routes.h"

#include "command.h"
#include "user-secret.h"

#include <stdlib.h>

#define AT(member) offsetof(struct user_secrets_body, member)
#define INFO                                                                                       \
        { "info", JSON_FIELD_STRING, AT(info), JSON_NULL_OK, 0, USER_SECRET_INFO_MAX, NULL }
#define EXPIRE                                                                                     \
        { "expire", JSON_FIELD_STRING, AT(expire), JSON_NULL_OK, 1, 64, NULL }

const struct json_field user_secrets_add_fields[] = {
        { "name", JSON_FIELD_STRING, AT(name), JSON_REQUIRED, 1, 200, NULL },
        { "content", JSON_FIELD_OBJECT, AT(content), JSON_REQUIRED | JSON_SECRET, 0, 0, NULL },
        INFO,
        EXPIRE,
        {}
};
const struct json_field user_secrets_update_fields[] = {
        { "name", JSON_FIELD_STRING, AT(name), JSON_NULL_OK, 1, 200, NULL },
        { "content", JSON_FIELD_OBJECT, AT(content), JSON_NULL_OK | JSON_SECRET, 0, 0, NULL },
        INFO,
        EXPIRE,
        {}
};
const struct json_field user_secrets_access_fields[] = {
        { "applications", JSON_FIELD_LIST, AT(applications), JSON_REQUIRED, 0, 0, NULL }, {}
};

static void release(struct command *c) {
        free(container_of(c, struct command_secret, head));
}

static void start(struct request *q, int (*run)(struct tx *, struct command *, struct err *),
                  struct command_secret with) {
        struct command_secret *c = mem_new(struct command_secret);

        *c = with;
        c->head = (struct command){ .run = run, .dry_run = request_query_bool(q, "dry-run") };
        c->model = request_param(q, 0);
        if (!c->name)
                c->name = request_param(q, 1);
        request_command(q, &c->head, release);
}

void user_secrets_add(struct request *q) {
        const struct user_secrets_body *b = q->data;

        start(q, command_secret_add,
              (struct command_secret){ .name = b->name,
                                       .content = b->content,
                                       .info = b->info,
                                       .expire = b->expire });
}

void user_secrets_update(struct request *q) {
        const struct user_secrets_body *b = q->data;

        start(q, command_secret_update,
              (struct command_secret){ .new_name = b->name,
                                       .content = b->content,
                                       .info = b->info,
                                       .expire = b->expire });
}

void user_secrets_remove(struct request *q) {
        start(q, command_secret_remove,
              (struct command_secret){ .revision = request_query_int(q, "revision", 0) });
}

void user_secrets_grant(struct request *q) {
        const struct user_secrets_body *b = q->data;

        start(q, command_secret_grant, (struct command_secret){ .applications = b->applications });
}

void user_secrets_revoke(struct request *q) {
        const struct user_secrets_body *b = q->data;

        start(q, command_secret_revoke, (struct command_secret){ .applications = b->applications });
}
