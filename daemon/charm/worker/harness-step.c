/* SPDX-License-Identifier: Apache-2.0 */
/* harness-step.c - see harness-step.h
 *
 * Each world goes to a fresh worker, and then all of them to one: what a step says may depend on
 * nothing but its world. */
#include "harness-step.h"

#include "harness-file.h"
#include "harness-worker.h"
#include "harness.h"
#include "param.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#define STEP_END ".step.json"

struct step_case {
        char *name, *world; /* canonical */
        const struct meta_action *action;
        struct harness_answer first;
        bool good;
};

struct steps {
        const struct harness_options *options;
        const struct charm_meta *meta;
        const char *tests;
        struct step_case *cases;
        size_t count, room, failed;
};

static void fail(struct steps *s, const char *name, const char *text) {
        s->failed++;
        printf("FAILED %s: %s\n", name, text);
}

/* ---- reading */

/* As the daemon checks them before it queues the action. */
static int check_world(const struct steps *s, const json_t *world, const struct meta_action **ret,
                       struct err *err) {
        const char *name = json_get_str(world, "action", "");
        const struct meta_action *a = charm_meta_action(s->meta, name);
        cleanup_(json_freep) json_t *given = json_object(), *made = NULL;
        const json_t *params = json_get(world, "params");
        int r;

        *ret = a;
        if (!a)
                return err_set(err, -EINVAL, "charm.yaml has no action \"%s\"", name);
        r = param_check(a->schema, "parameter", params ? params : given, &made, err);
        if (r >= 0 && params && !json_equal(made, params))
                return err_set(err, -EINVAL, "its parameters lack defaults of charm.yaml");
        return r;
}

static void add_case(struct steps *s, const char *file) {
        cleanup_(freep) char *path = str_format("%s/%s", s->tests, file);
        cleanup_(json_freep) json_t *world = NULL;
        struct step_case *c;
        struct err err = {};
        int r = harness_read_json(path, &world, &err);

        s->cases = mem_grow(s->cases, &s->room, s->count + 1, sizeof(*s->cases));
        c = &s->cases[s->count++];
        *c = (struct step_case){ .name = str_ndup(file, strlen(file) - strlen(STEP_END)) };
        if (r >= 0)
                r = check_world(s, world, &c->action, &err);
        c->world = json_text(world);
        if (r >= 0 && strlen(c->world) > CHARM_WORLD_MAX)
                r = err_set(&err, -E2BIG, "a world has at most %u bytes", CHARM_WORLD_MAX);
        c->good = r >= 0;
        if (r < 0)
                fail(s, c->name, err_text(&err));
}

static int is_step(const struct dirent *e) {
        return e->d_name[0] != '.' && str_ends(e->d_name, STEP_END);
}

static void read_cases(struct steps *s) {
        struct dirent **list = NULL;
        int n = scandir(s->tests, &list, is_step, alphasort);

        for (int i = 0; i < n; i++) {
                add_case(s, list[i]->d_name);
                free(list[i]);
        }
        free(list);
}

/* ---- running */

static void run_fresh(struct steps *s, struct step_case *c) {
        struct harness_worker w;
        struct err err = {};
        int r = harness_worker_start(&w, s->options, &err);

        if (r >= 0) {
                r = harness_worker_step(&w, c->world, strlen(c->world), &c->first, &err);
                if (harness_worker_stop(&w, r < 0 ? NULL : &err) < 0)
                        r = -EFAULT;
        }
        c->good = r >= 0;
        if (r < 0)
                fail(s, c->name, err_text(&err));
}

static int run_again(struct steps *s, struct harness_worker *w, const struct step_case *c) {
        struct harness_answer a = {};
        struct err err = {};
        int r = harness_worker_step(w, c->world, strlen(c->world), &a, &err);

        if (r < 0)
                fail(s, c->name, err_text(&err));
        else if (memcmp(a.digest, c->first.digest, DIGEST_SIZE) != 0)
                fail(s, c->name, "what the step says depends on what ran before it");
        harness_answer_deinit(&a);
        return r;
}

static void run_all_again(struct steps *s) {
        struct harness_worker w;
        struct err err = {};
        int r = harness_worker_start(&w, s->options, &err);

        if (r < 0)
                return fail(s, "steps", err_text(&err));
        for (size_t i = s->count; r >= 0 && i > 0; i--)
                if (s->cases[i - 1].good)
                        r = run_again(s, &w, &s->cases[i - 1]);
        if (harness_worker_stop(&w, &err) < 0 && r >= 0)
                fail(s, "steps", err_text(&err));
}

/* ---- comparing */

static json_t *answer_json(const struct harness_answer *a) {
        const struct step *step = a->step;
        json_t *j = json_object();

        if (!step) {
                json_object_set_new(j, "refused", json_string(a->refused));
                return j;
        }
        json_object_set_new(j, "step", json_string(step->name));
        if (json_object_size(step->state))
                json_object_set(j, "state", step->state);
        if (json_array_size(step->log))
                json_object_set(j, "log", step->log);
        if (json_object_size(step->results))
                json_object_set(j, "results", step->results);
        if (step->ask)
                json_object_set(j, "ask", step->ask);
        if (step->next)
                json_object_set_new(j, "next", json_string(step->next));
        if (step->fail)
                json_object_set_new(j, "fail", json_string(step->fail));
        if (step->done)
                json_object_set_new(j, "done", json_true());
        return j;
}

static int compare(const char *path, const json_t *got, struct err *err) {
        cleanup_(json_freep) json_t *want = NULL;
        cleanup_(freep) char *want_text = NULL, *got_text = NULL;
        int r = harness_read_json(path, &want, err);

        if (r < 0)
                return err_add(err, r, "(--update writes it)");
        if (json_equal(want, got))
                return 0;
        want_text = harness_pretty(want);
        got_text = harness_pretty(got);
        harness_print_difference(want_text, got_text);
        return err_set(err, -EINVAL, "it says something else than in %s", path);
}

static void check(struct steps *s, const struct step_case *c) {
        cleanup_(freep) char *path = str_format("%s/%s.ask.json", s->tests, c->name);
        cleanup_(json_freep) json_t *got = answer_json(&c->first);
        struct err err = {};
        int r = s->options->update ? harness_write(path, got, &err) : compare(path, got, &err);

        if (r >= 0 && c->first.step && c->first.step->ask)
                r = charm_meta_action_asks(c->action, c->first.step->ask, &err);
        if (r < 0)
                fail(s, c->name, err_text(&err));
        else
                printf("ok %s: step %s\n", c->name,
                       c->first.step ? c->first.step->name : c->first.refused);
}

size_t harness_step_run(const struct harness_options *o, const struct charm_meta *meta,
                        const char *tests, size_t *failed) {
        struct steps s = { .options = o, .meta = meta, .tests = tests };

        read_cases(&s);
        for (size_t i = 0; i < s.count; i++)
                if (s.cases[i].good)
                        run_fresh(&s, &s.cases[i]);
        if (s.count)
                run_all_again(&s);
        for (size_t i = 0; i < s.count; i++)
                if (s.cases[i].good)
                        check(&s, &s.cases[i]);
        for (size_t i = 0; i < s.count; i++) {
                free(s.cases[i].name);
                free(s.cases[i].world);
                harness_answer_deinit(&s.cases[i].first);
        }
        free(s.cases);
        *failed += s.failed;
        return s.count;
}
