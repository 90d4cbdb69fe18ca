/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - gathers what is measured; see metrics.h */
#include "metrics.h"

#include "admin-internal.h"
#include "backup-keeper.h"
#include "clock.h"
#include "metric.h"
#include "queries.gen.h"
#include "restored.h"
#include "routes.h"
#include "schedule-age.h"

#include <stdlib.h>

static struct metric build = { .name = "mooring_build_info",
                               .help = "What this daemon is; always 1",
                               .type = METRIC_GAUGE,
                               .labels = { { "version" }, { "compiler" } } };
static struct metric secrets = { .name = "mooring_secrets",
                                 .help = "Secrets that the store holds",
                                 .type = METRIC_GAUGE };
static struct metric leftovers = { .name = "mooring_leftovers",
                                   .help = "What removals could not or must not take away",
                                   .type = METRIC_GAUGE };
static struct metric drift_open = { .name = "mooring_drift_open",
                                    .help = "Lines of drift that are not put right yet",
                                    .type = METRIC_GAUGE };
static struct metric drift_standing = { .name = "mooring_drift_standing",
                                        .help = "Lines of drift that rules or a fight keep from "
                                                "being put right, or until later",
                                        .type = METRIC_GAUGE };
static struct metric detached = { .name = "mooring_detached_storage",
                                  .help = "Storage that was kept when its application went",
                                  .type = METRIC_GAUGE };

static struct metric completed = { .name = "mooring_schedule_completed_timestamp_seconds",
                                   .help = "When the action of a schedule completed last",
                                   .type = METRIC_GAUGE,
                                   .labels = { { "model" }, { "application" }, { "action" } } };
static struct metric overdue = { .name = "mooring_schedule_overdue",
                                 .help = "Was more than one run due since then",
                                 .type = METRIC_GAUGE,
                                 .labels = { { "model" }, { "application" }, { "action" } } };

static struct metric backup_made = { .name = "mooring_backup_made_timestamp_seconds",
                                     .help = "When the newest backup of the controller was made; "
                                             "0: none",
                                     .type = METRIC_GAUGE };
static struct metric backup_verified = { .name = "mooring_backup_verified_timestamp_seconds",
                                         .help = "When the newest backup that was verified was "
                                                 "made; 0: none",
                                         .type = METRIC_GAUGE };
static struct metric unconfirmed = { .name = "mooring_restore_unconfirmed",
                                     .help = "It was restored, and writes nothing until somebody "
                                             "confirms that",
                                     .type = METRIC_GAUGE };

#define SCHEDULES_SHOWN 200 /* series; doctor has all */

struct gathering {
        struct store_call call;
        struct metrics_parts parts;
        bool (*wanted)(void *arg);
        void (*done)(void *arg, char *text);
        void *arg;
        struct q_metric_counts_row counts;
        json_t *schedules, *backups, *restored;
};

static int read_backups(struct tx *tx, struct gathering *g, struct err *err) {
        int r;

        json_decref(g->backups);
        json_decref(g->restored);
        g->backups = g->restored = NULL;
        r = backup_keeper_facts(tx, &g->backups, err);
        return r < 0 ? r : restored_read(tx, &g->restored, err);
}

static int read_schedules(struct tx *tx, struct gathering *g, struct err *err) {
        json_decref(g->schedules);
        g->schedules = json_array();
        return schedule_ages_read(tx, NULL, g->schedules, err);
}

static int count_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct gathering *g = c->arg;
        struct q_metric_counts_row *row;
        size_t n;
        int r = q_metric_counts(tx, &row, &n, err);

        if (r >= 0 && n)
                g->counts = *row;
        if (r >= 0)
                r = read_schedules(tx, g, err);
        return r < 0 ? r : read_backups(tx, g, err);
}

static void set_count(struct metric *m, bool known, int64_t n) {
        metric_clear(m);
        if (known)
                metric_set(m, NULL, (double)n);
}

static void set_schedules(const json_t *list) {
        const json_t *s;
        size_t i;

        metric_clear(&completed);
        metric_clear(&overdue);
        json_array_foreach(list, i, s) {
                const char *model = json_get_str(s, "model", ""),
                           *application = json_get_str(s, "application", ""),
                           *action = json_get_str(s, "action", "");
                int64_t at = json_get_int(s, "completed", 0);

                if (i == SCHEDULES_SHOWN)
                        break;
                if (at)
                        metric_set(&completed, LABELS(model, application, action),
                                   (double)at / 1000);
                metric_set(&overdue, LABELS(model, application, action),
                           json_get_bool(s, "overdue", false));
        }
}

static void set_backup(struct metric *m, const json_t *backup) {
        int64_t made = 0;

        clock_parse_iso(json_get_str(backup, "made", ""), &made);
        metric_set(m, NULL, (double)made / 1000);
}

static void set_backups(const struct gathering *g, bool counted) {
        metric_clear(&backup_made);
        metric_clear(&backup_verified);
        metric_clear(&unconfirmed);
        if (!counted)
                return;
        set_backup(&backup_made, json_get(g->backups, "made"));
        set_backup(&backup_verified, json_get(g->backups, "verified"));
        metric_set(&unconfirmed, NULL, g->restored != NULL);
}

static char *print(const struct gathering *g, bool counted) {
        struct buf text = BUF_INIT;

        set_count(&secrets, counted, g->counts.secrets);
        set_count(&leftovers, counted, g->counts.leftovers);
        set_count(&drift_open, counted, g->counts.drift_open);
        set_count(&drift_standing, counted, g->counts.drift_standing);
        set_count(&detached, counted, g->counts.detached);
        set_schedules(counted ? g->schedules : NULL);
        set_backups(g, counted);
        metric_set(&build, LABELS(MOORING_VERSION, __VERSION__), 1);
        metric_process();
        store_metrics(g->parts.store);
        reconcile_metrics(g->parts.reconcile);
        charm_host_metrics(g->parts.host);
        if (g->parts.action)
                action_metrics(g->parts.action);
        metric_print(&text);
        return buf_take(&text);
}

static void count_done(struct store_call *c, int r, const struct err *err) {
        struct gathering *g = c->arg;

        g->done(g->arg, g->wanted(g->arg) ? print(g, r >= 0) : str_dup(""));
        json_decref(g->schedules);
        json_decref(g->backups);
        json_decref(g->restored);
        free(g);
}

void metrics_gather(const struct metrics_parts *p, bool (*wanted)(void *arg),
                    void (*done)(void *arg, char *text), void *arg) {
        struct gathering *g = mem_new(struct gathering);

        g->parts = *p;
        g->wanted = wanted;
        g->done = done;
        g->arg = arg;
        g->call = (struct store_call){ .lane = STORE_COMMAND,
                                       .actor = "metrics",
                                       .run = count_run,
                                       .done = count_done,
                                       .arg = g };
        store_read(p->store, &g->call);
}

/* ---- GET /v1/metrics */

static bool is_wanted(void *arg) {
        struct request *q = arg;

        return !q->gone;
}

static void answer(void *arg, char *text) {
        struct request *q = arg;

        request_reply_text(q, 200, METRICS_TYPE, text);
        request_unref(q);
}

void metrics_show(struct request *q) {
        const struct admin_options *o = &q->admin->options;

        metrics_gather(&(struct metrics_parts){ o->store, o->reconcile, o->host, o->action },
                       is_wanted, answer, request_ref(q));
}
