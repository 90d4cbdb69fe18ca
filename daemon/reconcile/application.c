/* SPDX-License-Identifier: Apache-2.0 */
/* application.c - the life of one application key: view, plan, prepare, save; see application.h
 *
 * What a charm sees changes often while things come up, so touches wait a moment (TOUCH_MS, and
 * longer for charms whose plans take long); what a person or another application changed does
 * not wait. */
#include "application.h"

#include "tally.h"

#include "clock.h"
#include "interface.h"
#include "log.h"
#include "metric.h"

#include <errno.h>
#include <stdlib.h>

#define TOUCH_MS 30       /* observations of one rollout come in bursts: one plan for each burst */
#define FREE_HERE_MAX 500 /* documents: more take a thread, for each has a dozen pieces of memory */
#define WRITE_HERE_MAX 500 /* labels in a view: ten thousand take longer than a handler may */
#define SEEN_MS 200        /* what is shown of an application of many objects may lag so much */

static struct metric issued = { .name = "mooring_certificates_issued_total",
                                .help = "Certificates issued for applications, and applications "
                                        "whose certificates could not be, by result",
                                .type = METRIC_COUNTER,
                                .labels = { { "result" } } };

static struct metric plans = { .name = "mooring_plans_total",
                               .help = "Plans made by charms, by result",
                               .type = METRIC_COUNTER,
                               .labels = { { "result" } } };

static void outputs_free(struct prepared *d) {
        for (size_t i = 0; i < d->output_count; i++) {
                free(d->outputs[i].label);
                free(d->outputs[i].pointer);
                free(d->outputs[i].place);
        }
        free(d->outputs);
}

static void release(void *arg) {
        struct application_work *w = arg;

        for (size_t i = 0; !w->lent && i < w->want_count; i++)
                free(w->wants[i].label);
        if (!w->lent)
                free(w->wants);
        for (size_t i = 0; i < w->doc_count; i++) {
                identity_free(&w->docs[i].identity);
                map_free(&w->docs[i].uris);
                outputs_free(&w->docs[i]);
                free(w->docs[i].own_label);
                free(w->docs[i].text);
        }
        free(w->docs);
        map_free(&w->target_uris);
        for (size_t i = 0; i < w->secret_count; i++) {
                free(w->secrets[i].label);
                free(w->secrets[i].field);
                free(w->secrets[i].policy);
                buf_free(&w->secrets[i].sealed);
        }
        free(w->secrets);
        application_free_certificates(w);
        buf_free(&w->conflicts_now);
        free(w->edges_to);
        plan_free(w->plan);
        json_decref(w->see);
        json_decref(w->model_options);
        json_decref(w->rotations);
        application_stage_free(w);
        json_decref(w->needs);
        free(w->providers);
        free(w->peers);
        free(w->stuck);
        free(w->name);
        free(w->charm_sha256);
        free(w->charm_name);
        free(w->channel);
        free(w->model_name);
        free(w->paused);
        free(w->held);
        free(w->plan_error);
        free(w->plan_status);
        free(w->plan_message);
        free(w->conflicts);
        free(w->undecided);
        json_decref(w->taken);
        free(w->view_text);
        free(w->held_now);
        free(w->held_list);
        free(w->held_content);
}

static void released(void *arg) {
        free(arg);
}

struct application_work *application_work_free(struct application_work *w) {
        if (!w)
                return NULL;
        list_unlink(&w->link);
        json_decref(w->view); /* shares what was seen with the loop */
        if (w->doc_count <= FREE_HERE_MAX) {
                release(w);
                released(w);
                return NULL;
        }
        w->job = (struct job){ .loop = w->rec->options.loop,
                               .work = release,
                               .done = released,
                               .arg = w,
                               .name = "end of plan" };
        job_start(&w->job);
        return NULL;
}

static void finish(struct application_work *w, bool failed) {
        struct reconcile *rec = w->rec;
        struct world_application *a = world_application(&rec->world, w->id);

        if (a) {
                a->busy = a->executing = false;
                a->reread |= failed;
                if (!failed)
                        a->changes_planned = MAX_OF(a->changes_planned, w->changes);
                status_update(rec, a);
        }
        if (failed)
                queue_failed(rec->queue, KEY_APPLICATION, w->id, QUEUE_CHANGE);
        else
                queue_done(rec->queue, KEY_APPLICATION, w->id);
        application_work_free(w);
}

static void submit(struct application_work *w,
                   int (*run)(struct tx *, struct store_call *, struct err *),
                   void (*done)(struct store_call *, int, const struct err *)) {
        w->call.name = "application saved";
        w->call.run = run;
        w->call.done = done;
        store_submit(w->rec->options.store, &w->call);
}

/* ---- removal */

static void on_removed(struct store_call *c, int r, const struct err *err) {
        struct application_work *w = c->arg;

        if (r < 0)
                log_plain(LOG_WARNING, "remove", "%s: %s", w->name, err_text(err));
        finish(w, r < 0);
}

/* ---- saving */

static bool wants_other(const struct application_work *w) {
        if (w->held_now || w->doc_count != w->want_count)
                return !w->held_now;
        for (size_t i = 0; i < w->doc_count; i++)
                if (!w->docs[i].unchanged)
                        return true;
        return false;
}

static void tell_frozen(const struct application_work *w) {
        log_event(
                LOG_ERR, "limit",
                (struct log_field[]){ { "MODEL", w->model_name }, { "APPLICATION", w->name }, {} },
                "model %s is frozen: the plan of %s %s", w->model_name, w->name, w->held_now);
        reconcile_event(w->rec, "limit", w->model_name, w->name, w->held_now);
}

static void on_saved(struct store_call *c, int r, const struct err *err) {
        struct application_work *w = c->arg;
        struct reconcile *rec = w->rec;
        struct world_application *a = world_application(&rec->world, w->id);

        if (r < 0) {
                w->err = *err;
                log_plain(LOG_WARNING, "plan", "%s: %s", w->name, err_text(err));
                metric_add(&plans, LABELS("refused"), 1);
                if (!w->stopped && r != -ENOSPC && r != -EROFS) {
                        w->stopped = true; /* once: the error is saved, then the key backs off */
                        return submit(w, application_save_error_run, on_saved);
                }
        } else if (!w->stopped) {
                metric_add(&plans, LABELS("saved"), 1);
        }
        if (a && r >= 0 && !w->stopped && !w->again) {
                if (!json_equal(w->plan->see, w->see)) {
                        application_see_withdraw(rec, a);
                        application_see_set(a, w->plan->see);
                        application_see_share(rec, a);
                }
                /* What the plan said (status, held, no error any more) is shown from its row; when
                 * no document changed, nothing else would lead back here. */
                application_dirty(rec, w->id);
        }
        if (w->froze && r >= 0)
                tell_frozen(w);
        if (a && w->replan && r >= 0 && !w->stopped)
                a->replan = false;
        if (a && r >= 0 && !w->stopped && wants_other(w))
                application_dirty(rec, w->id); /* its new wants are only in the rows so far */
        finish(w, r < 0 || w->stopped);
}

static void on_error_saved(struct store_call *c, int r, const struct err *err) {
        finish(c->arg, true);
}

static void refuse(struct application_work *w) {
        log_event(
                LOG_ERR, "charm",
                (struct log_field[]){ { "MODEL", w->model_name }, { "APPLICATION", w->name }, {} },
                "charm of %s: %s", w->name, err_text(&w->err));
        metric_add(&plans, LABELS("error"), 1);
        submit(w, application_save_error_run, on_error_saved);
}

/* ---- planning */

static void on_prepared(void *arg) {
        struct application_work *w = arg;

        if (w->rec->stopping)
                return finish(w, false);
        if (w->err.code)
                return refuse(w);
        submit(w, application_save_run, on_saved);
}

/* What the interfaces forbid is told to the charm's writer now, not to the other side later. */
static int check_told(struct application_work *w) {
        return interface_check_tell(json_get(w->view, "relations"), w->plan->tell, NULL, &w->err);
}

static void prepare(struct application_work *w) {
        w->job = (struct job){ .loop = w->rec->options.loop,
                               .work = application_prepare,
                               .done = on_prepared,
                               .dropped = on_prepared,
                               .arg = w,
                               .name = "prepare plan" };
        job_start(&w->job);
}

/* ---- certificates, before the rest of the plan */

static void on_failure_noted(struct store_call *c, int r, const struct err *err) {
        struct application_work *w = c->arg;

        w->err = (struct err){ 0 };
        prepare(w);
}

static void tell_not_issued(const struct application_work *w) {
        log_event(
                LOG_WARNING, "certificate",
                (struct log_field[]){ { "MODEL", w->model_name }, { "APPLICATION", w->name }, {} },
                "%s: %s", w->name, err_text(&w->err));
}

/* The next plan has the new ones. */
static void on_issued(struct store_call *c, int r, const struct err *err) {
        struct application_work *w = c->arg;

        if (r < 0)
                w->err = *err;
        if (w->err.code)
                metric_add(&issued, LABELS("failed"), 1);
        if (r < 0 && application_needs_certificates(w))
                return refuse(w);
        if (w->err.code)
                tell_not_issued(w);
        if (r >= 0 && w->issued) {
                metric_add(&issued, LABELS("issued"), (double)w->issued);
                certificate_clock_soon(w->rec);
                return finish(w, false);
        }
        submit(w, application_issue_failed_run, on_failure_noted);
}

static void on_keys(void *arg) {
        struct application_work *w = arg;

        if (w->rec->stopping)
                return finish(w, false);
        if (w->err.code)
                return refuse(w);
        submit(w, application_issue_run, on_issued);
}

static void make_keys(struct application_work *w) {
        w->job = (struct job){ .loop = w->rec->options.loop,
                               .work = application_make_keys,
                               .done = on_keys,
                               .dropped = on_keys,
                               .arg = w,
                               .name = "keys of certificates" };
        job_start(&w->job);
}

static void on_plan(struct charm_call *c, int r, struct plan *plan, const struct err *err) {
        struct application_work *w = container_of(c, struct application_work, charm);
        struct world_application *a = world_application(&w->rec->world, w->id);

        w->plan = plan;
        if (a) {
                a->planned_at = clock_mono();
                a->plan_took_us = c->took_us;
        }
        if (r < 0) {
                w->err = *err;
                return refuse(w);
        }
        if (check_told(w) < 0 || application_make_secrets(w, &w->err) < 0)
                return refuse(w);
        if (w->secret_count)
                return submit(w, application_save_run, on_saved);
        if (application_ask_certificates(w, &w->err) < 0)
                return refuse(w);
        if (w->issue_count)
                return make_keys(w);
        prepare(w);
}

/* The view without what other charms said: as long as this is the same, a plan that differs does
 * so because of them. */
static void digest_cause(struct application_work *w) {
        cleanup_(json_freep) json_t *view = json_copy(w->view);
        cleanup_(buf_free) struct buf b = BUF_INIT;
        json_t *relations = json_array(), *relation;
        size_t i;

        json_array_foreach(json_get(w->view, "relations"), i, relation) {
                json_t *bare = json_copy(relation);

                json_object_del(bare, "told");
                json_array_append_new(relations, bare);
        }
        json_object_set_new(view, "relations", relations);
        buf_puts(&b, w->charm_sha256);
        json_canonical(view, &b);
        json_canonical(w->model_options, &b);
        application_stage_digest(w, &b);
        digest_sha256(b.data, b.len, w->cause);
}

/* The view without what a renewal changes: the same again, and a plan that differs only renews. */
static void digest_rest(struct application_work *w) {
        cleanup_(json_freep) json_t *view = NULL, *secrets = NULL;
        cleanup_(buf_free) struct buf b = BUF_INIT;
        const char *label;
        json_t *row;

        w->certified = json_object_size(w->certificates.rows);
        if (!w->certified)
                return;
        view = json_copy(w->view);
        secrets = json_copy(json_get(w->view, "secrets"));
        json_object_foreach(w->certificates.rows, label, row) {
                cleanup_(freep) char *key = str_format("%s/key", label);
                cleanup_(freep) char *crt = str_format("%s/crt", label);

                json_object_del(secrets, key);
                json_object_del(secrets, crt);
        }
        json_object_set(view, "secrets", secrets);
        json_object_del(view, "certificates");
        buf_puts(&b, w->charm_sha256);
        json_canonical(view, &b);
        json_canonical(w->model_options, &b);
        application_stage_digest(w, &b);
        digest_sha256(b.data, b.len, w->rest);
        w->renewal = w->rest_valid && memcmp(w->rest, w->rest_before, DIGEST_SIZE) == 0;
}

static void digest_view(struct application_work *w) {
        cleanup_(buf_free) struct buf b = BUF_INIT;

        buf_puts(&b, w->charm_sha256);
        buf_putc(&b, '\n');
        buf_puts(&b, w->view_text);
        json_canonical(w->model_options, &b);
        application_stage_digest(w, &b);
        digest_sha256(b.data, b.len, w->digest);
        digest_cause(w);
        digest_rest(w);
}

/* Its view is written: is there something to plan? */
static void ask_charm(struct application_work *w, struct world_application *a) {
        struct reconcile *rec = w->rec;
        uint8_t digest[DIGEST_SIZE];
        size_t len;

        w->replan = a->replan;
        application_limits_view(w, w->held != NULL, digest);
        if (w->plan_digest_valid && memcmp(digest, w->plan_digest, DIGEST_SIZE) == 0 &&
            !w->replan && !w->plan_error && !application_certificates_due(w) &&
            !(w->held && (w->release_valid || w->release_changes_valid)))
                return finish(w, false);
        len = strlen(w->view_text);
        if (len > CHARM_VIEW_MAX) {
                err_set(&w->err, -E2BIG,
                        "its view has %zu bytes, at most %u: too much relation data or "
                        "configuration",
                        len, CHARM_VIEW_MAX);
                return refuse(w);
        }
        a->executing = true;
        str_copy(w->charm.sha256, sizeof(w->charm.sha256), w->charm_sha256);
        w->charm.model = w->model;
        w->charm.application = w->id;
        w->charm.view = w->view_text;
        w->charm.view_len = len;
        w->charm.done = on_plan;
        charm_host_plan(rec->options.host, &w->charm);
}

static void write_view(void *arg) {
        struct application_work *w = arg;

        w->view_text = json_text(w->view);
        digest_view(w);
}

static void on_written(void *arg) {
        struct application_work *w = arg;
        struct world_application *a = world_application(&w->rec->world, w->id);

        if (w->rec->stopping || !a)
                return finish(w, false);
        ask_charm(w, a);
}

static void start_plan(struct application_work *w, struct world_application *a) {
        json_object_set_new(w->view, "seen", application_seen_json(w));
        application_stage_hold(w);
        if (a->want_count <= WRITE_HERE_MAX) {
                write_view(w);
                return ask_charm(w, a);
        }
        w->job = (struct job){ .loop = w->rec->options.loop,
                               .work = write_view,
                               .done = on_written,
                               .dropped = on_written,
                               .arg = w,
                               .name = "view of application" };
        job_start(&w->job);
}

/* ---- reading */

static bool has_peer(const struct application_work *w, int64_t id) {
        for (size_t i = 0; i < w->peer_count; i++)
                if (w->peers[i] == id)
                        return true;
        return false;
}

/* Who was there before and is still planning may yet end the relation that this one has left. */
static void take_peers(struct application_work *w, struct world_application *a) {
        size_t room = w->peer_count;

        for (size_t i = 0; i < a->peer_count; i++) {
                const struct world_application *p = world_application(&w->rec->world, a->peers[i]);

                if (!p || !application_changing(p) || has_peer(w, p->id))
                        continue;
                w->peers = mem_grow(w->peers, &room, w->peer_count + 1, sizeof(*w->peers));
                w->peers[w->peer_count++] = p->id;
        }
        free(a->peers);
        a->peers = take_ptr(w->peers);
        a->peer_count = w->peer_count;
}

static void take_certificates(const struct application_work *w, struct world_application *a) {
        const char *label;
        json_t *row;

        a->certified = json_object_size(w->certificates.rows);
        a->certificate_ends = a->certificate_renew = INT64_MAX;
        a->authority_ends = w->certificates.authority_ends;
        json_object_foreach(w->certificates.rows, label, row) {
                if (json_get_int(row, "ends", 0))
                        a->certificate_ends =
                                MIN_OF(a->certificate_ends, json_get_int(row, "ends", 0));
                a->certificate_renew = MIN_OF(a->certificate_renew, json_get_int(row, "renew", 0));
        }
        if (a->certified && strchr(w->certificates.bundle, ' '))
                certificate_clock_soon(w->rec); /* the authority is being replaced */
}

static void take(struct application_work *w, struct world_application *a) {
        bool see;

        a->reconcile = w->rec;
        a->model = w->model;
        str_set(&a->name, w->name);
        str_set(&a->charm, w->charm_sha256);
        str_set(&a->charm_name, w->charm_name);
        str_set(&a->held, w->held);
        str_set(&a->held_list, w->held_list);
        str_set(&a->held_content, w->held_content);
        str_set(&a->plan_error, w->plan_error);
        str_set(&a->plan_word, w->plan_status);
        str_set(&a->plan_message, w->plan_message);
        str_set(&a->conflicts, w->conflicts);
        str_set(&a->undecided, w->undecided);
        a->created_at = w->created_at;
        a->planned = w->plan_digest_valid;
        a->scale = json_get_int(w->view, "scale", 1);
        a->dying = w->dying;
        application_stage_take(w, a);
        take_certificates(w, a);
        free(a->providers);
        a->providers = take_ptr(w->providers);
        a->provider_count = w->provider_count;
        take_peers(w, a);
        see = a->see_count || json_object_size(w->see);
        if (see)
                application_see_withdraw(w->rec, a);
        w->lent = true; /* its plan is compared with these */
        world_set_wants(&w->rec->world, a, w->wants, w->want_count);
        application_see_set(a, w->see);
        if (see)
                application_see_share(w->rec, a);
}

static void wake_resources(struct reconcile *rec, const struct world_application *a) {
        for (size_t i = 0; i < a->want_count; i++)
                queue_add(rec->queue, KEY_RESOURCE, a->wants[i].resource, QUEUE_CHANGE);
}

static void gone(struct application_work *w) {
        struct reconcile *rec = w->rec;
        struct world_application *a = world_application(&rec->world, w->id);

        if (a) {
                const struct world_model *m = world_model(&rec->world, a->model);

                reconcile_event(rec, "application", m ? m->name : "", a->name, "removed");
                application_see_withdraw(rec, a);
                world_application_drop(&rec->world, a);
        }
        queue_done(rec->queue, KEY_APPLICATION, w->id);
        application_work_free(w);
}

/* Each start reads the cluster once, and plans for what it then saw; what is read last wakes the
 * application. A cluster that is known not to answer holds up nothing, but where the charm wants
 * to see fields: a plan without them could take away what was built on them. */
static bool is_being_read(struct reconcile *rec, const struct world_application *a,
                          const struct world_target *cluster) {
        if (a->planned && application_awaits_fields(rec, a))
                return true;
        if (!a->planned || cluster->reach_why || !(cluster->provider->can & PROVIDER_WATCHES))
                return false;
        for (const struct world_want *w = tally_first(a, TALLY_UNREAD); w;
             w = tally_next(a, TALLY_UNREAD, w)) {
                const struct world_resource *r = world_resource(&rec->world, w->resource);

                if (r && r->target == cluster->id)
                        return true;
        }
        return false;
}

static void on_read(struct store_call *c, int r, const struct err *err) {
        struct application_work *w = c->arg;
        struct reconcile *rec = w->rec;
        struct world_application *a;
        struct world_target *t;
        bool paused;

        if (rec->stopping)
                return finish(w, false);
        if (r < 0) {
                log_plain(LOG_ERR, "application", "application %lld: %s", (long long)w->id,
                          err_text(err));
                return finish(w, true);
        }
        if (!w->found)
                return gone(w);
        a = world_application_get(&rec->world, w->id);
        a->busy = true;
        take(w, a);
        paused = !str_eq(a->paused, w->paused);
        str_set(&a->paused, w->paused);
        if (paused)
                wake_resources(rec, a);
        if (w->dying) {
                application_find_stuck(w);
                return submit(w, application_remove_run, on_removed);
        }
        t = world_target(&rec->world, w->target);
        w->provider = t ? t->provider : NULL;
        if (!w->charm_sha256)
                application_pin(w);
        if (!w->charm_sha256 || !w->provider || w->undecided)
                return finish(w, !w->provider);
        if (is_being_read(rec, a, t)) {
                a->reread = true;
                w->changes = 0; /* none of them is planned */
                return finish(w, false);
        }
        start_plan(w, a);
}

void application_handle(struct reconcile *rec, int64_t id) {
        struct world_application *a = world_application(&rec->world, id);
        struct application_work *w;

        if (a && !a->reread && !application_plans_by_seen(a)) {
                status_update(rec, a);
                queue_rest(rec->queue, KEY_APPLICATION, id);
                return;
        }
        w = mem_new(struct application_work);
        w->rec = rec;
        w->id = id;
        if (a) {
                a->reread = false;
                a->busy = true;
                w->changes = a->changes;
        }
        list_init(&w->link);
        list_append(&rec->plans, &w->link);
        w->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .name = "application read",
                                       .run = application_view_run,
                                       .done = on_read,
                                       .arg = w };
        store_read(rec->options.store, &w->call);
}

void application_dirty(struct reconcile *rec, int64_t id) {
        struct world_application *a = world_application(&rec->world, id);

        if (a) {
                a->reread = true;
                a->changes++;
        }
        /* One command after the other is planned together; the first of them at once. */
        queue_change(rec->queue, KEY_APPLICATION, id,
                     a && a->planned ? a->planned_at + TOUCH_MS : 0);
}

void application_seen(struct reconcile *rec, int64_t id) {
        const struct world_application *a = world_application(&rec->world, id);

        if (!a || a->reread || application_plans_by_seen(a))
                return application_touch(rec, id);
        queue_touch(rec->queue, KEY_APPLICATION, id, QUEUE_CHANGE, clock_mono() + SEEN_MS);
}

void application_touch(struct reconcile *rec, int64_t id) {
        struct world_application *a = world_application(&rec->world, id);
        int64_t wait = TOUCH_MS;

        /* A charm whose plans take long is asked less often: at most a tenth of the time goes
         * into it. */
        if (a) {
                a->reread = true;
                wait = MAX_OF(wait, a->plan_took_us / 100);
        }
        queue_touch(rec->queue, KEY_APPLICATION, id, QUEUE_CHANGE, clock_mono() + wait);
}

void application_conflicts_may_end(struct reconcile *rec) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.applications, &i));) {
                struct world_application *a = e->value;

                if (!a->conflicts || !a->conflicts[0])
                        continue;
                a->replan = true; /* nothing that it sees has changed */
                application_dirty(rec, a->id);
        }
}

void application_stop(struct reconcile *rec) {
        list_each(link, &rec->plans) {
                struct application_work *w = list_entry(link, struct application_work, link);

                if (!charm_host_has(&w->charm))
                        continue; /* the store or a thread has it, and gives it back */
                charm_host_cancel(&w->charm);
                application_work_free(w);
        }
}
