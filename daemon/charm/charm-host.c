/* SPDX-License-Identifier: Apache-2.0 */
/* charm-host.c - calls wait in one queue and go to the worker of their charm and model; see
 * charm-host.h
 *
 * Built by the controller, called by the reconciler. A call goes to its worker when that has
 * fewer than WORKER_AHEAD, or to a new one, when fewer than CHARM_WORKERS_MAX live or an idle
 * one can make room, and the starts of this second are not used up; else it waits. Calls of one
 * worker come in their order; a worker that dies fails the one that it was at, and the others go
 * to the head of the queue. Nothing is decided inside charm_host_plan: the queue is looked at
 * from the loop, after calls, ends and timers. */
#include "charm-host.h"

#include "charm-follow.h"
#include "charm-meta.h"
#include "charm-offer.h"
#include "charm-pin.h"
#include "clock.h"
#include "log.h"
#include "metric.h"
#include "worker.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

static const double plan_bounds[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                      0.25,  0.5,    1,     2.5,  5,     10,   0 };
static struct metric workers_live = { .name = "mooring_charm_workers",
                                      .help = "Charm workers that live",
                                      .type = METRIC_GAUGE };
static struct metric calls_waiting = { .name = "mooring_charm_calls_waiting",
                                       .help = "Plans that wait for a charm worker",
                                       .type = METRIC_GAUGE };
static struct metric workers_started = { .name = "mooring_charm_workers_started_total",
                                         .help = "Charm workers that were started",
                                         .type = METRIC_COUNTER };
static struct metric workers_died = {
        .name = "mooring_charm_workers_died_total",
        .help = "Charm workers that crashed, or were killed for what they did",
        .type = METRIC_COUNTER
};
static struct metric plan_time = { .name = "mooring_charm_plan_seconds",
                                   .help = "From asking a charm for its plan until it was there, "
                                           "waiting for a worker included",
                                   .type = METRIC_HISTOGRAM,
                                   .bounds = plan_bounds };

struct slot {
        struct list link; /* in the host's list */
        struct charm_host *host;
        struct worker *worker;
        /* Given and not answered, the first is the one that it is at; NULL: its caller
         * cancelled. */
        struct charm_call *calls[WORKER_AHEAD];
        size_t call_count;
        char sha256[DIGEST_HEX_SIZE];
        int64_t model;
        bool burying;
};

#define DEATHS_KEPT 5 /* doctor tells one death from a module that dies at every call */

struct charm_host {
        struct loop *loop;
        char *state_dir, *program;
        struct worker_spec spec; /* what all workers have in common */
        struct charm_offers offers;
        struct charm_follow *follow; /* with --dev */
        void (*changed)(void *arg);
        void *changed_arg;
        struct list slots, graves; /* live workers; those that are freed on the next turn */
        struct list queue;         /* of charm_call */
        size_t workers, deaths;
        int64_t died_at[DEATHS_KEPT]; /* clock_wall, by number modulo DEATHS_KEPT */
        struct later dispatch, bury;
        struct timer idle, starts_timer;
        double starts; /* left, refilled with time */
        int64_t starts_at;
};

/* ---- starts: CHARM_STARTS at once, CHARM_STARTS_PER_S in the long run */

static void refill_starts(struct charm_host *h) {
        int64_t now = clock_mono();

        h->starts += (double)(now - h->starts_at) * CHARM_STARTS_PER_S / 1000;
        if (h->starts > CHARM_STARTS)
                h->starts = CHARM_STARTS;
        h->starts_at = now;
}

static bool take_start(struct charm_host *h) {
        refill_starts(h);
        if (h->starts < 1) {
                timer_after(&h->starts_timer, 1000 / CHARM_STARTS_PER_S);
                return false;
        }
        h->starts--;
        return true;
}

static void on_starts(void *arg) {
        struct charm_host *h = arg;

        later_run(&h->dispatch);
}

/* ---- slots */

static struct slot *find_slot(struct charm_host *h, const struct charm_call *c) {
        list_each(pos, &h->slots) {
                struct slot *s = list_entry(pos, struct slot, link);

                if (s->model == c->model && str_eq(s->sha256, c->sha256))
                        return s;
        }
        return NULL;
}

static void free_slot(struct slot *s) {
        list_unlink(&s->link);
        worker_free(s->worker);
        free(s);
}

/* The first of those that the worker was given; NULL: its caller cancelled. */
static struct charm_call *take_call(struct slot *s) {
        struct charm_call *c = s->calls[0];

        memmove(s->calls, s->calls + 1, --s->call_count * sizeof(*s->calls));
        return c;
}

/* What it was not at yet goes to the head of the queue, in its order. */
static void take_back(struct slot *s) {
        while (s->call_count) {
                struct charm_call *c = s->calls[--s->call_count];

                if (!c)
                        continue;
                c->worker = NULL;
                list_prepend(&s->host->queue, &c->link);
        }
}

/* Freed from the loop, because this runs inside the worker's own callbacks. */
static void bury_slot(struct slot *s) {
        struct charm_host *h = s->host;

        if (s->burying)
                return;
        s->burying = true;
        worker_stop(s->worker);
        take_back(s);
        h->workers--;
        list_unlink(&s->link);
        list_append(&h->graves, &s->link);
        later_run(&h->bury);
        later_run(&h->dispatch);
}

static void on_bury(void *arg) {
        struct charm_host *h = arg;
        struct list *pos;

        while ((pos = list_pop(&h->graves)))
                free_slot(list_entry(pos, struct slot, link));
}

static void note_end(const struct slot *s, const char *text) {
        log_event(LOG_WARNING, "charm-worker",
                  (struct log_field[]){ { "CHARM_SHA256", s->sha256 }, {} }, "%s", text);
}

static void note_death(struct charm_host *h) {
        metric_add(&workers_died, NULL, 1);
        h->died_at[h->deaths++ % DEATHS_KEPT] = clock_wall();
}

static void on_worker_over(void *arg, struct worker *w) {
        struct slot *s = arg;

        note_death(s->host);
        note_end(s, "a charm worker ended while it was idle");
        bury_slot(s);
}

/* From here on the call is its caller's again. */
static void end_call(struct charm_call *c, int r, const struct worker_answer *answer,
                     const struct err *err) {
        c->host = NULL;
        c->worker = NULL;
        c->took_us = clock_mono_us() - c->queued_us;
        if (c->stepped)
                return c->stepped(c, r, answer->step, err);
        metric_observe(&plan_time, NULL, (double)c->took_us / 1e6);
        c->done(c, r, answer->plan, err);
}

static void on_worker_done(void *arg, struct worker *w, int r, const struct worker_answer *answer,
                           const struct err *err) {
        struct slot *s = arg;
        struct charm_call *c = take_call(s);
        struct charm_host *h = s->host;

        if (worker_over(w))
                note_death(h);
        if (worker_over(w) || worker_spent(w)) {
                bury_slot(s);
        } else {
                /* The list is by use: idle ones that make room are taken from its head. */
                list_unlink(&s->link);
                list_append(&h->slots, &s->link);
                if (!h->idle.at)
                        timer_after(&h->idle, CHARM_IDLE_MS);
        }
        if (!list_empty(&h->queue))
                later_run(&h->dispatch);
        if (!c) {
                plan_free(answer->plan);
                step_free(answer->step);
                return;
        }
        end_call(c, r, answer, err);
}

static int start_slot(struct charm_host *h, const struct charm_call *c, struct slot **ret,
                      struct err *err) {
        cleanup_(freep) char *folder = charm_pin_folder(h->state_dir, c->sha256);
        struct slot *s = mem_new(struct slot);
        struct worker_spec spec = h->spec;
        int r;

        s->host = h;
        s->model = c->model;
        memcpy(s->sha256, c->sha256, sizeof(s->sha256));
        spec.folder = folder;
        spec.sha256 = s->sha256;
        spec.done = on_worker_done;
        spec.over = on_worker_over;
        spec.arg = s;
        r = worker_start(h->loop, &spec, &s->worker, err);
        if (r < 0) {
                free(s);
                return r;
        }
        list_append(&h->slots, &s->link);
        h->workers++;
        metric_add(&workers_started, NULL, 1);
        *ret = s;
        return 0;
}

/* The one that was idle longest makes room. */
static bool make_room(struct charm_host *h) {
        if (h->workers < CHARM_WORKERS_MAX)
                return true;
        list_each(pos, &h->slots) {
                struct slot *s = list_entry(pos, struct slot, link);

                if (worker_busy(s->worker))
                        continue;
                bury_slot(s);
                return true;
        }
        return false;
}

static void on_idle(void *arg) {
        struct charm_host *h = arg;
        int64_t now = clock_mono(), next = 0;

        list_each(pos, &h->slots) {
                struct slot *s = list_entry(pos, struct slot, link);
                int64_t ends = worker_idle_since(s->worker) + CHARM_IDLE_MS;

                if (worker_busy(s->worker))
                        continue;
                if (ends <= now)
                        bury_slot(s);
                else if (!next || ends < next)
                        next = ends;
        }
        if (next)
                timer_set(&h->idle, next);
}

/* ---- the queue */

static void fail_call(struct charm_call *c, int r, const struct err *err) {
        list_unlink(&c->link);
        end_call(c, r, &(struct worker_answer){}, err);
}

/* Gives C to its worker, if that can be. *STARTED: a worker was started for it. */
static void serve(struct charm_host *h, struct charm_call *c, bool *started) {
        struct slot *s = find_slot(h, c);
        struct err err = {};
        int r;

        if (s && !worker_takes(s->worker))
                return;
        if (!s) {
                if (*started || !make_room(h) || !take_start(h))
                        return;
                *started = true;
                r = start_slot(h, c, &s, &err);
                if (r < 0)
                        return fail_call(c, r, &err);
        }
        list_unlink(&c->link);
        s->calls[s->call_count++] = c;
        c->worker = s->worker;
        worker_give(s->worker, c->stepped != NULL, c->view, c->view_len);
}

static void on_dispatch(void *arg) {
        struct charm_host *h = arg;
        struct list waiting;
        struct list *pos;
        bool started = false;

        /* Moved aside: a DONE that runs here may queue new calls, which wait for the next turn,
         * and cancel any of these. */
        list_init(&waiting);
        while ((pos = list_pop(&h->queue)))
                list_append(&waiting, pos);
        while ((pos = list_pop(&waiting))) {
                struct charm_call *c = list_entry(pos, struct charm_call, link);

                list_append(&h->queue, &c->link);
                serve(h, c, &started);
        }
        list_each(each, &h->slots)
                worker_send(list_entry(each, struct slot, link)->worker);
        /* A start takes two milliseconds or more, which is why there is one a turn. */
        if (started)
                later_run(&h->dispatch);
}

void charm_host_plan(struct charm_host *h, struct charm_call *c) {
        list_init(&c->link);
        c->host = h;
        c->worker = NULL;
        c->queued_us = clock_mono_us();
        list_append(&h->queue, &c->link);
        later_run(&h->dispatch);
}

void charm_host_cancel(struct charm_call *c) {
        struct charm_host *h = take_ptr(c->host);

        list_unlink(&c->link);
        if (!h || !c->worker)
                return;
        /* Its worker finishes, or meets its deadline; nobody hears of it. */
        list_each(pos, &h->slots) {
                struct slot *s = list_entry(pos, struct slot, link);

                for (size_t i = 0; i < s->call_count; i++)
                        if (s->calls[i] == c)
                                s->calls[i] = NULL;
        }
        c->worker = NULL;
}

bool charm_host_has(const struct charm_call *c) {
        return c->host != NULL;
}

size_t charm_host_workers(const struct charm_host *h) {
        return h->workers;
}

/* ---- offers and pins */

int charm_host_scan(struct charm_host *h, struct err *err) {
        uint64_t before = h->offers.print;
        int r = charm_offer_scan(&h->offers, err);

        if (h->follow)
                charm_follow_update(h->follow, &h->offers);
        if (h->changed && h->offers.print != before)
                h->changed(h->changed_arg);
        return r;
}

const struct charm_offer *charm_host_offers(const struct charm_host *h, size_t *ret_n) {
        *ret_n = h->offers.count;
        return h->offers.list;
}

int charm_host_find(const struct charm_host *h, const char *name, const char *channel,
                    int64_t revision, const struct charm_offer **ret, struct err *err) {
        return charm_offer_find(&h->offers, name, channel, revision, ret, err);
}

int charm_host_read(const char *folder, struct charm_offer *ret, struct err *err) {
        return charm_offer_read(folder, ret, err);
}

void charm_host_clear(struct charm_offer *offer) {
        charm_offer_clear(offer);
}

int charm_host_pin(struct charm_host *h, const struct charm_offer *offer, struct err *err) {
        if (offer->refused)
                return err_set(err, -EPERM, "charm in %s cannot be used: %s", offer->folder,
                               offer->refused);
        return charm_pin(h->state_dir, offer->folder, offer->sha256, err);
}

void charm_host_used(const struct charm_host *h, struct map *sha256s) {
        list_each(pos, &h->slots) {
                struct slot *s = list_entry(pos, struct slot, link);

                map_set(sha256s, s->sha256, s);
        }
        list_each(pos, &h->queue) {
                struct charm_call *c = list_entry(pos, struct charm_call, link);

                map_set(sha256s, c->sha256, c);
        }
}

static void on_changed(void *arg) {
        struct charm_host *h = arg;
        struct err err = {};

        if (charm_host_scan(h, &err) < 0)
                log_plain(LOG_WARNING, "charm-scan", "%s", err_text(&err));
}

/* ---- building and freeing */

static int set_user(struct charm_host *h, const char *user, struct err *err) {
        const struct passwd *p;

        h->spec.uid = (uid_t)-1;
        h->spec.gid = (gid_t)-1;
        if (geteuid() != 0 || !h->spec.sandbox)
                return 0;
        p = getpwnam(user ? user : "nobody");
        if (!p)
                return err_set(err, -ENOENT, "there is no user %s for charms to run as",
                               user ? user : "nobody");
        if (p->pw_uid == 0)
                return err_set(err, -EINVAL, "charms do not run as root: user %s is", user);
        h->spec.uid = p->pw_uid;
        h->spec.gid = p->pw_gid;
        return 0;
}

static int check_sandbox(const struct charm_host *h, struct err *err) {
        if (h->spec.sandbox)
                return worker_check(&h->spec, err);
#ifdef MOORING_SANITIZED
        return 0;
#else
        return err_set(err, -EPERM, "only sanitizer builds run charms without their sandbox");
#endif
}

static int start(struct charm_host *h, const struct charm_host_options *o, struct err *err) {
        int r = access(h->program, R_OK) < 0
                        ? err_set(err, -errno, "%s: %s", h->program, strerror(errno))
                        : set_user(h, o->user, err);

        if (r >= 0)
                r = check_sandbox(h, err);
        if (r >= 0 && o->dev)
                r = charm_follow_start(h->loop, &h->offers, on_changed, h, &h->follow, err);
        return r;
}

const struct worker_spec *charm_host_spec(const struct charm_host *h) {
        return &h->spec;
}

int charm_host_new(struct loop *l, const struct charm_host_options *o, struct charm_host **ret,
                   struct err *err) {
        struct charm_host *h = mem_new(struct charm_host);
        int r;

        h->loop = l;
        h->state_dir = str_dup(o->state_dir);
        h->program = str_dup(o->worker);
        h->spec = (struct worker_spec){ .program = h->program,
                                        .sandbox = o->sandbox,
                                        .show_output = o->dev };
        h->changed = o->changed;
        h->changed_arg = o->arg;
        metric_add(&workers_started, NULL, 0);
        metric_add(&workers_died, NULL, 0);
        h->starts = CHARM_STARTS;
        h->starts_at = clock_mono();
        charm_offer_init(&h->offers, o->charm_dirs);
        list_init(&h->slots);
        list_init(&h->graves);
        list_init(&h->queue);
        later_init(&h->dispatch, l, "charm calls", on_dispatch, h);
        later_init(&h->bury, l, "charm workers", on_bury, h);
        timer_init(&h->idle, l, "idle charm workers", on_idle, h);
        timer_init(&h->starts_timer, l, "charm calls", on_starts, h);
        r = start(h, o, err);
        if (r < 0) {
                charm_host_free(h);
                return r;
        }
        *ret = h;
        return 0;
}

void charm_host_deaths(const struct charm_host *h, struct charm_host_deaths *ret) {
        *ret = (struct charm_host_deaths){ .total = h->deaths };
        if (h->deaths)
                ret->last = h->died_at[(h->deaths - 1) % DEATHS_KEPT];
        if (h->deaths >= DEATHS_KEPT) /* the next one takes the place of the oldest */
                ret->fifth = h->died_at[h->deaths % DEATHS_KEPT];
}

void charm_host_metrics(struct charm_host *h) {
        size_t n = 0;

        list_each(pos, &h->queue)
                n++;
        metric_set(&workers_live, NULL, (double)h->workers);
        metric_set(&calls_waiting, NULL, (double)n);
}

struct charm_host *charm_host_free(struct charm_host *h) {
        struct list *pos;

        if (!h)
                return NULL;
        later_cancel(&h->dispatch);
        later_cancel(&h->bury);
        timer_cancel(&h->idle);
        timer_cancel(&h->starts_timer);
        charm_follow_stop(h->follow);
        on_bury(h);
        while ((pos = list_pop(&h->slots)))
                free_slot(list_entry(pos, struct slot, link));
        while ((pos = list_pop(&h->queue)))
                ; /* the calls are their callers' */
        charm_offer_deinit(&h->offers);
        free(h->state_dir);
        free(h->program);
        free(h);
        return NULL;
}
