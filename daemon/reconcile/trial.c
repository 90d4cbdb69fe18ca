/* SPDX-License-Identifier: Apache-2.0 */
/* trial.c - see trial.h
 *
 *   row, document, secrets (read thread) ──▶ one apply with APPLY_DRY_RUN ──▶ a line says more
 *
 * The request is the one that the loop would send (resource_request). A document with a secret
 * that is not made yet, or with a value of another object that is not known yet, cannot be tried:
 * with made-up values the answer would mean nothing. */
#include "trial.h"

#include "opener.h"
#include "output.h"
#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>

struct one {
        struct list link; /* in the trial's */
        struct trial *all;
        struct resource_job *job;
        const struct provider *provider;
        json_t *line;
        int64_t application, model, target;
        char *document, *name, *type, *path, incarnation[64];
        enum { WAITING, READING, OUT, OVER } at;
};

struct trial {
        struct list link;
        struct reconcile *rec;
        struct list ones;
        size_t count, busy, waiting;
        struct timer deadline;
        struct later later;
        bool late, crowded;
        void (*done)(void *arg);
        void *arg;
        /* trial_compare's; or NULL */
        void (*differs)(void *arg, const struct resource_job *j, struct secret_values *found);
        void *differs_arg;
};

static void go_on(void *arg);
static void on_deadline(void *arg);

/* Those that have something to ask. */
static size_t others(const struct reconcile *rec) {
        size_t n = 0;

        list_each(link, (struct list *)&rec->trials)
                n += !list_entry(link, struct trial, link)->crowded;
        return n;
}

struct trial *trial_new(struct reconcile *rec) {
        struct trial *t = mem_new(struct trial);

        t->rec = rec;
        list_init(&t->ones);
        t->crowded = others(rec) >= TRIALS_MAX;
        list_append(&rec->trials, &t->link);
        timer_init(&t->deadline, rec->options.loop, "trial", on_deadline, t);
        later_init(&t->later, rec->options.loop, "trial", go_on, t);
        return t;
}

void trial_skip(json_t *line, const char *why) {
        json_object_set_new(line, "server", json_string("not asked"));
        json_object_set_new(line, "server-why", json_words(why));
}

void trial_add(struct trial *t, const struct trial_object *o) {
        struct one *one;

        if (t->crowded) {
                free(o->document);
                return trial_skip(o->line, "other plans are being asked about: plan again");
        }
        if (t->count == TRIAL_MAX) {
                free(o->document);
                return trial_skip(o->line, "at most 500 objects of a plan are asked about");
        }
        one = mem_new(struct one);
        one->all = t;
        one->job = resource_job_new(t->rec, o->resource, true);
        one->line = json_incref(o->line);
        one->document = o->document;
        one->application = o->application;
        one->name = str_dup(o->name);
        one->model = o->model;
        one->target = o->target;
        one->type = str_dup(o->type);
        one->path = str_dup(o->path);
        list_append(&t->ones, &one->link);
        t->count++;
        t->waiting++;
}

/* ---- ends */

static void one_free(struct one *o) {
        list_unlink(&o->link);
        resource_job_free(o->job);
        json_decref(o->line);
        free(o->document);
        free(o->name);
        free(o->type);
        free(o->path);
        free(o);
}

/* Who waits for room may have it. */
static void wake_all(struct reconcile *rec) {
        list_each(link, &rec->trials) {
                struct trial *t = list_entry(link, struct trial, link);

                if (t->done)
                        later_run(&t->later);
        }
}

struct trial *trial_free(struct trial *t) {
        if (!t)
                return NULL;
        list_each(link, &t->ones)
                one_free(list_entry(link, struct one, link));
        timer_cancel(&t->deadline);
        later_cancel(&t->later);
        list_unlink(&t->link);
        free(t);
        return NULL;
}

static void finish(struct trial *t) {
        void (*done)(void *arg) = t->done;
        struct reconcile *rec = t->rec;
        void *arg = t->arg;

        trial_free(t);
        wake_all(rec);
        done(arg);
}

static void over(struct one *o) {
        struct trial *t = o->all;

        if (o->at != WAITING) {
                t->busy--;
                t->rec->tried--;
        }
        t->waiting -= o->at == WAITING;
        o->at = OVER;
        wake_all(t->rec);
}

static void skip(struct one *o, const char *why) {
        trial_skip(o->line, why);
        over(o);
}

/* ---- the answer */

static void tell(struct one *o, const struct op *op) {
        bool accepted = op->outcome == OUTCOME_DONE;

        json_object_set_new(o->line, "server",
                            json_string(accepted ? "accepts" : outcome_name(op->outcome)));
        if (!accepted)
                json_object_set_new(o->line, "server-why", json_words(err_text(&op->err)));
        if (accepted && op->told)
                json_object_update(o->line, op->told);
        if (op->warnings)
                json_object_set(o->line, "warnings", op->warnings);
}

static void on_tried(struct op *op) {
        struct one *o = op->arg;

        tell(o, op);
        if (o->all->differs && op->kept)
                o->all->differs(o->all->differs_arg, o->job, take_ptr(op->kept));
        over(o);
}

/* ---- the request */

static void ask(struct one *o) {
        struct resource_job *j = o->job;
        struct world_target *t = world_target(&j->rec->world, o->target);

        o->provider = t->provider;
        j->request.flags |= APPLY_DRY_RUN | (o->all->differs ? APPLY_COMPARE : 0u);
        j->op.loop = j->rec->options.loop;
        j->op.done = on_tried;
        j->op.arg = o;
        o->at = OUT;
        t->provider->apply(t->open, &j->request, &j->op);
}

static void on_found(struct op *op) {
        struct one *o = op->arg;
        struct resource_job *j = o->job;
        struct err err = op->err;
        bool answered = op->outcome == OUTCOME_DONE || op->outcome == OUTCOME_GONE;

        j->seen_found = take_ptr(op->seen.found);
        j->request.found = j->seen_found;
        op_clear(op);
        *op = (struct op){ 0 };
        if (answered)
                ask(o);
        else
                skip(o, err_text(&err));
}

/* What the loop let go of it says which fields the apply would leave. */
static void look_first(struct one *o) {
        struct resource_job *j = o->job;
        struct world_target *t = world_target(&j->rec->world, o->target);

        o->provider = t->provider;
        j->op.loop = j->rec->options.loop;
        j->op.done = on_found;
        j->op.arg = o;
        o->at = OUT;
        t->provider->look(t->open, &j->request, &j->op);
}

/* It may go while it is tried: nothing of the world's is pointed to. */
static void request_known(struct one *o, struct world_resource *r) {
        struct resource_job *j = o->job;

        j->action = ACTION_APPLY;
        j->anew = true;
        j->generation = r->row.wanted_generation;
        resource_request(j, r);
        str_set(&o->type, r->type);
        str_set(&o->path, r->path);
        str_copy(o->incarnation, sizeof(o->incarnation), r->row.incarnation);
        j->request.type = o->type;
        j->request.path = o->path;
        j->request.incarnation = o->incarnation;
        j->request.token = "";
}

static void request_new(struct one *o) {
        struct resource_job *j = o->job;

        j->marks = resource_marks(j->rec, o->name, world_model(&j->rec->world, o->model));
        j->request = (struct apply_request){ .type = o->type,
                                             .path = o->path,
                                             .wanted = j->document,
                                             .size = j->text_len,
                                             .marks = j->marks,
                                             .values = j->values,
                                             .own = j->own,
                                             .incarnation = "",
                                             .token = "",
                                             .first = true };
}

/* NULL: it can be asked. */
static const char *cannot(struct one *o, const struct world_resource *r, char *text, size_t size) {
        struct reconcile *rec = o->job->rec;
        const struct world_model *m =
                r ? resource_model(rec, r) : world_model(&rec->world, o->model);
        const struct world_target *t;

        o->target = r ? r->target : o->target;
        t = world_target(&rec->world, o->target);
        if (!t)
                return "where it would be is not known yet";
        if (!outside_usable(t, text, size))
                return text;
        if (!(t->provider->can & PROVIDER_DRY_RUN)) {
                snprintf(text, size, "%s cannot try a write without doing it", t->provider->name);
                return text;
        }
        return m ? scope_blocked(rec, m, text, size) : NULL;
}

static int find_output(void *arg, const char *text, const char *pointer, bool in_name,
                       struct err *err) {
        return strstr(text, OUTPUT_TOKEN_HEAD)
                       ? err_set(err, -EAGAIN,
                                 "it takes values of other objects that are not known yet")
                       : 0;
}

static void got(struct one *o, int k, const struct err *err) {
        struct resource_job *j = o->job;
        struct world_resource *r = j->id ? world_resource(&j->rec->world, j->id) : NULL;
        struct err why = { 0 };
        const char * not ;
        char text[256];

        if (o->all->late)
                return skip(o, "the time for asking is over");
        if (k < 0)
                return skip(o, err_text(err));
        if (j->id && !r)
                return skip(o, "it went meanwhile");
        if (!j->document)
                return skip(o, "its document is not in cache.db and is being planned");
        not = cannot(o, r, text, sizeof(text));
        if (not )
                return skip(o, not );
        if (r && !o->document && resource_fill_outputs(j, r, &why) < 0)
                return skip(o, err_text(&why));
        if (json_walk(j->document, find_output, NULL, &why) < 0)
                return skip(o, err_text(&why));
        if (r)
                request_known(o, r);
        else
                request_new(o);
        if (r && r->seen.let_go && o->job->kept_count)
                look_first(o);
        else
                ask(o);
}

static void on_read(struct store_call *c, int k, const struct err *err) {
        struct one *o = c->arg;
        struct trial *t = o->all;

        got(o, k, err);
        if (t->rec->stopping && !t->busy)
                finish(t); /* no turn of the loop comes any more */
}

/* ---- reading */

static int read_other(struct tx *tx, struct one *o, struct err *err) {
        struct resource_job *j = o->job;
        int r;

        json_decref(take_ptr(j->document));
        json_decref(take_ptr(j->own));
        secret_values_free(j->values);
        j->values = secret_values_new();
        j->text_len += strlen(o->document);
        r = json_parse(o->document, strlen(o->document), &j->document, err);
        if (r < 0)
                return r;
        r = opener_open(tx, j->rec->options.sealer, o->application, j->document, j->values, err);
        if (r == -ENOKEY)
                return err_set(err, r, "it holds a secret that is not made yet");
        if (r >= 0 && !j->row.applied_generation)
                r = opener_own(tx, o->application, j->document, &j->own, err);
        return r;
}

static int read_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct one *o = c->arg;
        struct resource_job *j = o->job;
        struct q_resource_row *row;
        size_t n = 0;
        int r = 0;

        if (j->id)
                r = q_resource_by_id(tx, &(struct q_resource_by_id_in){ .id = j->id }, &row, &n,
                                     err);
        if (r >= 0 && n)
                r = resource_read_row(tx, j, row, err);
        if (r >= 0 && o->all->differs && j->document) {
                json_decref(take_ptr(j->own));
                r = opener_own(tx, OPENER_ALL, j->document, &j->own, err);
        }
        return r < 0 || !o->document ? r : read_other(tx, o, err);
}

static void begin(struct one *o) {
        struct resource_job *j = o->job;

        o->at = READING;
        o->all->waiting--;
        o->all->busy++;
        o->all->rec->tried++;
        j->call.run = read_run;
        j->call.done = on_read;
        j->call.arg = o;
        store_read(j->rec->options.store, &j->call);
}

/* ---- all of them */

/* All trials share the room, so that a large one does not keep a small one waiting. */
static bool has_room(const struct trial *t) {
        return t->rec->tried < TRIAL_PARALLEL && t->busy * others(t->rec) < TRIAL_PARALLEL;
}

static void go_on(void *arg) {
        struct trial *t = arg;

        list_each(link, &t->ones) {
                struct one *o = list_entry(link, struct one, link);

                if (t->late && o->at == WAITING)
                        skip(o, "the time for asking is over");
                else if (o->at == WAITING && has_room(t))
                        begin(o);
        }
        if (!t->busy && !t->waiting)
                finish(t);
}

static void give_up(struct one *o, const char *why) {
        if (o->at != OUT)
                return;
        o->provider->cancel(&o->job->op);
        skip(o, why);
}

static void on_deadline(void *arg) {
        struct trial *t = arg;

        t->late = true;
        list_each(link, &t->ones)
                give_up(list_entry(link, struct one, link), "no answer within 30 s");
        later_run(&t->later);
}

void trial_compare(struct trial *t,
                   void (*differs)(void *arg, const struct resource_job *j,
                                   struct secret_values *found),
                   void *arg) {
        t->differs = differs;
        t->differs_arg = arg;
}

void trial_start(struct trial *t, void (*done)(void *arg), void *arg) {
        t->done = done;
        t->arg = arg;
        timer_after(&t->deadline, TRIAL_MS);
        later_run(&t->later);
}

void trial_target_closes(struct reconcile *rec, int64_t target) {
        list_each(link, &rec->trials) {
                struct trial *t = list_entry(link, struct trial, link);

                list_each(at, &t->ones) {
                        struct one *o = list_entry(at, struct one, link);

                        if (o->target == target)
                                give_up(o, "its connection was closed meanwhile");
                }
        }
}

/* What the store's thread has comes back, and ends the rest. */
void trial_stop(struct reconcile *rec) {
        list_each(link, &rec->trials) {
                struct trial *t = list_entry(link, struct trial, link);

                if (!t->done)
                        continue; /* whoever made it frees it */
                on_deadline(t);
                if (!t->busy)
                        finish(t);
        }
}
