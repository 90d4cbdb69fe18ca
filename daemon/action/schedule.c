/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.c - runs what is due by schedule, and rotates secrets; see schedule.h
 *
 * The wall clock may jump, so it is looked at once an hour at least; what is due is decided in the
 * transaction, by the rows. */
#include "schedule.h"

#include "clock.h"
#include "command.h"
#include "log.h"
#include "metric.h"
#include "rotation.h"

#include <stdlib.h>

#define RETRY_MS 5000

struct schedule {
        struct schedule_options options;
        struct store_call call;
        struct schedule_run run;
        struct rotation_run rotation;
        struct timer timer;
        bool out, again, stopping;
};

static struct metric refused_count = { .name = "mooring_schedules_refused_total",
                                       .help = "Runs by schedule that were due and not begun",
                                       .type = METRIC_COUNTER };

static int due_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct schedule *s = c->arg;

        int r = command_schedule_due(tx, &s->run, err);

        return r < 0 ? r : rotation_due(tx, &s->rotation, err);
}

static void tell(const struct schedule *s) {
        const json_t *line;
        size_t i;

        json_array_foreach(s->run.told, i, line) {
                const char *text = json_get_str(line, "text", "");

                if (!*text)
                        continue;
                metric_add(&refused_count, NULL, 1);
                log_event(LOG_WARNING, "schedule",
                          (struct log_field[]){
                                  { "MODEL", json_get_str(line, "model", "") },
                                  { "APPLICATION", json_get_str(line, "application", "") },
                                  {} },
                          "schedule %lld, %s of %s, was not run: %s",
                          (long long)json_get_int(line, "schedule", 0),
                          json_get_str(line, "action", ""), json_get_str(line, "application", ""),
                          text);
        }
}

static void tell_rotations(const struct schedule *s) {
        const json_t *line;
        size_t i;

        json_array_foreach(s->rotation.told, i, line) {
                const char *text = json_get_str(line, "text", "");
                struct log_field fields[] = { { "MODEL", json_get_str(line, "model", "") },
                                              { "APPLICATION",
                                                json_get_str(line, "application", "") },
                                              {} };
                const char *secret = json_get_str(line, "secret", "");

                if (*text)
                        log_event(LOG_WARNING, "secret-rotation", fields,
                                  "secret %s of %s is due for a new value, and waits: %s", secret,
                                  json_get_str(line, "application", ""), text);
                else
                        log_event(LOG_NOTICE, "secret-rotation", fields,
                                  "secret %s of %s has a new value", secret,
                                  json_get_str(line, "application", ""));
        }
}

static void on_done(struct store_call *c, int r, const struct err *err) {
        struct schedule *s = c->arg;
        int64_t next_at;

        s->out = false;
        if (s->stopping)
                return;
        if (r < 0) {
                log_plain(LOG_WARNING, "schedule", "nothing is run: %s", err_text(err));
                return timer_after(&s->timer, RETRY_MS);
        }
        tell(s);
        tell_rotations(s);
        next_at = clock_sooner(s->run.next_at, s->rotation.next_at);
        if (s->again)
                timer_after(&s->timer, 0);
        else if (next_at)
                timer_after(&s->timer, clock_sleep_ms(next_at));
}

static void on_timer(void *arg) {
        struct schedule *s = arg;

        s->again = s->out;
        if (s->out)
                return;
        s->out = true;
        s->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "schedule",
                                       .name = "schedules",
                                       .run = due_run,
                                       .done = on_done,
                                       .arg = s };
        store_submit(s->options.store, &s->call);
}

struct schedule *schedule_new(const struct schedule_options *o) {
        struct schedule *s = mem_new(struct schedule);

        s->options = *o;
        s->run = (struct schedule_run){ .sealer = o->sealer, .audit = o->audit };
        s->rotation = (struct rotation_run){ .sealer = o->sealer, .audit = o->audit };
        timer_init(&s->timer, o->loop, "schedules", on_timer, s);
        timer_after(&s->timer, 0);
        return s;
}

void schedule_changed(struct schedule *s) {
        if (!s->stopping)
                timer_after(&s->timer, 0);
}

void schedule_stop(struct schedule *s) {
        if (!s)
                return;
        s->stopping = true;
        timer_cancel(&s->timer);
}

struct schedule *schedule_free(struct schedule *s) {
        if (!s)
                return NULL;
        schedule_stop(s);
        json_decref(s->run.told);
        json_decref(s->rotation.told);
        free(s);
        return NULL;
}
