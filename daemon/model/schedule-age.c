/* SPDX-License-Identifier: Apache-2.0 */
/* schedule-age.c - see schedule-age.h */
#include "schedule-age.h"

#include "cron.h"
#include "store.h"

#define AGES_MAX 5000 /* of all models: ten that have all that one may */

bool schedule_is_overdue(const struct q_schedule_ages_row *s, int64_t now) {
        int64_t since = s->completed_at_null || s->completed_at < s->created_at ? s->created_at
                                                                                : s->completed_at;
        struct zone *zone = NULL;
        struct cron cron;
        int64_t due;

        if (cron_parse(s->cron, &cron, NULL) < 0 || zone_open(s->zone, &zone, NULL) < 0)
                return false; /* it was taken when it was set */
        due = cron_next(&cron, zone, since / 1000);
        if (due != CRON_NEVER)
                due = cron_next(&cron, zone, due);
        zone_free(zone);
        return due != CRON_NEVER && now > due * 1000 + s->jitter_ms;
}

int schedule_ages_read(struct tx *tx, const int64_t *model, json_t *to, struct err *err) {
        struct q_schedule_ages_in in = { .model_id = model ? *model : 0,
                                         .model_id_null = !model,
                                         .max = AGES_MAX };
        struct q_schedule_ages_row *rows;
        size_t n;
        int r = q_schedule_ages(tx, &in, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                const struct q_schedule_ages_row *s = &rows[i];

                json_array_append_new(
                        to, json_pack("{s:I, s:s, s:s, s:s, s:I, s:b}", "id", (json_int_t)s->id,
                                      "model", s->model, "application", s->application, "action",
                                      s->action, "completed",
                                      (json_int_t)(s->completed_at_null ? 0 : s->completed_at),
                                      "overdue", schedule_is_overdue(s, tx_now(tx))));
        }
        return r < 0 ? r : 0;
}
