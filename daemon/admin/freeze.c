/* SPDX-License-Identifier: Apache-2.0 */
/* freeze.c - freezes of models and applications; pauses of single objects */
#include "admin-internal.h"
#include "routes.h"

#include "command.h"

#include <errno.h>
#include <stdlib.h>

const struct json_field freeze_fields[] = {
        { "reason", JSON_FIELD_STRING, offsetof(struct freeze_body, reason), JSON_REQUIRED, 1, 500,
          NULL },
        { "until", JSON_FIELD_STRING, offsetof(struct freeze_body, until), 0, 1, 64, NULL },
        {}
};

struct freezing {
        struct command_freeze command;
        struct reconcile_object object;
};

static void release(struct command *c) {
        struct freezing *f = container_of(container_of(c, struct command_freeze, head),
                                          struct freezing, command);

        reconcile_object_deinit(&f->object);
        free(f);
}

static struct freezing *freezing_new(struct request *q,
                                     int (*run)(struct tx *, struct command *, struct err *)) {
        struct freezing *f = mem_new(struct freezing);

        f->command.head.run = run;
        f->command.head.dry_run = request_query_bool(q, "dry-run");
        f->command.model = request_param(q, 0);
        return f;
}

static void set(struct request *q, struct freezing *f, const char *application) {
        const struct freeze_body *b = q->data;

        f->command.application = application;
        f->command.until = b->until;
        f->command.why = b->reason;
        if (!q->reason)
                str_set(&q->reason, b->reason);
        request_command(q, &f->command.head, release);
}

void freeze_model(struct request *q) {
        set(q, freezing_new(q, command_freeze_set), NULL);
}

void freeze_application(struct request *q) {
        set(q, freezing_new(q, command_freeze_set), request_param(q, 1));
}

static void end(struct request *q, const char *application) {
        struct freezing *f = freezing_new(q, command_freeze_end);

        f->command.application = application;
        request_command(q, &f->command.head, release);
}

void freeze_model_end(struct request *q) {
        end(q, NULL);
}

void freeze_application_end(struct request *q) {
        end(q, request_param(q, 1));
}

/* ---- objects */

static bool find_object(struct request *q, struct freezing *f) {
        struct err err = { 0 };
        int r = reconcile_find_object(q->admin->options.reconcile, request_param(q, 0),
                                      request_param(q, 1), &f->object, &err);

        f->command.type = f->object.type;
        f->command.path = f->object.path;
        if (r > 0)
                return true;
        release(&f->command.head);
        request_fail(q, r, &err);
        return false;
}

void freeze_object(struct request *q) {
        struct freezing *f = freezing_new(q, command_freeze_set);

        if (find_object(q, f))
                set(q, f, NULL);
}

void freeze_object_end(struct request *q) {
        struct freezing *f = freezing_new(q, command_freeze_end);
        struct err err = { 0 };
        int r = reconcile_find_object(q->admin->options.reconcile, request_param(q, 0),
                                      request_param(q, 1), &f->object, &err);

        f->command.type = f->object.type;
        f->command.path = f->object.path;
        if (r == -ENOENT)
                f->command.object = request_param(q, 1);
        if (r < 0 && r != -ENOENT) {
                release(&f->command.head);
                return request_fail(q, r, &err);
        }
        request_command(q, &f->command.head, release);
}
