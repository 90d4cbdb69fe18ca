/* SPDX-License-Identifier: Apache-2.0 */
/* schedules.c - actions that are run at times */
#include "admin-internal.h"
#include "routes.h"

#include "clock.h"
#include "command.h"
#include "lookup.h"
#include "schedule-age.h"

#include <errno.h>
#include <stdlib.h>

#define SCHEDULES_PAGE 500

#define AT(member) offsetof(struct schedules_body, member)
const struct json_field schedules_fields[] = {
        { "params", JSON_FIELD_OBJECT, AT(params), 0, 0, 0, NULL },
        { "unit", JSON_FIELD_STRING, AT(unit), 0, 1, 200, NULL },
        { "at", JSON_FIELD_STRING, AT(at), 0, 1, 64, NULL },
        { "cron", JSON_FIELD_STRING, AT(cron), 0, 1, 200, NULL },
        { "zone", JSON_FIELD_STRING, AT(zone), 0, 1, 64, NULL },
        { "jitter", JSON_FIELD_STRING, AT(jitter), 0, 1, 20, NULL },
        { "missed", JSON_FIELD_STRING, AT(missed), 0, 1, 20, NULL },
        { "overlap", JSON_FIELD_STRING, AT(overlap), 0, 1, 20, NULL },
        { "during-freeze", JSON_FIELD_BOOL, AT(during_freeze), 0, 0, 0, NULL },
        {}
};

static void release_add(struct command *c) {
        free(container_of(c, struct command_schedule, head));
}

void schedules_add(struct request *q) {
        const struct schedules_body *b = q->data;
        struct command_schedule *c = mem_new(struct command_schedule);

        *c = (struct command_schedule){ .head = { .run = command_schedule_add,
                                                  .dry_run = request_query_bool(q, "dry-run") },
                                        .model = request_param(q, 0),
                                        .application = request_param(q, 1),
                                        .action = request_param(q, 2),
                                        .unit = b->unit,
                                        .params = b->params,
                                        .at = b->at,
                                        .cron = b->cron,
                                        .zone = b->zone,
                                        .jitter = b->jitter,
                                        .missed = b->missed,
                                        .overlap = b->overlap,
                                        .why = q->reason,
                                        .during_freeze = b->during_freeze };
        request_command(q, &c->head, release_add);
}

void schedules_remove(struct request *q) {
        operations_numbered(q, "schedules", command_schedule_remove);
}

/* ---- the list */

/* When its action completed last; null: never, or it comes once. */
static json_t *completed(const json_t *ages, int64_t id) {
        const json_t *age;
        size_t i;

        json_array_foreach(ages, i, age)
                if (json_get_int(age, "id", 0) == id)
                        return json_stamp(json_get_int(age, "completed", 0), false);
        return json_null();
}

static json_t *schedule_json(const struct q_schedule_row *s, const json_t *ages) {
        json_t *j = json_object(), *params = NULL;
        char span[CLOCK_TEXT_MAX];

        if (json_parse(s->params, strlen(s->params), &params, NULL) < 0)
                params = json_object();
        json_object_set_new(j, "id", json_integer(s->id));
        json_object_set_new(j, "application", json_string(s->application));
        json_object_set_new(j, "unit", s->unit[0] ? json_string(s->unit) : json_null());
        json_object_set_new(j, "action", json_string(s->action));
        json_object_set_new(j, "params", params);
        json_object_set_new(j, "cron", s->cron[0] ? json_string(s->cron) : json_null());
        json_object_set_new(j, "zone", json_string(s->zone));
        json_object_set_new(j, "jitter", json_string(clock_span(s->jitter_ms, span)));
        json_object_set_new(j, "missed", json_string(s->missed));
        json_object_set_new(j, "overlap", json_string(s->overlap));
        json_object_set_new(j, "during-freeze", json_boolean(s->during_freeze));
        json_object_set_new(j, "asked-by", json_string(s->asked_by));
        json_object_set_new(j, "reason", json_string(s->reason));
        json_object_set_new(j, "next",
                            json_stamp(s->due_at && s->run_at != INT64_MAX ? s->run_at : 0, false));
        json_object_set_new(j, "last", json_stamp(s->last_at, false));
        json_object_set_new(j, "completed", completed(ages, s->id));
        json_object_set_new(j, "not-run", json_string(s->last_text));
        json_object_set_new(j, "operation",
                            s->operation_null ? json_null() : json_integer(s->operation));
        return j;
}

/* How the newest run of S stands. */
static int add_status(struct tx *tx, const struct q_schedule_row *s, json_t *j, struct err *err) {
        struct q_operation_row *row;
        size_t n = 0;
        int r = 0;

        if (!s->operation_null)
                r = q_operation_by_id(tx, &(struct q_operation_by_id_in){ .id = s->operation },
                                      &row, &n, err);
        json_object_set_new(j, "operation-status",
                            r >= 0 && n ? json_string(row->status) : json_null());
        return r < 0 ? r : 0;
}

static int read_list(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        struct q_schedule_list_in in = { .after = request_query_int(q, "after", 0),
                                         .max = SCHEDULES_PAGE };
        const struct q_model_row *model;
        struct q_schedule_row *rows;
        cleanup_(json_freep) json_t *ages = json_array();
        json_t *list;
        size_t n;
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        if (r < 0)
                return r;
        in.model_id = model->id;
        r = schedule_ages_read(tx, &model->id, ages, err);
        if (r >= 0)
                r = q_schedule_list(tx, &in, &rows, &n, err);
        if (r < 0)
                return r;
        *ret = json_object(); /* the caller's, also after an error */
        list = json_array();
        json_object_set_new(*ret, "schedules", list);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                json_t *line = schedule_json(&rows[i], ages);

                json_array_append_new(list, line);
                r = add_status(tx, &rows[i], line, err);
        }
        if (r < 0)
                return r;
        if (n == SCHEDULES_PAGE)
                json_object_set_new(*ret, "next", json_integer(rows[n - 1].id));
        return 0;
}

void schedules_list(struct request *q) {
        request_read(q, read_list, NULL);
}
