/* SPDX-License-Identifier: Apache-2.0 */
/* doctor-schedule.c - actions that are run at times: nobody watches them; see doctor.h */
#include "doctor.h"

#include "queries.gen.h"

#include <stdlib.h>

#define PAGE 500 /* as many as a model has */

static int add_one(struct tx *tx, const struct q_schedule_row *s, json_t *to, struct err *err) {
        struct q_operation_row *o;
        size_t n = 0;
        int r = s->operation_null
                        ? 0
                        : q_operation_by_id(tx,
                                            &(struct q_operation_by_id_in){ .id = s->operation },
                                            &o, &n, err);

        if (r < 0)
                return r;
        json_array_append_new(
                to,
                json_pack("{s:I, s:s, s:s, s:s, s:I, s:o, s:I, s:s, s:o}", "id", (json_int_t)s->id,
                          "model", s->model, "application", s->application, "action", s->action,
                          "last", (json_int_t)s->last_at, "not-run", json_words(s->last_text),
                          "operation", (json_int_t)(n ? o->id : 0), "status", n ? o->status : "",
                          "message", json_words(n ? o->message : "")));
        return 0;
}

int doctor_schedules_read(struct tx *tx, int64_t model, json_t *to, struct err *err) {
        struct q_schedule_list_in in = { .model_id = model, .max = PAGE };
        struct q_schedule_row *rows;
        size_t n;
        int r = q_schedule_list(tx, &in, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_one(tx, &rows[i], to, err);
        return r < 0 ? r : 0;
}

void doctor_schedule_overdue(struct doctor *d) {
        const json_t *s;
        size_t i;

        json_array_foreach(json_get(d->facts, "schedule-ages"), i, s) {
                const char *model = json_get_str(s, "model", ""),
                           *action = json_get_str(s, "action", "");
                int64_t completed = json_get_int(s, "completed", 0);
                cleanup_(freep) char *subject = str_format(
                        "%s/%s: schedule %lld, %s", model, json_get_str(s, "application", ""),
                        (long long)json_get_int(s, "id", 0), action);
                cleanup_(freep) char *list = str_format("mooringctl operations --model %s", model);

                if (!json_get_bool(s, "overdue", false))
                        continue;
                if (completed)
                        doctor_find(d, DOCTOR_WARNING, DOCTOR_SUBJECT(subject, completed, list),
                                    "more than one run was due since %s completed last", action);
                else
                        doctor_find(d, DOCTOR_WARNING, DOCTOR_SUBJECT(subject, 0, list),
                                    "more than one run was due, and %s never completed", action);
        }
}

void doctor_schedule_failed(struct doctor *d) {
        const json_t *s;
        size_t i;

        json_array_foreach(json_get(d->facts, "schedules"), i, s) {
                const char *model = json_get_str(s, "model", ""),
                           *why = json_get_str(s, "not-run", "");
                const char *status = json_get_str(s, "status", "");
                long long operation = json_get_int(s, "operation", 0);
                int64_t last = json_get_int(s, "last", 0);
                cleanup_(freep) char *subject = str_format(
                        "%s/%s: schedule %lld, %s", model, json_get_str(s, "application", ""),
                        (long long)json_get_int(s, "id", 0), json_get_str(s, "action", ""));
                cleanup_(freep) char *show =
                        str_format("mooringctl show-operation %lld --model %s", operation, model);
                cleanup_(freep) char *list = str_format("mooringctl schedules --model %s", model);

                if (why[0])
                        doctor_find(d, DOCTOR_WARNING, DOCTOR_SUBJECT(subject, last, list),
                                    "was not run when it was due last: %s", why);
                else if (str_eq(status, "failed") || str_eq(status, "aborted"))
                        doctor_find(d, DOCTOR_WARNING, DOCTOR_SUBJECT(subject, last, show),
                                    "its last run, operation %lld, %s: %s", operation, status,
                                    json_get_str(s, "message", ""));
        }
}
