/* SPDX-License-Identifier: Apache-2.0 */
/* step-run.c - finds the step, calls it, and puts what it said into a frame; see step-run.h
 *
 * What failed never reaches a step that does not say that it looks at failures: forgetting one
 * would go on as if nothing were. */
#include "step-run.h"

#include "step.h"

#include <errno.h>

/* ---- tables */

static int check_steps(const struct charm_action *action, struct err *err) {
        const struct charm_step *s = action->steps;

        if (!s || !s->name)
                return err_set(err, -EINVAL, "action %s has no steps", action->name);
        for (size_t n = 0; s->name; s++, n++) {
                if (n == CHARM_STEPS_MAX)
                        return err_set(err, -EINVAL, "action %s has more than %d steps",
                                       action->name, CHARM_STEPS_MAX);
                if (!s->step || !*s->name || strlen(s->name) > CHARM_STEP_NAME_MAX ||
                    s->deadline_s > CHARM_STEP_DEADLINE_MAX)
                        return err_set(err, -EINVAL,
                                       "action %s: a step without name or function, or with a "
                                       "deadline above %d s",
                                       action->name, CHARM_STEP_DEADLINE_MAX);
        }
        return 0;
}

static const struct charm_action *find_action(const struct charm_action *actions,
                                              const char *name) {
        for (const struct charm_action *a = actions; a && a->name; a++)
                if (str_eq(a->name, name))
                        return a;
        return NULL;
}

int step_run_check(const struct charm_action *actions, const json_t *meta, struct err *err) {
        const char *name;
        json_t *j;

        for (const struct charm_action *a = actions; a && a->name; a++) {
                int r = check_steps(a, err);

                if (r < 0)
                        return r;
                if (!json_dig(meta, "actions", a->name, NULL))
                        return err_set(err, -EINVAL, "charm.yaml has no action %s", a->name);
        }
        json_object_foreach(json_get(meta, "actions"), name, j)
                if (!find_action(actions, name))
                        return err_set(err, -EINVAL, "it has no steps for action %s of charm.yaml",
                                       name);
        return 0;
}

static const struct charm_step *find_step(const struct charm_action *action, const char *name) {
        for (const struct charm_step *s = action->steps; s->name; s++)
                if (str_eq(s->name, name))
                        return s;
        return NULL;
}

/* S or the first one after it that is of the same sort; NULL: there is none. */
static const struct charm_step *of_sort(const struct charm_step *s, bool cleanup) {
        while (s->name && !(s->flags & CHARM_CLEANUP) == cleanup)
                s++;
        return s->name ? s : NULL;
}

/* ---- what was said */

static bool has_said(const struct charm_ask *a) {
        return a->ask || a->next || a->done || a->on || a->fail;
}

/* Twice is a mistake: which of the two was meant cannot be known. */
static bool says(struct charm_ask *a) {
        if (has_said(a))
                plan_out_mistake(&a->paper, "step %s says two things in one call", a->step->name);
        return !*a->paper.mistake;
}

void charm_next(struct charm_ask *a) {
        if (says(a))
                a->on = true;
}

void charm_goto(struct charm_ask *a, const char *step) {
        const struct charm_step *to = find_step(a->action, step);

        if (!to || ((to->flags ^ a->step->flags) & CHARM_CLEANUP))
                plan_out_mistake(&a->paper, "charm_goto: there is no step \"%s\" to go to",
                                 step ? step : "");
        if (says(a))
                a->next = to;
}

void charm_done(struct charm_ask *a) {
        if (says(a))
                a->done = true;
}

void charm_give_up(struct charm_ask *a, const char *fmt, ...) {
        char *text;
        va_list ap;

        va_start(ap, fmt);
        text = arena_format(a->paper.arena, fmt, ap);
        va_end(ap);
        if (strlen(text) > CHARM_REFUSED_MAX)
                text[CHARM_REFUSED_MAX] = '\0';
        if (says(a))
                a->fail = str_make_utf8(*text ? text : arena_text(a->paper.arena, "failed", 6));
}

void step_run_ask(struct charm_ask *a, json_t *ask) {
        if (says(a))
                a->ask = ask;
        else
                json_decref(ask);
}

/* ---- the frame */

static json_t *names_of(const struct charm_action *action, bool cleanup) {
        json_t *list = json_array();

        for (const struct charm_step *s = action->steps; (s = of_sort(s, cleanup)); s++)
                json_array_append_new(list, json_string(s->name));
        return list;
}

static void put_way(struct charm_ask *a, json_t *j) {
        const struct charm_step *after = of_sort(a->step + 1, a->step->flags & CHARM_CLEANUP),
                                *next = a->on ? after : a->next;

        if (after)
                json_object_set_new(j, "after", json_string(after->name));
        if (a->ask)
                json_object_set(j, "ask", a->ask);
        else if (a->fail)
                json_object_set_new(j, "fail", json_string(a->fail));
        else if (next)
                json_object_set_new(j, "next", json_string(next->name));
        else
                json_object_set_new(j, "done", json_true());
}

static void put_answer(struct charm_ask *a, struct buf *out) {
        cleanup_(json_freep) json_t *j = json_object();
        cleanup_(buf_free) struct buf text = BUF_INIT;

        if (!*a->paper.mistake && !has_said(a))
                plan_out_mistake(&a->paper,
                                 "step %s asks for nothing and does not say how it "
                                 "goes on",
                                 a->step->name);
        json_object_set_new(j, "step", json_string(a->step->name));
        json_object_set_new(
                j, "deadline",
                json_integer(a->step->deadline_s ? a->step->deadline_s : CHARM_STEP_DEADLINE_S));
        json_object_set_new(j, "steps", names_of(a->action, false));
        json_object_set_new(j, "cleaning", names_of(a->action, true));
        json_object_set(j, "state", a->state);
        json_object_set(j, "log", a->log);
        json_object_set(j, "results", a->results);
        put_way(a, j);
        json_canonical(j, &text);
        if (text.len > CHARM_STEP_MAX)
                plan_out_mistake(&a->paper, "step %s says %zu bytes, at most %u are taken",
                                 a->step->name, text.len, CHARM_STEP_MAX);
        if (*a->paper.mistake)
                frame_put(out, PLAN_FRAME_REFUSED, a->paper.mistake, strlen(a->paper.mistake));
        else
                frame_put(out, PLAN_FRAME_ANSWER, text.data, text.len);
}

/* ---- running */

/* No step of that sort: all is done. */
static void put_nothing(const struct charm_world *w, const struct charm_action *action,
                        struct buf *out) {
        cleanup_(json_freep) json_t *j =
                json_pack("{s:s, s:i, s:b, s:[], s:{}, s:O, s:o, s:[]}", "step", "end", "deadline",
                          1, "done", true, "log", "results", "state", json_get(w->root, "state"),
                          "steps", names_of(action, false), "cleaning");
        cleanup_(buf_free) struct buf text = BUF_INIT;

        json_canonical(j, &text);
        frame_put(out, PLAN_FRAME_ANSWER, text.data, text.len);
}

static void refuse(struct buf *out, const char *what, const char *name) {
        char text[200];
        int n = snprintf(text, sizeof(text), "there is no %s \"%.60s\"", what, name);

        frame_put(out, PLAN_FRAME_REFUSED, text, (size_t)n);
}

static void call(struct charm_ask *a) {
        const char *outcome = charm_outcome(a->world);

        if (outcome && !str_eq(outcome, "done") && !(a->step->flags & CHARM_ALL))
                return charm_give_up(a, "%s%s%.400s", outcome, *charm_error(a->world) ? ": " : "",
                                     charm_error(a->world));
        a->step->step(a->world, a);
}

static void run(struct charm_world *w, struct charm_ask *a, const struct object_set *objects,
                struct arena *arena, struct buf *out) {
        json_t *state = json_get(w->root, "state");

        plan_out_begin(&a->paper, &w->view, objects, arena);
        w->view.plan = &a->paper;
        a->world = w;
        a->state = state ? json_deep_copy(state) : json_object();
        a->log = json_array();
        a->results = json_object();
        call(a);
        put_answer(a, out);
        json_decref(a->state);
        json_decref(a->log);
        json_decref(a->results);
        json_decref(a->ask);
        plan_out_deinit(&a->paper);
}

void step_run(struct charm_world *w, const struct charm_action *actions,
              const struct object_set *objects, struct arena *arena, struct buf *out) {
        const char *action = json_get_str(w->root, "action", ""),
                   *step = json_get_str(w->root, "step", "");
        bool cleanup = json_get_bool(w->root, "cleanup", false);
        struct charm_ask a = { .action = find_action(actions, action) };

        if (!a.action)
                return refuse(out, "action", action);
        a.step = *step ? find_step(a.action, step) : of_sort(a.action->steps, cleanup);
        if (!a.step && *step)
                return refuse(out, "step", step);
        for (int64_t n = json_get_int(w->root, "skip", 0); a.step && n > 0; n--)
                a.step = of_sort(a.step + 1, cleanup);
        if (!a.step)
                return put_nothing(w, a.action, out);
        run(w, &a, objects, arena, out);
}
