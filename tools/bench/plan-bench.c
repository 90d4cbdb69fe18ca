/* SPDX-License-Identifier: Apache-2.0 */
/* plan-bench.c - plans a second through the sandboxed worker, beside the same work in one
 * process, in the same run
 *
 *     plan-bench --charm-dir DIR --charm NAME --view FILE --worker mooring-charm
 *                [--rounds N] [--seconds S] [--applications N] [--decode]
 *
 * Every view is another: the application's name counts up, so that every document that bears it
 * is new too. Both ways do the
 * same: write the view, read it, plan, write the frames, check hashes and canonical form
 * (--decode: read each document as well). One application has one call at a time, as in the
 * daemon: several of them (--applications) keep their worker at work, one alone waits for two
 * processes to wake at each plan, which is printed too. The ways alternate; printed are the
 * medians, their ratio and the plan's size.
 * Figures of the issue: at least 2,000 a second, and 50 % of the one process. Release build,
 * please. */
#include "charm-dir.h"
#include "charm-host.h"
#include "charm-meta.h"
#include "clock.h"
#include "object.h"
#include "opt.h"
#include "plan-out.h"
#include "view.h"
#include "yaml.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUNDS_MAX 99
#define APPLICATIONS_MAX 64

struct setting {
        char *charm_dir, *charm, *view, *worker;
        int64_t rounds, seconds, applications;
        bool decode;
};

static const struct opt table[] = {
        { "charm-dir", 0, OPT_PATH, offsetof(struct setting, charm_dir), NULL, 0, 0, "DIR",
          OPT_ARGS_ONLY | OPT_REQUIRED, NULL, "folder of built charms" },
        { "charm", 0, OPT_STRING, offsetof(struct setting, charm), "hello", 0, 0, "NAME",
          OPT_ARGS_ONLY, NULL, "which one" },
        { "view", 0, OPT_PATH, offsetof(struct setting, view), NULL, 0, 0, "FILE",
          OPT_ARGS_ONLY | OPT_REQUIRED, NULL, "one of its tests/*.view.json" },
        { "worker", 0, OPT_PATH, offsetof(struct setting, worker), NULL, 0, 0, "FILE",
          OPT_ARGS_ONLY | OPT_REQUIRED, NULL, "the mooring-charm program" },
        { "rounds", 0, OPT_INT, offsetof(struct setting, rounds), "5", 1, ROUNDS_MAX, "N",
          OPT_ARGS_ONLY, NULL, "rounds of both ways" },
        { "seconds", 0, OPT_INT, offsetof(struct setting, seconds), "2", 1, 600, "S", OPT_ARGS_ONLY,
          NULL, "length of each way in a round" },
        { "applications", 0, OPT_INT, offsetof(struct setting, applications), "8", 1,
          APPLICATIONS_MAX, "N", OPT_ARGS_ONLY, NULL,
          "of one charm and model, planned for at once" },
        { "decode", 0, OPT_BOOL, offsetof(struct setting, decode), "false", 0, 0, NULL,
          OPT_ARGS_ONLY, NULL, "reads each document into a tree as well" },
        {},
};

struct bench;
struct application {
        struct charm_call call;
        struct buf text; /* its view */
        struct bench *bench;
};

struct bench {
        const struct setting *setting;
        json_t *view;
        int64_t number;          /* of the next view */
        size_t documents, bytes; /* of the last plan */
        size_t view_bytes;       /* of the last view */
        /* through the worker */
        struct loop *loop;
        struct charm_host *host;
        struct application applications[APPLICATIONS_MAX];
        int64_t planned, ends; /* plans that came; no view is sent from then on */
        size_t under_way;
        int r;
        struct err err;
        /* in one process */
        struct buf text; /* the view */
        struct yaml_stream yaml;
        struct object_set *objects;
        const struct charm *charm;
        struct arena arena;
        struct plan_reader reader;
        struct buf frames;
};

static void write_view(struct bench *b, struct buf *text) {
        char name[24];

        snprintf(name, sizeof(name), "app-%lld", (long long)b->number++);
        json_object_set_new(b->view, "application", json_string(name));
        buf_clear(text);
        json_canonical(b->view, text);
        b->view_bytes = text->len;
}

static void take_plan(struct bench *b, struct plan *p) {
        b->documents = p->doc_count;
        b->bytes = 0;
        for (size_t i = 0; i < p->doc_count; i++) {
                json_t *j = NULL;

                b->bytes += p->docs[i].len;
                if (b->setting->decode)
                        (void)json_parse(p->docs[i].text, p->docs[i].len, &j, NULL);
                json_decref(j);
        }
        plan_free(p);
}

/* ---- through the worker */

static void ask(struct application *a) {
        struct bench *b = a->bench;

        write_view(b, &a->text);
        a->call.view = a->text.data;
        a->call.view_len = a->text.len;
        b->under_way++;
        charm_host_plan(b->host, &a->call);
}

static void on_done(struct charm_call *c, int r, struct plan *plan, const struct err *err) {
        struct application *a = c->arg;
        struct bench *b = a->bench;

        b->under_way--;
        b->planned++;
        if (r < 0) {
                b->r = r;
                b->err = *err;
                return;
        }
        take_plan(b, plan);
        if (b->r == 0 && clock_mono_us() < b->ends)
                ask(a);
}

static int by_worker(struct bench *b, int64_t applications, double *ret, struct err *err) {
        int64_t began = clock_mono_us();

        b->ends = began + b->setting->seconds * 1000000;
        b->planned = 0;
        for (int64_t i = 0; i < applications; i++)
                ask(&b->applications[i]);
        while (b->under_way)
                loop_step(b->loop, 1000);
        *ret = (double)b->planned * 1e6 / (double)(clock_mono_us() - began);
        return b->r < 0 ? err_set(err, b->r, "%s", err_text(&b->err)) : 0;
}

/* ---- in one process */

static int plan_here(struct bench *b, struct err *err) {
        struct charm_view view;
        struct charm_plan out;
        struct plan *p = NULL;
        int r;

        write_view(b, &b->text);
        r = view_open(&view, b->text.data, b->text.len, b->yaml.documents[0].root, &b->arena, err);
        if (r < 0)
                return r;
        plan_out_begin(&out, &view, b->objects, &b->arena);
        view.plan = &out;
        b->charm->plan(&view, &out);
        buf_clear(&b->frames);
        plan_out_end(&out, &b->frames);
        plan_out_deinit(&out);
        view_close(&view);
        arena_reset(&b->arena);
        plan_reader_feed(&b->reader, b->frames.data, b->frames.len);
        r = plan_reader_next(&b->reader, &p, err);
        if (r != PLAN_WHOLE)
                return r < 0 ? r : -EINVAL;
        take_plan(b, p);
        return 0;
}

/* ---- setting up */

static int read_view(struct bench *b, struct err *err) {
        cleanup_(fclosep) FILE *f = fopen(b->setting->view, "re");
        cleanup_(buf_free) struct buf text = BUF_INIT;
        char part[16384];
        size_t n;

        if (!f)
                return err_set(err, -errno, "%s: %s", b->setting->view, strerror(errno));
        while ((n = fread(part, 1, sizeof(part), f)) > 0)
                buf_add(&text, part, n);
        return json_parse(buf_str(&text), text.len, &b->view, err);
}

static int open_here(struct bench *b, const char *folder, struct err *err) {
        cleanup_(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cleanup_(freep) char *module = str_format("%s/%s.so", folder, b->setting->charm);
        cleanup_(charm_dir_freep) struct charm_dir *d = NULL;
        cleanup_(buf_free) struct buf text = BUF_INIT;
        static const struct frame ready = { .type = PLAN_FRAME_READY };
        void *library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
        int r = library ? charm_dir_read(fd, -1, NULL, &d, err)
                        : err_set(err, -ENOEXEC, "%s", dlerror());

        if (r >= 0)
                r = charm_dir_take(fd, charm_dir_find(d, "charm.yaml"), &text, err);
        if (r >= 0)
                r = yaml_parse(text.data, text.len, "charm.yaml", YAML_CORE, &b->yaml, err);
        if (r >= 0)
                r = object_load(fd, d, b->yaml.documents[0].root, &b->objects, err);
        if (r < 0)
                return r;
        b->charm = dlsym(library, "charm");
        plan_reader_init(&b->reader);
        frame_put(&b->frames, ready.type, NULL, 0);
        plan_reader_feed(&b->reader, b->frames.data, b->frames.len);
        return plan_reader_next(&b->reader, &(struct plan *){ NULL }, err) == PLAN_READY ? 0
                                                                                         : -EINVAL;
}

static int open_host(struct bench *b, const char *state, struct err *err) {
        const char *dirs[] = { b->setting->charm_dir, NULL };
        struct charm_host_options o = { .state_dir = state,
                                        .charm_dirs = dirs,
                                        .worker = b->setting->worker,
                                        .sandbox = true };
        const struct charm_offer *offer;
        int r = loop_new(&b->loop, err);

        if (r >= 0)
                r = charm_host_new(b->loop, &o, &b->host, err);
        if (r >= 0)
                r = charm_host_scan(b->host, err);
        if (r >= 0)
                r = charm_host_find(b->host, b->setting->charm, NULL, -1, &offer, err);
        if (r >= 0)
                r = charm_host_pin(b->host, offer, err);
        if (r < 0)
                return r;
        for (int i = 0; i < APPLICATIONS_MAX; i++) {
                struct application *a = &b->applications[i];

                a->bench = b;
                memcpy(a->call.sha256, offer->sha256, sizeof(a->call.sha256));
                a->call.application = i;
                a->call.done = on_done;
                a->call.arg = a;
        }
        return open_here(b, offer->folder, err);
}

static void bench_deinit(struct bench *b) {
        charm_host_free(b->host);
        loop_free(b->loop);
        json_decref(b->view);
        object_free(b->objects);
        yaml_stream_free(&b->yaml);
        arena_reset(&b->arena);
        plan_reader_deinit(&b->reader);
        buf_free(&b->frames);
        buf_free(&b->text);
        for (int i = 0; i < APPLICATIONS_MAX; i++)
                buf_free(&b->applications[i].text);
}

/* ---- measuring */

static int here(struct bench *b, double *ret, struct err *err) {
        int64_t began = clock_mono_us(), ends = began + b->setting->seconds * 1000000, n = 0;
        int r = 0;

        while (r >= 0 && clock_mono_us() < ends) {
                r = plan_here(b, err);
                n++;
        }
        *ret = (double)n * 1e6 / (double)(clock_mono_us() - began);
        return r;
}

static int compare_numbers(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

static double median(double *numbers, size_t n) {
        qsort(numbers, n, sizeof(*numbers), compare_numbers);
        return numbers[n / 2];
}

static int run(struct bench *b, struct err *err) {
        double worker[ROUNDS_MAX], one[ROUNDS_MAX], local[ROUNDS_MAX], ratio[ROUNDS_MAX], share;
        const struct setting *s = b->setting;
        size_t n = (size_t)s->rounds;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = by_worker(b, s->applications, &worker[i], err);
                if (r >= 0)
                        r = by_worker(b, 1, &one[i], err);
                if (r >= 0)
                        r = here(b, &local[i], err);
                ratio[i] = r < 0 ? 0 : worker[i] / local[i];
        }
        if (r < 0)
                return r;
        printf("plan of %s: %zu documents, %zu bytes; view %zu bytes; each view another%s\n",
               s->charm, b->documents, b->bytes, b->view_bytes,
               s->decode ? "; documents decoded" : "");
        share = median(ratio, n);
        printf("through the worker   %8.0f /s (wanted: 2000), %lld applications\n",
               median(worker, n), (long long)s->applications);
        printf("  one application    %8.0f /s\n", median(one, n));
        printf("in one process       %8.0f /s\n", median(local, n));
        printf("ratio                %8.2f    (wanted: 0.50)\n", share);
        return 0;
}

int main(int argc, char **argv) {
        struct setting s = {};
        struct bench b = { .setting = &s };
        char state[] = "/tmp/mooring-bench-XXXXXX";
        cleanup_(freep) char *remove = NULL;
        struct err err = {};
        int count = argc - 1, r = opt_defaults(table, &s, &err);

        signal(SIGPIPE, SIG_IGN);
        if (r >= 0)
                r = opt_from_args(table, &s, &count, argv + 1, &err);
        if (r >= 0 && !mkdtemp(state))
                r = err_set(&err, -errno, "%s: %s", state, strerror(errno));
        if (r >= 0)
                r = read_view(&b, &err);
        if (r >= 0)
                r = open_host(&b, state, &err);
        if (r >= 0)
                r = run(&b, &err);
        if (r < 0)
                fprintf(stderr, "plan-bench: %s\n", err_text(&err));
        bench_deinit(&b);
        opt_deinit(table, &s);
        remove = str_format("chmod -R u+w %s && rm -rf %s", state, state);
        if (system(remove) != 0)
                fprintf(stderr, "plan-bench: %s is left\n", state);
        return r < 0 ? 1 : 0;
}
