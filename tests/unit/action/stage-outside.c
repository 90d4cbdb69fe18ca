/* SPDX-License-Identifier: Apache-2.0 */
/* stage-outside.c - stands in for the charm host and the reconciler: steps are what the test wrote
 * down, verbs end when it says so */
#include "stage-internal.h"

#include "step.h"

#include <errno.h>
#include <stdlib.h>

struct view {
        struct list link;
        reconcile_view_fn *done;
        void *arg;
};

struct verb {
        struct list link;
        struct stage *stage;
        reconcile_did_fn *done;
        void *arg;
};

/* ---- steps */

static bool is_cleanup(const json_t *step) {
        return json_get_bool(step, "cleanup", false);
}

/* The step of that name; "": the first of its sort. */
static size_t find_step(const json_t *steps, const char *name, bool cleanup) {
        const json_t *step;
        size_t i;

        json_array_foreach(steps, i, step)
                if (is_cleanup(step) == cleanup &&
                    (!*name || str_eq(json_get_str(step, "name", ""), name)))
                        break;
        return i;
}

/* The one that W means. */
static size_t step_of(const struct stage *s, const json_t *world) {
        size_t at = find_step(s->steps, json_get_str(world, "step", ""),
                              json_get_bool(world, "cleanup", false));

        for (int64_t n = json_get_int(world, "skip", 0); n > 0; n--)
                for (at++; at < json_array_size(s->steps); at++)
                        if (is_cleanup(json_array_get(s->steps, at)))
                                break;
        return at;
}

static const char *name_after(const json_t *steps, size_t at) {
        const json_t *step = json_array_get(steps, at);

        for (size_t i = at + 1; i < json_array_size(steps); i++)
                if (is_cleanup(json_array_get(steps, i)) == is_cleanup(step))
                        return json_get_str(json_array_get(steps, i), "name", NULL);
        return NULL;
}

static void say(json_t *said, const json_t *step, const json_t *world, const char *after) {
        const char *outcome = json_get_str(world, "outcome", NULL);
        const char *fail = json_get_str(step, "fail", NULL);
        const char *next = json_get_str(step, "goto", after);

        if (!outcome && json_get(step, "ask"))
                json_object_set(said, "ask", json_get(step, "ask"));
        else if (outcome && !str_eq(outcome, "done"))
                json_object_set_new(
                        said, "fail",
                        json_sprintf("%s: %s", outcome, json_get_str(world, "error", "")));
        else if (fail)
                json_object_set_new(said, "fail", json_string(fail));
        else if (next)
                json_object_set_new(said, "next", json_string(next));
        else
                json_object_set_new(said, "done", json_true());
}

static struct step *make_step(const struct stage *s, const json_t *world) {
        size_t at = step_of(s, world);
        const json_t *step = json_array_get(s->steps, at);
        const char *after = name_after(s->steps, at);
        cleanup_(json_freep) json_t *said = json_pack(
                "{s:s, s:I, s:{}, s:[], s:[], s:{}}", "step", json_get_str(step, "name", "(none)"),
                "deadline", (json_int_t)json_get_int(step, "deadline", 300), "state", "log",
                "steps", "results");
        cleanup_(freep) char *text = NULL;
        struct step *made = NULL;
        struct err err = {};

        if (json_get_int(step, "result", 0))
                json_object_set_new(json_get(said, "results"), json_get_str(step, "name", ""),
                                    json_sprintf("%0*d", (int)json_get_int(step, "result", 0), 7));
        for (int64_t i = 0; i < json_get_int(step, "log", 0); i++)
                json_array_append_new(json_get(said, "log"), json_string("a line"));
        if (after)
                json_object_set_new(said, "after", json_string(after));
        say(said, step, world, after);
        text = json_text(said);
        if (step_parse(text, strlen(text), &made, &err) < 0)
                fail_msg("%s: %s", err_text(&err), text);
        return made;
}

static void answer_step(struct stage *s, struct charm_call *c) {
        cleanup_(json_freep) json_t *world = NULL;
        const json_t *step;
        struct err err = {};

        assert_int_equal(json_parse(c->view, c->view_len, &world, NULL), 0);
        c->host = NULL;
        s->called++;
        step = json_array_get(s->steps, step_of(s, world));
        if (json_get_bool(step, "crash", false)) {
                err_set(&err, -EPROTO, "the worker crashed");
                return c->stepped(c, -EPROTO, NULL, &err);
        }
        c->stepped(c, 0, make_step(s, world), &err);
}

static void answer_view(struct view *v) {
        struct err err = {};

        v->done(v->arg, json_object(), &err);
        free(v);
}

static void on_answer(void *arg) {
        struct stage *s = arg;
        struct list *pos;

        while (!s->views_wait && (pos = list_pop(&s->views)))
                answer_view(list_entry(pos, struct view, link));
        while ((pos = list_pop(&s->charms)))
                answer_step(s, list_entry(pos, struct charm_call, link));
}

/* ---- charm-host.h */

void charm_host_plan(struct charm_host *h, struct charm_call *c) {
        struct stage *s = (struct stage *)h;

        list_init(&c->link);
        c->host = h;
        list_append(&s->charms, &c->link);
        later_run(&s->answer);
}

void charm_host_cancel(struct charm_call *c) {
        if (c->host)
                list_unlink(&c->link);
        c->host = NULL;
}

/* ---- reconcile.h */

void reconcile_view(struct reconcile *r, int64_t application, reconcile_view_fn *done, void *arg) {
        struct stage *s = (struct stage *)r;
        struct view *v = mem_new(struct view);

        v->done = done;
        v->arg = arg;
        list_append(&s->views, &v->link);
        later_run(&s->answer);
}

int reconcile_ready(struct reconcile *r, int64_t application, const char *label, char *why,
                    size_t size) {
        struct stage *s = (struct stage *)r;

        snprintf(why, size, "%s to be ready", label);
        return !s->not_ready;
}

bool reconcile_settled(struct reconcile *r, int64_t application, char *why, size_t size) {
        return true;
}

bool reconcile_taken(struct reconcile *r, int64_t application, const char *other, char *why,
                     size_t size) {
        struct stage *s = (struct stage *)r;

        snprintf(why, size, "%s to have taken it", other);
        return !s->not_ready;
}

struct verb *reconcile_verb(struct reconcile *r, const struct reconcile_verb *what,
                            reconcile_did_fn *done, void *arg) {
        struct stage *s = (struct stage *)r;
        struct verb *v = mem_new(struct verb);

        v->stage = s;
        v->done = done;
        v->arg = arg;
        list_append(&s->verbs, &v->link);
        s->sent++;
        return v;
}

void reconcile_verb_cancel(struct verb *v) {
        if (!v)
                return;
        list_unlink(&v->link);
        free(v);
}

bool reconcile_verb_trouble(const struct verb *v, char *text, size_t size) {
        return false;
}

uint64_t reconcile_verb_moved(const struct verb *v) {
        return 0;
}

void reconcile_acting(struct reconcile *r, int64_t application, const char *action, bool begins) {
}

/* ---- the test's */

void stage_did(struct stage *s, enum outcome outcome) {
        struct list *pos = list_pop(&s->verbs);
        struct verb *v = pos ? list_entry(pos, struct verb, link) : NULL;
        struct err err = {};
        struct reconcile_did did = { .outcome = outcome, .err = &err };

        assert_non_null(v);
        if (outcome != OUTCOME_DONE)
                err_set(&err, -EIO, "as the test says");
        v->done(v->arg, &did);
        free(v);
        stage_settle(s);
}

size_t stage_out(struct stage *s) {
        size_t n = 0;

        list_each(pos, &s->verbs)
                n++;
        return n;
}

void stage_outside_begin(struct stage *s) {
        list_init(&s->charms);
        list_init(&s->views);
        list_init(&s->verbs);
        later_init(&s->answer, s->loop, "outside", on_answer, s);
}

bool stage_answers(struct stage *s) {
        return !list_empty(&s->charms) || (!s->views_wait && !list_empty(&s->views));
}

void stage_drop(struct stage *s) {
        struct list *pos;
        struct err err = {};

        while ((pos = list_pop(&s->views))) {
                struct view *v = list_entry(pos, struct view, link);

                err_set(&err, -ESHUTDOWN, "it stops");
                v->done(v->arg, NULL, &err);
                free(v);
        }
}
