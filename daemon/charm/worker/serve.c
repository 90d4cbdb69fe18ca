/* SPDX-License-Identifier: Apache-2.0 */
/* serve.c - a worker from start to end: read and check the charm, give up rights, load the
 * module, answer views; see serve.h
 *
 * Blocking and plain. Order matters: all files are read and hashed before the sandbox, the
 * module is loaded from the very descriptor that was hashed, and the first view is read only
 * when both stages are closed. */
#include "serve.h"

#include "charm-dir.h"
#include "file.h"
#include "object.h"
#include "plan-out.h"
#include "plan.h"
#include "sandbox.h"
#include "step-run.h"
#include "view.h"
#include "yaml.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define WORKER_MEMORY                                                                              \
        (512ul << 20) /* address space: a plan of 64 MiB is held twice while it is put together */
/* The daemon ends a worker that used half of it, and waits no longer than that for a plan. */
#define WORKER_CPU_S 20
#define TRIM_ABOVE (1u << 20) /* what a large plan took is given back */

struct serve {
        json_t *meta; /* charm.yaml */
        uint8_t meta_sha256[DIGEST_SIZE];
        struct object_set *objects;
        struct yaml_stream yaml; /* owns META */
        void *library;
        const struct charm *charm;
        struct frame_reader in;
        struct buf out;
        struct arena arena;
};

static void serve_deinit(struct serve *s) {
        frame_reader_deinit(&s->in);
        buf_free(&s->out);
        arena_reset(&s->arena);
        object_free(s->objects);
        yaml_stream_free(&s->yaml);
        if (s->library)
                dlclose(s->library);
}

/* ---- loading */

static int read_dir(const struct serve_options *o, struct charm_dir **ret, struct err *err) {
        if (o->sha256)
                return charm_dir_load(SERVE_FOLDER, o->sha256, ret, err);
        return charm_dir_read(SERVE_FOLDER, o->module ? SERVE_MODULE : -1, o->module, ret, err);
}

static int read_meta(struct serve *s, const struct charm_dir *d, struct err *err) {
        const struct charm_file *f = charm_dir_find(d, "charm.yaml");
        cleanup_(buf_free) struct buf text = BUF_INIT;
        int r = f ? charm_dir_take(SERVE_FOLDER, f, &text, err)
                  : err_set(err, -ENOENT, "there is no charm.yaml");

        if (r < 0)
                return r;
        memcpy(s->meta_sha256, f->sha256, DIGEST_SIZE);
        r = yaml_parse(buf_str(&text), text.len, "charm.yaml", YAML_CORE, &s->yaml, err);
        if (r < 0)
                return r;
        if (s->yaml.count != 1 || !json_is_object(s->yaml.documents[0].root))
                return err_set(err, -EINVAL, "charm.yaml is not one map");
        s->meta = s->yaml.documents[0].root;
        return 0;
}

static int open_module(const struct serve_options *o, const struct charm_dir *d, int *ret,
                       struct err *err) {
        const struct charm_file *f = d->module ? charm_dir_find(d, d->module) : NULL;

        if (!f)
                return err_set(err, -ENOENT, "there is no module in the folder: it was not built");
        if (!o->module)
                return charm_dir_open(SERVE_FOLDER, f, ret, err);
        *ret = dup(SERVE_MODULE); /* hashed by read_dir */
        return *ret < 0 ? err_set(err, -EMFILE, "out of descriptors") : 0;
}

/* What libc and libcrypto read from files or the kernel on first use, they read now. */
static void warm_up(void) {
        static char out[4096];
        uint8_t digest[DIGEST_SIZE];

        digest_sha256("", 0, digest);
        /* qsort asks for the size of memory before its first large sort, and stdio for the kind
         * of file before its first write. */
        {
                cleanup_(json_freep) json_t *j = json_object();
                cleanup_(freep) char *text = NULL;
                char name[16];

                for (int i = 0; i < 300; i++) {
                        snprintf(name, sizeof(name), "%d", i);
                        json_object_set_new(j, name, json_null());
                }
                text = json_text(j);
        }
        setvbuf(stdout, out, _IOLBF, sizeof(out));
}

/* The struct of modules that were built before there were actions. */
#define CHARM_SIZE_FIRST offsetof(struct charm, actions)

static const struct charm_action *actions_of(const struct charm *c) {
        return c->size > CHARM_SIZE_FIRST ? c->actions : NULL;
}

static int check_charm(const struct serve *s, const struct charm_dir *d, struct err *err) {
        const struct charm *c = s->charm;
        cleanup_(freep) char *module = NULL;

        if (c->abi != CHARM_ABI)
                return err_set(err, -EINVAL,
                               "it was built for ABI %u, this is ABI %u: build it again", c->abi,
                               CHARM_ABI);
        if (c->size < CHARM_SIZE_FIRST)
                return err_set(err, -EINVAL,
                               "its struct charm has %u bytes, %zu are wanted: build it again",
                               c->size, CHARM_SIZE_FIRST);
        module = str_format("%s.so", c->name ? c->name : "");
        if (!str_eq(module, d->module) || !str_eq(c->name, json_get_str(s->meta, "name", NULL)))
                return err_set(
                        err, -EINVAL,
                        "it calls itself \"%.60s\", the file is %s, charm.yaml says \"%.60s\"",
                        c->name ? c->name : "", d->module, json_get_str(s->meta, "name", ""));
        if (!c->metadata || memcmp(c->metadata, s->meta_sha256, DIGEST_SIZE) != 0)
                return err_set(err, -ESTALE,
                               "it was built from another charm.yaml: build it again");
        if (!c->plan)
                return err_set(err, -EINVAL, "it has no plan function");
        return step_run_check(actions_of(c), s->meta, err);
}

static int load_module(struct serve *s, const struct charm_dir *d, int fd, struct err *err) {
        char path[32];
        int r;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        s->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!s->library)
                return err_set(err, -ENOEXEC, "%s cannot be loaded: %s", d->module, dlerror());
        s->charm = dlsym(s->library, "charm");
        if (!s->charm)
                return err_set(err, -ENOEXEC, "%s exports no symbol \"charm\"", d->module);
        r = check_charm(s, d, err);
        return r < 0 ? err_add(err, r, "%s", d->module) : 0;
}

static int prepare(struct serve *s, const struct serve_options *o, struct err *err) {
        cleanup_(charm_dir_freep) struct charm_dir *d = NULL;
        cleanup_(closep) int module = -1;
        int r;

        if (!o->module)
                close(SERVE_MODULE); /* the daemon starts this program from that descriptor */
        r = read_dir(o, &d, err);
        if (r >= 0)
                r = read_meta(s, d, err);
        if (r >= 0)
                r = object_load(SERVE_FOLDER, d, s->meta, &s->objects, err);
        if (r >= 0)
                r = open_module(o, d, &module, err);
        if (r < 0)
                return r;
        close(SERVE_FOLDER);
        if (o->module)
                close(SERVE_MODULE);
        warm_up();
        if (o->sandbox)
                r = sandbox_one(module, WORKER_MEMORY, WORKER_CPU_S, err);
        if (r >= 0)
                r = load_module(s, d, module, err);
        closep(&module); /* there is no close in stage two */
        if (r >= 0)
                r = o->sandbox ? sandbox_two(err) : 0;
        return r;
}

/* ---- planning, and steps of actions */

static void refuse(struct serve *s, const struct err *err) {
        frame_put(&s->out, PLAN_FRAME_REFUSED, err->text, strlen(err->text));
}

static void step_once(struct serve *s, const struct frame *f) {
        struct charm_world world;
        struct err err;

        if (step_world_open(&world, f->body, f->len, s->meta, &s->arena, &err) < 0)
                return refuse(s, &err);
        step_run(&world, actions_of(s->charm), s->objects, &s->arena, &s->out);
        step_world_close(&world);
        arena_reset(&s->arena);
}

static void plan_once(struct serve *s, const struct frame *f) {
        struct charm_view view;
        struct charm_plan plan;
        struct err err;

        if (view_open(&view, f->body, f->len, s->meta, &s->arena, &err) < 0)
                return refuse(s, &err);
        plan_out_begin(&plan, &view, s->objects, &s->arena);
        view.plan = &plan;
        s->charm->plan(&view, &plan);
        plan_out_end(&plan, &s->out);
        plan_out_deinit(&plan);
        view_close(&view);
        arena_reset(&s->arena);
}

static void answer(struct serve *s, const struct frame *f) {
        struct err err;

        buf_clear(&s->out);
        if (f->type == PLAN_FRAME_VIEW)
                return plan_once(s, f);
        if (f->type == PLAN_FRAME_STEP)
                return step_once(s, f);
        err_set(&err, -EBADMSG, "a frame of type %d is no view", f->type);
        refuse(s, &err);
}

static int answer_all(struct serve *s) {
        struct frame f;
        int r = 0;

        while (r >= 0) {
                r = frame_read(SERVE_CHANNEL, &s->in, &f, NULL);
                if (r < 0)
                        return r == -EPIPE ? 0 : 1;
                answer(s, &f);
                r = file_write_all(SERVE_CHANNEL, s->out.data, s->out.len);
                if (s->out.len > TRIM_ABOVE) {
                        buf_free(&s->out);
                        malloc_trim(0);
                }
        }
        return 1;
}

int serve_run(const struct serve_options *o) {
        struct serve s = {};
        struct err err = {};
        int r;

        if (o->sandbox && !sandbox_follow((pid_t)o->parent))
                return 1;
        frame_reader_init(&s.in, CHARM_WORLD_MAX);
        r = prepare(&s, o, &err);
        if (r < 0) {
                (void)frame_write(SERVE_CHANNEL, PLAN_FRAME_REFUSED, err.text, strlen(err.text),
                                  NULL);
        } else {
                malloc_trim(0); /* what reading the objects took */
                r = frame_write(SERVE_CHANNEL, PLAN_FRAME_READY, NULL, 0, NULL);
                r = r < 0 ? 1 : answer_all(&s);
        }
        fflush(stdout);
        if (o->sandbox)
                _exit(r ? 1 : 0); /* what runs at exit may make calls that are not there any more */
        serve_deinit(&s);
        return r ? 1 : 0;
}
