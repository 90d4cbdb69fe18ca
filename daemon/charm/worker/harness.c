/* SPDX-License-Identifier: Apache-2.0 */
/* harness.c - view in, plan out; see harness.h */
#include "harness.h"

#include "harness-action.h"
#include "harness-check.h"
#include "harness-file.h"
#include "harness-round.h"
#include "interface.h"

#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdlib.h>

#define VIEW_END ".view.json"

struct harness_case {
        char *name;                  /* "active" */
        char *view;                  /* canonical, */
        json_t *value;               /* and as a value */
        struct harness_answer first; /* of a fresh worker */
        bool good;
};

struct harness {
        const struct harness_options *options;
        char *tests; /* folder */
        struct charm_meta *meta;
        struct harness_case *cases;
        size_t count, room;
        size_t failed;
        json_t *unknown; /* interfaces without a schema */
        bool planned;    /* one at least was not refused */
        json_t *asked;   /* secrets that any plan asked for: {"label/field": true} */
};

static void harness_deinit(struct harness *h) {
        for (size_t i = 0; i < h->count; i++) {
                free(h->cases[i].name);
                free(h->cases[i].view);
                json_decref(h->cases[i].value);
                harness_answer_deinit(&h->cases[i].first);
        }
        free(h->cases);
        free(h->tests);
        charm_meta_free(h->meta);
        json_decref(h->unknown);
        json_decref(h->asked);
}

static int fail(struct harness *h, const struct harness_case *c, const char *fmt, ...)
        printf_(3, 4);
static int fail(struct harness *h, const struct harness_case *c, const char *fmt, ...) {
        va_list ap;

        h->failed++;
        printf("FAILED %s: ", c->name);
        va_start(ap, fmt);
        vprintf(fmt, ap);
        va_end(ap);
        printf("\n");
        return -EINVAL;
}

/* ---- reading */

static int add_case(struct harness *h, const char *name, struct err *err) {
        cleanup_(freep) char *path = str_format("%s/%s" VIEW_END, h->tests, name);
        json_t *view = NULL;
        struct harness_case *c;
        int r = harness_read_json(path, &view, err);

        if (r < 0)
                return r;
        h->cases = mem_grow(h->cases, &h->room, h->count + 1, sizeof(*h->cases));
        c = &h->cases[h->count++];
        *c = (struct harness_case){ .name = str_dup(name), .view = json_text(view), .value = view };
        if (strlen(c->view) > CHARM_VIEW_MAX)
                return err_set(err, -E2BIG, "%s: a view has at most %u bytes", path,
                               CHARM_VIEW_MAX);
        return 0;
}

static int read_cases(struct harness *h, struct err *err) {
        cleanup_(json_freep) json_t *names = harness_list(h->tests, VIEW_END);
        size_t i;
        json_t *name;
        int r = 0;

        if (!json_array_size(names))
                return err_set(err, -ENOENT, "there is no %s/*%s", h->tests, VIEW_END);
        json_array_foreach(names, i, name)
                if (r >= 0)
                        r = add_case(h, json_string_value(name), err);
        return r;
}

/* ---- a plan as a file */

static json_t *documents_json(const struct plan *p) {
        json_t *list = json_array();

        for (size_t i = 0; i < p->doc_count; i++) {
                json_t *document = NULL, *entry = json_object();

                (void)json_parse(p->docs[i].text, p->docs[i].len, &document, NULL);
                json_object_set_new(entry, "label", json_string(p->docs[i].label));
                if (p->docs[i].target)
                        json_object_set_new(entry, "target", json_string(p->docs[i].target));
                json_object_set_new(entry, "document", document ? document : json_null());
                json_array_append_new(list, entry);
        }
        return list;
}

static json_t *files_json(const struct plan *p) {
        json_t *list = json_array();

        for (size_t i = 0; i < p->file_count; i++)
                json_array_append_new(
                        list, json_pack("{s:s, s:s, s:O?}", "label", p->files[i].label, "resource",
                                        p->files[i].resource, "edits", p->files[i].edits));
        return list;
}

/* Empty parts are left out: a small plan is a small file. */
static void set_part(json_t *j, const char *name, json_t *part) {
        if (json_object_size(part) || json_array_size(part) || json_is_string(part))
                json_object_set(j, name, part);
        json_decref(part);
}

static json_t *answer_json(const struct harness_answer *a) {
        const struct plan *p = a->plan;
        json_t *j = json_object();

        if (!p) {
                json_object_set_new(j, "refused", json_string(a->refused));
                return j;
        }
        set_part(j, "status", p->status ? json_string(p->status) : NULL);
        set_part(j, "message", p->message ? json_string(p->message) : NULL);
        set_part(j, "version", p->version ? json_string(p->version) : NULL);
        set_part(j, "tell", json_incref(p->tell));
        set_part(j, "secrets", json_incref(p->secrets));
        set_part(j, "targets", json_incref(p->targets));
        set_part(j, "see", json_incref(p->see));
        set_part(j, "needs", json_incref(p->needs));
        set_part(j, "keep", json_incref(p->keep));
        set_part(j, "sign", json_incref(p->sign));
        set_part(j, "documents", documents_json(p));
        set_part(j, "files", files_json(p));
        return j;
}

/* ---- running */

static int plan_fresh(struct harness *h, struct harness_case *c) {
        struct harness_worker w;
        struct err err;
        int r = harness_worker_start(&w, h->options, &err);

        if (r < 0)
                return fail(h, c, "%s", err_text(&err));
        r = harness_worker_plan(&w, c->view, strlen(c->view), &c->first, &err);
        if (r < 0)
                fail(h, c, "%s", err_text(&err));
        if (harness_worker_stop(&w, &err) < 0 && r >= 0)
                r = fail(h, c, "at the worker's end: %s", err_text(&err));
        return r;
}

static int plan_old(struct harness *h, struct harness_worker *w, struct harness_case *c) {
        struct harness_answer a;
        struct err err;
        int r;

        if (!c->good)
                return 0;
        r = harness_worker_plan(w, c->view, strlen(c->view), &a, &err);
        if (r < 0) {
                fail(h, c, "from a worker that planned others before: %s", err_text(&err));
        } else if (memcmp(a.digest, c->first.digest, DIGEST_SIZE) != 0) {
                cleanup_(json_freep) json_t *fresh = answer_json(&c->first), *old = answer_json(&a);
                cleanup_(freep) char *fresh_text = harness_pretty(fresh),
                                     *old_text = harness_pretty(old);

                c->good = false;
                fail(h, c,
                     "the plan depends on what was planned before (- fresh worker, + old one):");
                harness_print_difference(fresh_text, old_text);
        }
        harness_answer_deinit(&a);
        return r;
}

/* Forwards and backwards, so that each view has every other before it once. */
static void plan_all_old(struct harness *h) {
        struct harness_worker w;
        struct err err;
        int r = harness_worker_start(&w, h->options, &err);

        if (r < 0) {
                h->failed++;
                printf("FAILED %s\n", err_text(&err));
                return;
        }
        for (size_t i = 0; r >= 0 && i < 2 * h->count; i++)
                r = plan_old(h, &w, &h->cases[i < h->count ? i : 2 * h->count - 1 - i]);
        if (harness_worker_stop(&w, &err) < 0 && r >= 0) {
                h->failed++;
                printf("FAILED at the worker's end: %s\n", err_text(&err));
        }
}

/* A test of a refusal has a plan file that says so; it is written by hand first. */
static bool expects_refusal(const char *path) {
        cleanup_(json_freep) json_t *want = NULL;
        struct err err;

        return harness_read_json(path, &want, &err) >= 0 && json_get(want, "refused");
}

/* As the daemon would before it made anything of it. */
static int judge(struct harness *h, const struct harness_case *c, const char *path,
                 struct err *err) {
        const struct plan *p = c->first.plan;
        const char *model = json_get_str(c->value, "model", "");
        int r = harness_check_view(h->meta, c->value, err);

        if (r >= 0 && p)
                r = interface_check_tell(json_get(c->value, "relations"), p->tell, h->unknown, err);
        if (r >= 0 && p)
                r = harness_check_secrets(p, model, err);
        if (r >= 0 && p)
                r = harness_check_documents(p, err);
        if (r >= 0 && !p && !expects_refusal(path))
                r = err_set(err, -EINVAL, "the plan is refused: %s", c->first.refused);
        h->planned = h->planned || p;
        return r < 0 || !p ? r : harness_round_check(h->options, c->value, p, h->asked, err);
}

static void check_plan(struct harness *h, struct harness_case *c) {
        cleanup_(freep) char *path = str_format("%s/%s.plan.json", h->tests, c->name);
        cleanup_(json_freep) json_t *got = answer_json(&c->first);
        const struct plan *p = c->first.plan;
        struct err err;
        int r = judge(h, c, path, &err);

        if (r >= 0)
                r = harness_hold(path, got, h->options->update, &err);
        if (r < 0) {
                fail(h, c, "%s", err_text(&err));
                return;
        }
        printf("ok %s: %zu documents, %zu bytes%s%s\n", c->name, p ? p->doc_count : 0,
               c->first.bytes, p ? "" : ", refused: ", p ? "" : c->first.refused);
}

static void print_unknown(const struct harness *h) {
        size_t i;
        json_t *j;

        json_array_foreach(h->unknown, i, j)
                printf("note: interface %s has no schema; what is told over it is not checked\n",
                       json_string_value(j));
}

/* A rule that no secret fits would say nothing, and nothing would be rotated. */
static void check_rotation(struct harness *h) {
        const char *rule, *name;
        json_t *policy, *yes;

        json_object_foreach(h->planned ? h->meta->secrets : NULL, rule, policy) {
                bool fits = false;

                json_object_foreach(h->asked, name, yes)
                        fits = fits || fnmatch(rule, name, 0) == 0;
                if (fits)
                        continue;
                h->failed++;
                printf("FAILED charm.yaml: secrets: no plan of the tests asks for a secret %s\n",
                       rule);
        }
}

static void run_actions(struct harness *h) {
        struct harness_action a = { .options = h->options, .meta = h->meta, .tests = h->tests };

        harness_action_test(&a);
        h->failed += a.failed;
        printf("%zu views, ", h->count);
        if (a.steps)
                printf("%zu steps, ", a.steps);
        if (a.runs)
                printf("%zu runs, ", a.runs);
        printf("%zu failed\n", h->failed);
}

int harness_run(const struct harness_options *o) {
        struct harness h = { .options = o,
                             .tests = str_format("%s/tests", o->folder),
                             .unknown = json_array(),
                             .asked = json_object() };
        struct err err;
        int r;

        signal(SIGPIPE, SIG_IGN); /* a worker that crashed is told by its status */
        r = harness_check_meta(o->folder, &h.meta, &err);
        if (r >= 0)
                r = read_cases(&h, &err);
        if (r < 0) {
                fprintf(stderr, "mooring-charm: %s\n", err_text(&err));
                harness_deinit(&h);
                return 1;
        }
        for (size_t i = 0; i < h.count; i++)
                h.cases[i].good = plan_fresh(&h, &h.cases[i]) >= 0;
        plan_all_old(&h);
        for (size_t i = 0; i < h.count; i++)
                if (h.cases[i].good)
                        check_plan(&h, &h.cases[i]);
        print_unknown(&h);
        check_rotation(&h);
        run_actions(&h);
        r = h.failed ? 1 : 0;
        harness_deinit(&h);
        return r;
}
