/* SPDX-License-Identifier: Apache-2.0 */
/* refreshes.c - a refresh that paused goes on, or an application goes back (refresh.h); the same of
 * a refresh --all (refresh-all.h), which can be cancelled too */
#include "admin-internal.h"
#include "previewing.h"
#include "routes.h"

#include "command.h"
#include "view-model.h"

#include <errno.h>
#include <stdlib.h>

const struct json_field refreshes_rollback_fields[] = {
        { "accept-data-loss", JSON_FIELD_BOOL, offsetof(struct refreshes_body, accept_loss), 0, 0,
          0, NULL },
        {}
};

static void release(struct command *c) {
        free(container_of(c, struct command_going, head));
}

/* Without an application, for those of all: then what is changed says which are asked. */
static void submit(struct request *q, int (*run)(struct tx *, struct command *, struct err *),
                   bool accept_loss) {
        struct command_going *g = mem_new(struct command_going);

        *g = (struct command_going){ .head = { .run = run,
                                               .dry_run = request_query_bool(q, "dry-run") },
                                     .model = request_param(q, 0),
                                     .application = request_param(q, 1),
                                     .accept_loss = accept_loss };
        previewing_command(q, &g->head, g->model, g->application, release);
}

void refreshes_resume(struct request *q) {
        submit(q, command_refresh_resume, false);
}

void refreshes_resume_all(struct request *q) {
        submit(q, command_refresh_all_resume, false);
}

void refreshes_cancel_all(struct request *q) {
        submit(q, command_refresh_all_cancel, false);
}

/* Operators are on call: they may go back, but not with other people's data. */
static void roll_back(struct request *q, int (*run)(struct tx *, struct command *, struct err *)) {
        const struct refreshes_body *b = q->data;
        struct err err = { 0 };

        if (b->accept_loss && q->role < ROLE_ADMIN) {
                err_set(&err, -EPERM, "a rollback that loses data needs the role admin");
                return request_fail(q, -EPERM, &err);
        }
        submit(q, run, b->accept_loss);
}

void refreshes_rollback(struct request *q) {
        roll_back(q, command_refresh_rollback);
}

void refreshes_rollback_all(struct request *q) {
        roll_back(q, command_refresh_all_rollback);
}

static int read_all(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        return view_model_refresh(tx, request_param(q, 0), ret, err);
}

void refreshes_show_all(struct request *q) {
        request_read(q, read_all, NULL);
}
