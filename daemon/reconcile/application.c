/* SPDX-License-Identifier: Apache-2.0 */
/* application.c - one application key: view, plan, prepare, save; see application.h for the way
 *
 * What a charm sees changes often while things come up, so touches wait a moment (TOUCH_MS, and
 * longer for charms whose plans take long); what a person or another application changed does
 * not wait. */
#include "application.h"

#include "clock.h"
#include "charm-take.h"
#include "command.h"
#include "interface.h"
#include "log.h"
#include "metric.h"

#include <errno.h>
#include <stdlib.h>

#define TOUCH_MS 30 /* observations of one rollout come in bursts: one plan for each burst */
#define SEEN_ALL_MAX                                                                               \
        64 /* a plan of at most so many wants sees all of them; a larger one those it asked for */
#define SEEN_MS 200 /* what is shown of an application of many objects may lag so much */
#define SECRET_LENGTH_MAX 128

static struct metric plans = { .name = "mooring_plans_total",
                               .help = "Plans made by charms, by result",
                               .type = METRIC_COUNTER,
                               .label = "result" };

static void outputs_free(struct prepared *d) {
        for (size_t i = 0; i < d->output_count; i++) {
                free(d->outputs[i].label);
                free(d->outputs[i].pointer);
                free(d->outputs[i].place);
        }
        free(d->outputs);
}

struct application_work *application_work_free(struct application_work *w) {
        if (!w)
                return NULL;
        list_unlink(&w->link);
        for (size_t i = 0; i < w->want_count; i++)
                free(w->wants[i].label);
        free(w->wants);
        for (size_t i = 0; i < w->unit_count; i++) {
                struct world_unit *u = mem_dup(&w->units[i], sizeof(*u));

                world_unit_free(u);
        }
        free(w->units);
        for (size_t i = 0; i < w->doc_count; i++) {
                identity_free(&w->docs[i].identity);
                map_free(&w->docs[i].uris);
                outputs_free(&w->docs[i]);
                free(w->docs[i].own_label);
                free(w->docs[i].text);
        }
        free(w->docs);
        for (size_t i = 0; i < w->secret_count; i++) {
                free(w->secrets[i].label);
                free(w->secrets[i].field);
                free(w->secrets[i].policy);
                buf_free(&w->secrets[i].sealed);
        }
        free(w->secrets);
        buf_free(&w->conflicts_now);
        free(w->edges_to);
        plan_free(w->plan);
        json_decref(w->view);
        json_decref(w->see);
        json_decref(w->model_options);
        json_decref(w->needs);
        free(w->providers);
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
        free(w->detached);
        free(w->view_text);
        free(w->held_now);
        free(w);
        return NULL;
}

static void finish(struct application_work *w, bool failed) {
        struct reconcile *rec = w->rec;
        struct world_application *a = world_application(&rec->world, w->id);

        if (a) {
                a->busy = a->executing = false;
                a->reread |= failed;
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

/* ---- no charm yet */

struct pin {
        struct reconcile *rec;
        struct store_call call;
        struct command_pin command;
        struct charm_choice choice;
        struct charm_take take;
};

static void on_pinned(struct store_call *c, int r, const struct err *err) {
        struct command_pin *command = c->arg;
        struct pin *p = container_of(command, struct pin, command);
        struct world_application *a = world_application(&p->rec->world, command->application);

        if (r < 0)
                log_plain(LOG_WARNING, "pin", "application %lld: %s",
                          (long long)command->application, err_text(err));
        if (a) {
                str_set(&a->pin_error, r < 0 ? err_text(err) : NULL);
                status_update(p->rec, a);
        }
        command_deinit(&command->head);
        charm_choice_deinit(&p->choice);
        free(p);
}

static void on_taken(struct charm_take *take) {
        struct pin *p = container_of(take, struct pin, take);
        const struct reconcile_options *o = &p->rec->options;
        struct world_application *a = world_application(&p->rec->world, p->command.application);

        if (take->items[0].r < 0 || p->rec->stopping) {
                if (a && take->items[0].r < 0)
                        str_set(&a->pin_error, err_text(&take->items[0].err));
                charm_take_deinit(take);
                charm_choice_deinit(&p->choice);
                free(p);
                return;
        }
        charm_take_deinit(take);
        p->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .run = command_run,
                                       .done = on_pinned,
                                       .arg = &p->command };
        store_submit(o->store, &p->call);
}

/* The module may have been installed since. */
static void look_for_charm(struct application_work *w) {
        const struct reconcile_options *o = &w->rec->options;
        const struct charm_offer *offer;
        struct err err = { 0 };
        struct pin *p;

        if (charm_host_find(o->host, w->charm_name, w->channel[0] ? w->channel : NULL, w->revision,
                            &offer, &err) < 0)
                return;
        p = mem_new(struct pin);
        p->rec = w->rec;
        charm_choice_found(&p->choice, offer->sha256, offer->meta);
        p->command = (struct command_pin){
                .head = { .run = command_deploy_pin, .sealer = o->sealer, .actor = "loop" },
                .application = w->id,
                .choice = &p->choice
        };
        p->take =
                (struct charm_take){ .loop = o->loop, .state_dir = o->state_dir, .done = on_taken };
        charm_take_add(&p->take, offer, p);
        charm_take_start(&p->take);
}

/* ---- saving */

static void set_see(struct world_application *a, const json_t *see) {
        const char *label;
        json_t *pointers, *p;
        size_t i;

        for (i = 0; i < a->see_count; i++)
                free(a->see[i]);
        free(a->see);
        a->see_count = 0;
        a->see = NULL;
        json_object_foreach((json_t *)see, label, pointers)
                a->see_count += 2 * json_array_size(pointers);
        a->see = mem_array(char *, a->see_count);
        a->see_count = 0;
        json_object_foreach((json_t *)see, label, pointers) {
                json_array_foreach(pointers, i, p) {
                        a->see[a->see_count++] = str_dup(label);
                        a->see[a->see_count++] =
                                str_dup(json_string_value(p) ? json_string_value(p) : "");
                }
        }
}

/* Which fields of which resources this charm wants to see: told to the providers through the
 * interests. */
static void share_see(struct reconcile *rec, struct world_application *a) {
        for (size_t i = 0; i < a->want_count; i++) {
                struct world_resource *r = world_resource(&rec->world, a->wants[i].resource);
                size_t n = 0;

                if (!r)
                        continue;
                free(r->see);
                r->see = mem_array(const char *, a->see_count / 2 + 1);
                for (size_t k = 0; k < a->see_count; k += 2)
                        if (str_eq(a->see[k], a->wants[i].label) && a->see[k + 1][0] &&
                            n < PROVIDER_SEEN_MAX)
                                r->see[n++] = a->see[k + 1];
                if (n == 0)
                        free(take_ptr(r->see));
                r->interest.see = r->see;
        }
}

/* A field asked for anew is only seen with the next event: look once. */
static void look_again(struct reconcile *rec, struct world_application *a) {
        for (size_t i = 0; i < a->want_count; i++) {
                struct world_resource *r = world_resource(&rec->world, a->wants[i].resource);

                if (!r || !r->see || r->seen.presence != PRESENCE_PRESENT)
                        continue;
                r->look_again = true;
                r->seen.presence = PRESENCE_UNKNOWN;
                queue_add(rec->queue, KEY_RESOURCE, r->id, QUEUE_CHANGE);
        }
}

static void on_saved(struct store_call *c, int r, const struct err *err) {
        struct application_work *w = c->arg;
        struct reconcile *rec = w->rec;
        struct world_application *a = world_application(&rec->world, w->id);

        if (r < 0) {
                w->err = *err;
                log_plain(LOG_WARNING, "plan", "%s: %s", w->name, err_text(err));
                metric_add(&plans, "refused", 1);
                if (!w->stopped && r != -ENOSPC && r != -EROFS) {
                        w->stopped = true; /* once: the error is saved, then the key backs off */
                        return submit(w, application_save_error_run, on_saved);
                }
        } else if (!w->stopped) {
                metric_add(&plans, "saved", 1);
        }
        if (a && r >= 0 && !w->stopped && !w->again) {
                if (!json_equal(w->plan->see, w->see)) {
                        set_see(a, w->plan->see);
                        share_see(rec, a);
                        look_again(rec, a);
                }
                /* What the plan said (status, held, no error any more) is shown from its row; when
                 * no document changed, nothing else would lead back here. */
                application_dirty(rec, w->id);
        }
        if (a && w->replan && r >= 0 && !w->stopped)
                a->replan = false;
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
        metric_add(&plans, "error", 1);
        submit(w, application_save_error_run, on_error_saved);
}

/* ---- secrets asked for */

static int make_secret(struct application_work *w, const char *key, const json_t *policy,
                       struct err *err) {
        static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
        static const char letters[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        int64_t length = json_get_int(policy, "length", 32);
        const char *alphabet = json_get_str(policy, "alphabet", letters);
        const char *slash = strrchr(key, '/');
        char value[SECRET_LENGTH_MAX + 1];
        struct new_secret *s;
        struct seal_place at;
        int r;

        if (!slash || length < 8 || length > SECRET_LENGTH_MAX || strlen(alphabet) < 10)
                return err_set(err, -EINVAL,
                               "secret %s: needs LABEL/FIELD, a length of 8 to %d, an alphabet of "
                               "at least 10",
                               key, SECRET_LENGTH_MAX);
        w->secrets =
                mem_grow(w->secrets, &w->secret_room, w->secret_count + 1, sizeof(*w->secrets));
        s = &w->secrets[w->secret_count++];
        *s = (struct new_secret){ .label = str_ndup(key, (size_t)(slash - key)),
                                  .field = str_dup(slash + 1),
                                  .policy = json_text(policy) };
        digest_random_text(base32, SECRET_URI_SIZE - 1, s->uri);
        digest_random_text(alphabet, (size_t)length, value);
        at = (struct seal_place){ "secret_revision", "sealed", s->uri, 1 };
        r = seal_value(w->rec->options.sealer, &at, value, (size_t)length, &s->sealed, err);
        explicit_bzero(value, sizeof(value));
        return r;
}

static int make_secrets(struct application_work *w, struct err *err) {
        const json_t *have = json_get(w->view, "secrets");
        const char *key;
        json_t *policy;

        json_object_foreach(w->plan->secrets, key, policy) {
                int r;

                if (json_object_get(have, key))
                        continue;
                r = make_secret(w, key, policy, err);
                if (r < 0)
                        return r;
        }
        return 0;
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
        if (check_told(w) < 0 || make_secrets(w, &w->err) < 0)
                return refuse(w);
        if (w->secret_count)
                return submit(w, application_save_run, on_saved);
        w->job = (struct job){ .loop = w->rec->options.loop,
                               .work = application_prepare,
                               .done = on_prepared,
                               .dropped = on_prepared,
                               .arg = w,
                               .name = "prepare plan" };
        job_start(&w->job);
}

static json_t *seen_fields(const struct world_resource *r) {
        json_t *fields = json_object();
        const char *pointer;
        json_t *value;

        json_object_foreach(r->seen.seen, pointer, value)
                json_object_set(fields, pointer, value);
        return fields;
}

static bool asked_for(const struct world_application *a, const char *label) {
        for (size_t k = 0; k < a->see_count; k += 2)
                if (str_eq(a->see[k], label))
                        return true;
        return false;
}

static json_t *seen_of(struct reconcile *rec, struct world_application *a) {
        json_t *seen = json_object();

        for (size_t i = 0; i < a->want_count; i++) {
                const struct world_resource *r = world_resource(&rec->world, a->wants[i].resource);
                bool exists;

                if (!r || (a->want_count > SEEN_ALL_MAX && !asked_for(a, a->wants[i].label)))
                        continue;
                exists = r->row.applied_generation && r->seen.presence == PRESENCE_PRESENT;
                json_object_set_new(
                        seen, a->wants[i].label,
                        json_pack("{s:b, s:b, s:s, s:s, s:o}", "exists", exists, "ready",
                                  exists && r->seen.ready == READY_YES, "reason",
                                  r->state == STATE_READY || !r->reason ? "" : r->reason,
                                  "incarnation", exists ? r->seen.incarnation : "", "fields",
                                  seen_fields(r)));
        }
        return seen;
}

static void digest_view(struct application_work *w) {
        cleanup_(buf_free) struct buf b = BUF_INIT;

        buf_puts(&b, w->charm_sha256);
        buf_putc(&b, '\n');
        buf_puts(&b, w->view_text);
        json_canonical(w->model_options, &b);
        digest_sha256(b.data, b.len, w->digest);
}

static void start_plan(struct application_work *w, struct world_application *a) {
        struct reconcile *rec = w->rec;
        size_t len;

        json_object_set_new(w->view, "seen", seen_of(rec, a));
        w->view_text = json_text(w->view);
        digest_view(w);
        w->replan = a->replan;
        if (w->plan_digest_valid && memcmp(w->digest, w->plan_digest, DIGEST_SIZE) == 0 &&
            !w->replan && !w->plan_error)
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

/* ---- reading */

static void take_units(struct world_application *a, struct application_work *w) {
        if (a->units.count)
                return; /* what was seen since is newer than the rows */
        for (size_t i = 0; i < w->unit_count; i++) {
                map_set(&a->units, w->units[i].name, mem_dup(&w->units[i], sizeof(w->units[i])));
                w->units[i] = (struct world_unit){ 0 };
        }
}

static void take(struct application_work *w, struct world_application *a) {
        struct world_want *wants = take_ptr(w->wants);
        size_t n = w->want_count;

        a->reconcile = w->rec;
        a->model = w->model;
        str_set(&a->name, w->name);
        str_set(&a->charm, w->charm_sha256);
        str_set(&a->charm_name, w->charm_name);
        str_set(&a->held, w->held);
        str_set(&a->plan_error, w->plan_error);
        str_set(&a->plan_word, w->plan_status);
        str_set(&a->plan_message, w->plan_message);
        str_set(&a->conflicts, w->conflicts);
        str_set(&a->detached, w->detached);
        a->planned = w->plan_digest_valid;
        a->scale = json_get_int(w->view, "scale", 1);
        a->dying = w->dying;
        take_units(a, w);
        free(a->providers);
        a->providers = take_ptr(w->providers);
        a->provider_count = w->provider_count;
        /* The work keeps a copy: its plan is compared with these. */
        w->wants = mem_array(struct world_want, n);
        for (size_t i = 0; i < n; i++) {
                w->wants[i] = wants[i];
                w->wants[i].label = str_dup(wants[i].label);
        }
        world_set_wants(a, wants, n);
        set_see(a, w->see);
        share_see(w->rec, a);
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
                world_application_drop(&rec->world, a);
        }
        queue_done(rec->queue, KEY_APPLICATION, w->id);
        application_work_free(w);
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
        if (w->dying)
                return submit(w, application_remove_run, on_removed);
        t = world_target(&rec->world, w->target);
        w->provider = t ? t->provider : NULL;
        if (!w->charm_sha256)
                look_for_charm(w);
        if (!w->charm_sha256 || !w->provider || w->detached)
                return finish(w, !w->provider);
        start_plan(w, a);
}

/* Whether its plan may depend on what is seen of its resources. */
static bool plans_by_seen(const struct world_application *a) {
        return a->want_count <= SEEN_ALL_MAX || a->see_count || !a->planned || a->dying;
}

void application_handle(struct reconcile *rec, int64_t id) {
        struct world_application *a = world_application(&rec->world, id);
        struct application_work *w;

        if (a && !a->reread && !plans_by_seen(a)) {
                status_update(rec, a);
                queue_done(rec->queue, KEY_APPLICATION, id);
                return;
        }
        if (a)
                a->reread = false;
        w = mem_new(struct application_work);
        w->rec = rec;
        w->id = id;
        list_init(&w->link);
        list_append(&rec->plans, &w->link);
        w->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .run = application_view_run,
                                       .done = on_read,
                                       .arg = w };
        store_read(rec->options.store, &w->call);
}

#define STOP_STEP_MS 100 /* of waiting for a thread; its end wakes the loop at once */

void application_dirty(struct reconcile *rec, int64_t id) {
        struct world_application *a = world_application(&rec->world, id);

        if (a)
                a->reread = true;
        /* One command after the other is planned together; the first of them at once. */
        if (a && a->planned && clock_mono() - a->planned_at < TOUCH_MS)
                queue_add_at(rec->queue, KEY_APPLICATION, id, QUEUE_CHANGE,
                             a->planned_at + TOUCH_MS);
        else
                queue_add(rec->queue, KEY_APPLICATION, id, QUEUE_CHANGE);
}

void application_seen(struct reconcile *rec, int64_t id) {
        const struct world_application *a = world_application(&rec->world, id);

        if (!a || a->reread || plans_by_seen(a))
                return application_touch(rec, id);
        queue_add_at(rec->queue, KEY_APPLICATION, id, QUEUE_CHANGE, clock_mono() + SEEN_MS);
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
        queue_add_at(rec->queue, KEY_APPLICATION, id, QUEUE_CHANGE, clock_mono() + wait);
}

static bool is_preparing(struct reconcile *rec) {
        list_each(link, &rec->plans) {
                if (list_entry(link, struct application_work, link)->job.busy)
                        return true;
        }
        return false;
}

void application_stop(struct reconcile *rec) {
        list_each(link, &rec->plans) {
                struct application_work *w = list_entry(link, struct application_work, link);

                if (!w->charm.host || w->plan)
                        continue;
                charm_host_cancel(&w->charm);
                application_work_free(w);
        }
        /* A thread that has a plan cannot be called back; it ends soon, and ends in here, while
         * there still is a reconciler. */
        while (is_preparing(rec))
                loop_step(rec->options.loop, STOP_STEP_MS);
}
