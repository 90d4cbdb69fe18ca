/* SPDX-License-Identifier: Apache-2.0 */
/* harness.c - view in, plan out; see harness.h */
#include "harness.h"

#include "harness-check.h"
#include "harness-file.h"
#include "harness-step.h"
#include "harness-worker.h"
#include "interface.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#define VIEW_END ".view.json"

struct harness_case {
        char *name;                  /* "active" */
        char *view;                  /* canonical */
        json_t *config, *relations;  /* of the view */
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
};

static void harness_deinit(struct harness *h) {
        for (size_t i = 0; i < h->count; i++) {
                free(h->cases[i].name);
                free(h->cases[i].view);
                json_decref(h->cases[i].config);
                json_decref(h->cases[i].relations);
                harness_answer_deinit(&h->cases[i].first);
        }
        free(h->cases);
        free(h->tests);
        charm_meta_free(h->meta);
        json_decref(h->unknown);
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

static int add_case(struct harness *h, const char *file, struct err *err) {
        cleanup_(freep) char *path = str_format("%s/%s", h->tests, file);
        cleanup_(json_freep) json_t *view = NULL;
        struct harness_case *c;
        int r = harness_read_json(path, &view, err);

        if (r < 0)
                return r;
        h->cases = mem_grow(h->cases, &h->room, h->count + 1, sizeof(*h->cases));
        c = &h->cases[h->count++];
        *c = (struct harness_case){ .name = str_ndup(file, strlen(file) - strlen(VIEW_END)),
                                    .view = json_text(view),
                                    .config = json_incref(json_get(view, "config")),
                                    .relations = json_incref(json_get(view, "relations")) };
        if (strlen(c->view) > CHARM_VIEW_MAX)
                return err_set(err, -E2BIG, "%s: a view has at most %u bytes", path,
                               CHARM_VIEW_MAX);
        return 0;
}

static int is_view(const struct dirent *e) {
        return e->d_name[0] != '.' && str_ends(e->d_name, VIEW_END);
}

static int read_cases(struct harness *h, struct err *err) {
        struct dirent **list = NULL;
        int n = scandir(h->tests, &list, is_view, alphasort), r = 0;

        if (n <= 0)
                r = err_set(err, -ENOENT, "there is no %s/*%s", h->tests, VIEW_END);
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = add_case(h, list[i]->d_name, err);
                free(list[i]);
        }
        free(list);
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
        set_part(j, "documents", documents_json(p));
        set_part(j, "files", files_json(p));
        return j;
}

/* ---- comparing */

static int compare(struct harness *h, struct harness_case *c, const char *path, const json_t *got) {
        cleanup_(json_freep) json_t *want = NULL;
        cleanup_(freep) char *want_text = NULL, *got_text = NULL;
        struct err err;

        if (harness_read_json(path, &want, &err) < 0)
                return fail(h, c, "%s (--update writes it)", err_text(&err));
        want_text = json_text(want);
        got_text = json_text(got);
        if (str_eq(want_text, got_text))
                return 0;
        free(want_text);
        free(got_text);
        want_text = harness_pretty(want);
        got_text = harness_pretty(got);
        fail(h, c, "the plan is another than in %s:", path);
        harness_print_difference(want_text, got_text);
        return -EINVAL;
}

static int write_plan(struct harness *h, struct harness_case *c, const char *path,
                      const json_t *got) {
        struct err err;

        return harness_write(path, got, &err) < 0 ? fail(h, c, "%s", err_text(&err)) : 0;
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

static void check_plan(struct harness *h, struct harness_case *c) {
        cleanup_(freep) char *path = str_format("%s/%s.plan.json", h->tests, c->name);
        cleanup_(json_freep) json_t *got = answer_json(&c->first);
        const struct plan *p = c->first.plan;
        struct err err;
        int r = harness_check_config(h->meta, c->config, &err);

        if (r >= 0)
                r = harness_check_relations(h->meta, c->relations, &err);
        if (r >= 0 && p)
                r = interface_check_tell(c->relations, p->tell, h->unknown, &err);
        if (r >= 0 && p)
                r = harness_check_documents(p, &err);
        if (r >= 0 && !p && !expects_refusal(path))
                r = err_set(&err, -EINVAL, "the plan is refused: %s", c->first.refused);
        if (r < 0)
                r = fail(h, c, "%s", err_text(&err));
        else
                r = h->options->update ? write_plan(h, c, path, got) : compare(h, c, path, got);
        if (r < 0)
                return;
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

int harness_run(const struct harness_options *o) {
        struct harness h = { .options = o,
                             .tests = str_format("%s/tests", o->folder),
                             .unknown = json_array() };
        struct err err;
        size_t steps;
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
        steps = harness_step_run(o, h.meta, h.tests, &h.failed);
        if (steps)
                printf("%zu views, %zu steps, %zu failed\n", h.count, steps, h.failed);
        else
                printf("%zu views, %zu failed\n", h.count, h.failed);
        r = h.failed ? 1 : 0;
        harness_deinit(&h);
        return r;
}
