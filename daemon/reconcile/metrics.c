/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - what the loop knows, as gauges that are gathered when somebody asks
 *
 * Counters and histograms stand where their events happen; here is what is so now: applications by
 * status, resources by state, targets, watches, the queue. Everything is gathered anew each time,
 * so that what is gone has no series. */
#include "reconcile-internal.h"

#include "clock.h"
#include "metric.h"
#include "status.h"

#define MODELS_TOLD 64   /* each has a series a status word */
#define TARGETS_TOLD 128 /* a cluster, and the databases and buckets of its applications */
#define TYPES_TOLD 256   /* as many as CRDs are followed; with 1,024 series in all */

#define GAUGE(variable, metric_name, text, ...)                                                    \
        static struct metric variable = { .name = "mooring_" metric_name,                          \
                                          .help = text,                                            \
                                          .type = METRIC_GAUGE,                                    \
                                          .labels = { __VA_ARGS__ } }

GAUGE(applications, "applications", "Applications, by model and by the word that status shows",
      { "model", MODELS_TOLD }, { "status" });
GAUGE(resources, "resources", "Objects outside that are looked after, by state", { "state" });
GAUGE(models, "models", "Models", { NULL });
GAUGE(converged, "model_converged", "1 while every application of the model is active",
      { "model", MODELS_TOLD });
GAUGE(converged_at, "model_last_converged_timestamp_seconds",
      "When every application of the model was last active; 0: not since the daemon started",
      { "model", MODELS_TOLD });
GAUGE(held, "held_plans", "Plans beyond the limits of changes, which wait for a person", { NULL });
GAUGE(refreshes, "refreshes",
      "Refreshes that are not over, by stage; paused: a person has to go on",
      { "model", MODELS_TOLD }, { "stage" });
GAUGE(paused, "paused",
      "What is paused, by whether it is a model, an application or an object, or frozen",
      { "kind" });
GAUGE(fights, "fights",
      "Fields that another writer changes again and again: slowed, or guarded, which are put right "
      "at "
      "once and are an alert",
      { "kind" });
GAUGE(out, "operations_in_flight", "Operations on the outside that have not ended", { NULL });

GAUGE(certificate_expiry, "certificate_expiry_timestamp_seconds",
      "When the first certificate of a model's applications ends, and its CA (kind)",
      { "model", MODELS_TOLD }, { "kind" });
GAUGE(certificate_overdue, "certificate_overdue_seconds",
      "How long ago a certificate of the model should have been renewed; 0: none should",
      { "model", MODELS_TOLD });

GAUGE(target_up, "target_up", "1 while the cluster, database server or object store can be read",
      { "target", TARGETS_TOLD }, { "provider" });
GAUGE(news_age, "watch_news_age_seconds",
      "Since the last byte of a watch: a change, or the server's sign of life each minute",
      { "target", TARGETS_TOLD }, { "type", TYPES_TOLD });
GAUGE(not_watching, "watch_not_watching_seconds",
      "For how long a type has not been watched; 0 while it is", { "target", TARGETS_TOLD },
      { "type", TYPES_TOLD });

GAUGE(ready, "queue_ready", "Keys that wait for their turn, by kind", { "kind" });
GAUGE(busy, "queue_busy", "Keys that are being worked on", { "kind" });
GAUGE(failing, "queue_failing", "Keys whose last try failed; each is tried again with back-off",
      { "kind" });
GAUGE(oldest, "queue_oldest_age_seconds", "How long a key that waits has been waiting", { "kind" });

static const double wait_bounds[] = { 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600, 0 };
static struct metric waited = { .name = "mooring_queue_wait_seconds",
                                .help = "From a key's being ready until it was taken up",
                                .type = METRIC_HISTOGRAM,
                                .bounds = wait_bounds,
                                .labels = { { "kind" } } };
static struct metric retries = { .name = "mooring_queue_retries_total",
                                 .help = "Tries that failed and are made again with back-off",
                                 .type = METRIC_COUNTER,
                                 .labels = { { "kind" } } };

/* ---- as it happens */

void metrics_queue(int kind, int64_t waited_us) {
        if (waited_us < 0)
                metric_add(&retries, LABELS(reconcile_kind_names[kind]), 1);
        else
                metric_observe(&waited, LABELS(reconcile_kind_names[kind]),
                               (double)waited_us / 1e6);
}

void metrics_begin(void) {
        for (size_t i = 0; i < KEY_KIND_MAX; i++)
                metric_add(&retries, LABELS(reconcile_kind_names[i]), 0);
}

/* Whether all others of the model are active. */
static bool others_active(struct reconcile *rec, int64_t model, const struct world_application *a) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.applications, &i));) {
                const struct world_application *o = e->value;

                if (o != a && o->model == model && !str_eq(o->status, "active"))
                        return false;
        }
        return true;
}

void metrics_status_changed(struct reconcile *rec, const struct world_application *a,
                            const char *before) {
        struct world_model *m = world_model(&rec->world, a->model);
        bool was = str_eq(before, "active"), is = str_eq(a->status, "active");

        if (m && was != is && others_active(rec, m->id, a))
                m->converged_at = clock_wall();
}

/* ---- gathered */

/* One pass over the applications, however many models there are. */
static void gather_applications(struct reconcile *rec) {
        size_t paused_count = 0, held_count = 0;
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.applications, &i));) {
                const struct world_application *a = e->value;
                struct world_model *m = world_model(&rec->world, a->model);

                paused_count += a->paused != NULL;
                held_count += a->held != NULL;
                if (!m)
                        continue;
                if (a->refresh)
                        metric_add(
                                &refreshes,
                                LABELS(m->name, a->refresh->paused
                                                        ? "paused"
                                                        : refresh_stage_names[a->refresh->stage]),
                                1);
                m->inactive += !str_eq(a->status, "active");
                metric_add(&applications, LABELS(m->name, a->status), 1);
        }
        metric_set(&paused, LABELS("application"), (double)paused_count);
        metric_set(&held, NULL, (double)held_count);
}

static void gather_model(struct world_model *m) {
        if (!m->inactive)
                m->converged_at = clock_wall();
        metric_set(&converged, LABELS(m->name), !m->inactive);
        metric_add(&refreshes, LABELS(m->name, "paused"), 0); /* an alert asks for it */
        metric_set(&converged_at, LABELS(m->name), (double)m->converged_at / 1000);
}

/* The first of a model's, of whichever application. */
static void gather_certificates(struct reconcile *rec) {
        int64_t now = clock_wall();
        struct map_entry *e;

        metric_clear(&certificate_expiry);
        metric_clear(&certificate_overdue);
        for (size_t i = 0; (e = map_next(&rec->world.applications, &i));) {
                const struct world_application *a = e->value;
                const struct world_model *m = world_model(&rec->world, a->model);
                double ends = (double)a->certificate_ends / 1000, before, late;

                if (!m || !a->certified || a->certificate_ends == INT64_MAX)
                        continue;
                before = metric_value(&certificate_expiry, LABELS(m->name, "application"));
                metric_set(&certificate_expiry, LABELS(m->name, "application"),
                           before > 0 ? MIN_OF(before, ends) : ends);
                if (a->authority_ends)
                        metric_set(&certificate_expiry, LABELS(m->name, "ca"),
                                   (double)a->authority_ends / 1000);
                late = a->certificate_renew > 0 ? (double)(now - a->certificate_renew) / 1000 : 0;
                before = metric_value(&certificate_overdue, LABELS(m->name));
                metric_set(&certificate_overdue, LABELS(m->name), MAX_OF(before, MAX_OF(late, 0)));
        }
}

static void gather_fights(struct reconcile *rec) {
        size_t slowed = 0, guarded = 0;
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.resources, &i));) {
                const struct world_resource *r = e->value;

                if (!r->fights || !resource_fight(r))
                        continue;
                if (resource_fight_guarded(rec, r))
                        guarded++;
                else
                        slowed++;
        }
        metric_set(&fights, LABELS("slowed"), (double)slowed);
        metric_set(&fights, LABELS("guarded"), (double)guarded);
}

static void count_stops(const struct world_model *m, size_t *frozen, size_t *objects) {
        for (size_t i = 0; m->rules && i < m->rules->freeze_count; i++) {
                if (m->rules->freezes[i].type[0])
                        ++*objects;
                else
                        ++*frozen;
        }
}

static void gather_models(struct reconcile *rec) {
        struct map_entry *e;
        size_t n = 0, frozen = 0, objects = 0;

        metric_clear(&converged);
        metric_clear(&converged_at);
        metric_clear(&applications);
        for (size_t i = 0; (e = map_next(&rec->world.models, &i));) {
                struct world_model *m = e->value;

                n += m->paused != NULL;
                count_stops(m, &frozen, &objects);
                m->inactive = 0;
                for (int word = 0; word < STATUS_MAX; word++)
                        metric_add(&applications, LABELS(m->name, status_words[word]), 0);
        }
        metric_set(&models, NULL, (double)rec->world.models.count);
        metric_set(&paused, LABELS("model"), (double)n);
        metric_set(&paused, LABELS("frozen"), (double)frozen);
        metric_set(&paused, LABELS("object"), (double)objects);
        gather_applications(rec);
        for (size_t i = 0; (e = map_next(&rec->world.models, &i));)
                gather_model(e->value);
}

struct telling {
        const struct world_target *target;
        int64_t now;
};

static void tell_watch(void *arg, const struct watch_seen *w) {
        const struct telling *t = arg;
        const char *const *labels = LABELS(t->target->name, w->type);

        metric_set(&news_age, labels, (double)(t->now - w->news_at) / 1000);
        metric_set(&not_watching, labels, w->lost_at ? (double)(t->now - w->lost_at) / 1000 : 0);
}

static bool is_up(const struct world_target *t) {
        if (!t->open)
                return false;
        return t->reachable || (!t->reach_known && !(t->provider->can & PROVIDER_WATCHES));
}

static void gather_targets(struct reconcile *rec) {
        struct map_entry *e;

        metric_clear(&target_up);
        metric_clear(&news_age);
        metric_clear(&not_watching);
        for (size_t i = 0; (e = map_next(&rec->world.targets, &i));) {
                struct world_target *t = e->value;
                struct telling telling = { t, clock_mono() };

                metric_set(&target_up, LABELS(t->name, t->provider ? t->provider->name : ""),
                           is_up(t));
                if (t->open && t->provider->watches)
                        t->provider->watches(t->open, tell_watch, &telling);
        }
}

static void gather_queue(struct reconcile *rec) {
        for (int kind = 0; kind < KEY_KIND_MAX; kind++) {
                struct queue_figures f;

                queue_figures(rec->queue, kind, &f);
                metric_set(&ready, LABELS(reconcile_kind_names[kind]), (double)f.ready);
                metric_set(&busy, LABELS(reconcile_kind_names[kind]), (double)f.busy);
                metric_set(&failing, LABELS(reconcile_kind_names[kind]), (double)f.failing);
                metric_set(&oldest, LABELS(reconcile_kind_names[kind]), (double)f.oldest_ms / 1000);
        }
}

static size_t count_kept_lost(struct reconcile *rec) {
        cleanup_(json_freep) json_t *troubles = kept_troubles(rec);
        size_t i, n = 0;
        json_t *one;

        json_array_foreach(troubles, i, one)
                n += str_eq(json_get_str(one, "trouble", ""), "lost");
        return n;
}

void reconcile_metrics(struct reconcile *rec) {
        gather_models(rec);
        gather_certificates(rec);
        gather_fights(rec);
        for (int state = 0; state < STATE_MAX; state++)
                metric_set(&resources, LABELS(decide_state_name(state)),
                           (double)(rec->world.states[state] +
                                    (state == STATE_LOST ? count_kept_lost(rec) : 0)));
        gather_targets(rec);
        gather_queue(rec);
        metric_set(&out, NULL, (double)rec->in_flight);
}
