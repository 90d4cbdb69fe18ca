/* SPDX-License-Identifier: Apache-2.0 */
/* place.c - one file to an object store or back, its folder listed, old ones deleted; see place.h
 *
 * The verbs are those of provider/s3, which knows both kinds of stores; what it says of a failure
 * is handed on. */
#include "place.h"

#include "clock.h"
#include "provider.h"
#include "s3-target.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE_MS 60000
/* For an upload that failed to be taken back, so that no parts of it stay: as long as the store is
 * given to answer. */
#define ABORT_MS S3_DEADLINE_MS
#define ABORT_STEP_MS 100
#define WAIT_STEP_MS 1000 /* of a loop that has nothing else to do; what comes wakes it at once */

struct place {
        struct loop *loop;
        const struct provider *provider;
        struct target *target;
        char *name, *bucket, *key; /* KEY: of the backup, or of its folder */
        struct op op;
        bool out, streaming;
        void (*then)(struct place *p); /* when OP is done */
        place_fn *done;
        void *arg;
        json_t *ask, *found, *files;
        struct later soon; /* nothing was to be asked */
        struct timer aborting;
        int64_t abort_until;
        char *folder, *file, *prefix;
};

static const char *const kinds[] = { "s3://", "azblob://" };

bool place_named(const char *name) {
        for (size_t i = 0; name && i < ARRAY_SIZE(kinds); i++)
                if (str_starts(name, kinds[i]))
                        return true;
        return false;
}

char *place_join(const char *folder, const char *file) {
        return str_format("%s%s%s", folder, str_ends(folder, "/") ? "" : "/", file);
}

/* ---- the end of each */

static void end(struct place *p, int r, const struct err *err) {
        json_t *found = r < 0 ? NULL : take_ptr(p->found);

        json_decref(take_ptr(p->found));
        p->done(p->arg, r, found, err); /* may close P */
}

static int code_of(enum outcome outcome) {
        switch (outcome) {
        case OUTCOME_GONE:
                return -ENOENT;
        case OUTCOME_DENIED:
                return -EACCES;
        case OUTCOME_UNREACHABLE:
        case OUTCOME_THROTTLED:
        case OUTCOME_NOT_YET:
                return -EAGAIN;
        default:
                return -EIO;
        }
}

static void fail(struct place *p) {
        struct err err = { 0 };

        end(p, err_set(&err, code_of(p->op.outcome), "%s: %s", p->name, err_text(&p->op.err)),
            &err);
}

static void on_op(struct op *op) {
        struct place *p = op->arg;

        p->out = p->streaming = false;
        p->then(p);
}

static void renew(struct place *p, void (*then)(struct place *p)) {
        op_clear(&p->op);
        p->op = (struct op){ .loop = p->loop, .done = on_op, .arg = p };
        p->then = then;
        p->out = true;
}

/* Takes ASK over. */
static void act(struct place *p, const char *verb, json_t *ask, void (*then)(struct place *p)) {
        struct act_request r = { .verb = verb, .within_ms = PAGE_MS };

        json_decref(p->ask);
        p->ask = ask;
        r.ask = ask;
        renew(p, then);
        p->provider->act(p->target, &r, &p->op);
}

static json_t *object_of(const struct place *p, const char *key) {
        return json_pack("{s:s, s:s}", "bucket", p->bucket, "key", key);
}

/* ---- there and back */

static void on_aborting(void *arg) {
        struct place *p = arg;

        if (list_empty(s3_target_pipes(p->target)) || clock_mono() >= p->abort_until)
                return fail(p);
        timer_after(&p->aborting, ABORT_STEP_MS);
}

static void moved(struct place *p) {
        if (p->op.outcome == OUTCOME_DONE)
                return end(p, 0, NULL);
        p->abort_until = clock_mono() + ABORT_MS;
        on_aborting(p);
}

static void move(struct place *p, bool into) {
        struct stream_end object = { .provider = p->provider,
                                     .target = p->target,
                                     .verb = "object" };
        struct stream_end file = { .file = p->file };
        struct stream_request r = { .loop = p->loop,
                                    .folder = p->folder,
                                    .within_ms = PLACE_WITHIN_MS };

        json_decref(p->ask);
        p->ask = object_of(p, p->key);
        object.ask = p->ask;
        r.from = into ? file : object;
        r.to = into ? object : file;
        renew(p, moved);
        p->streaming = true;
        stream_start(&r, &p->op);
}

static void looked(struct place *p) {
        struct err err = { 0 };

        if (p->op.outcome == OUTCOME_DONE)
                return end(p,
                           err_set(&err, -EEXIST, "%s is there already: name another one", p->name),
                           &err);
        if (p->op.outcome != OUTCOME_GONE)
                return fail(p);
        move(p, true);
}

static void set(struct place *p, place_fn *done, void *arg) {
        p->done = done;
        p->arg = arg;
}

void place_put(struct place *p, const char *folder, const char *file, place_fn *done, void *arg) {
        set(p, done, arg);
        str_set(&p->folder, folder);
        str_set(&p->file, file);
        act(p, "head-object", object_of(p, p->key), looked);
}

void place_get(struct place *p, const char *folder, const char *file, place_fn *done, void *arg) {
        set(p, done, arg);
        str_set(&p->folder, folder);
        str_set(&p->file, file);
        move(p, false);
}

/* ---- its folder */

static void list_page(struct place *p, const char *after);

static void add_object(struct place *p, const json_t *object) {
        const char *key = json_get_str(object, "key", "");
        const char *name = str_starts(key, p->key) ? key + strlen(p->key) : "";

        if (*name && !strchr(name, '/'))
                json_array_append_new(p->found,
                                      json_pack("{s:s, s:O*, s:O*}", "file", name, "bytes",
                                                json_get(object, "bytes"), "modified",
                                                json_get(object, "modified")));
}

static void listed(struct place *p) {
        const json_t *objects = json_get(p->op.told, "objects"), *one;
        const char *after = json_get_str(p->op.told, "after", NULL);
        struct err err = { 0 };
        size_t i;

        if (p->op.outcome != OUTCOME_DONE)
                return fail(p);
        json_array_foreach((json_t *)objects, i, one)
                add_object(p, one);
        if (!after)
                return end(p, 0, NULL);
        if (json_array_size(p->found) >= PLACE_NAMES_MAX)
                return end(p,
                           err_set(&err, -E2BIG,
                                   "%s: more than %d files: give it a folder of its own", p->name,
                                   PLACE_NAMES_MAX),
                           &err);
        list_page(p, after);
}

static void list_page(struct place *p, const char *after) {
        cleanup_(freep) char *prefix = str_format("%s%s", p->key, p->prefix);

        act(p, "list-objects",
            json_pack("{s:s, s:s, s:s*}", "bucket", p->bucket, "prefix", prefix, "after", after),
            listed);
}

void place_list(struct place *p, const char *prefix, place_fn *done, void *arg) {
        set(p, done, arg);
        str_set(&p->prefix, prefix);
        json_decref(p->found);
        p->found = json_array();
        list_page(p, NULL);
}

static void remove_next(void *arg);

static void removed(struct place *p) {
        if (p->op.outcome != OUTCOME_DONE)
                return fail(p);
        remove_next(p);
}

static void remove_next(void *arg) {
        struct place *p = arg;
        size_t n = json_array_size(p->files);
        cleanup_(freep) char *key = NULL;

        if (n == 0)
                return end(p, 0, NULL);
        key = str_format("%s%s", p->key, json_string_value(json_array_get(p->files, n - 1)));
        json_array_remove(p->files, n - 1);
        act(p, "delete-object", object_of(p, key), removed);
}

void place_remove(struct place *p, json_t *files, place_fn *done, void *arg) {
        set(p, done, arg);
        json_decref(p->files);
        p->files = files;
        later_run(&p->soon);
}

/* ---- open and close */

static int split(struct place *p, const char *rest, struct err *err) {
        const char *slash = strchr(rest, '/');

        p->bucket = str_ndup(rest, slash ? (size_t)(slash - rest) : strlen(rest));
        p->key = str_dup(slash ? slash + 1 : "");
        if (!*p->bucket || strstr(p->key, "//") || *p->key == '/')
                return err_set(
                        err, -EINVAL,
                        "\"%s\": must be s3://BUCKET/PATH or azblob://ACCOUNT/CONTAINER/PATH",
                        p->name);
        return 0;
}

int place_open(struct loop *l, struct http *h, const struct place_options *o, const char *name,
               struct place **ret, struct err *err) {
        static const struct observer nobody;
        struct place *p = mem_new(struct place);
        cleanup_(json_freep) json_t *config = NULL;
        cleanup_(freep) char *rest = NULL;
        struct target_config target = { .name = name, .http = h, .loop = l };
        int r = place_target(o, name, &config, &rest, err);

        p->loop = l;
        p->name = str_dup(name);
        p->provider = provider_find("s3");
        later_init(&p->soon, l, "backup place", remove_next, p);
        timer_init(&p->aborting, l, "backup place", on_aborting, p);
        if (r >= 0)
                r = split(p, rest, err);
        target.config = config;
        if (r >= 0)
                r = p->provider->open(&target, &nobody, &p->target, err);
        if (config)
                json_wipe(take_ptr(config));
        if (r < 0) {
                place_close(p);
                return r;
        }
        *ret = p;
        return 0;
}

struct place *place_close(struct place *p) {
        if (!p)
                return NULL;
        later_cancel(&p->soon);
        timer_cancel(&p->aborting);
        if (p->out && p->streaming)
                stream_cancel(&p->op);
        else if (p->out)
                p->provider->cancel(&p->op);
        op_clear(&p->op);
        if (p->target)
                p->provider->close(p->target);
        json_decref(p->ask);
        json_decref(p->found);
        json_decref(p->files);
        free(p->name);
        free(p->bucket);
        free(p->key);
        free(p->folder);
        free(p->file);
        free(p->prefix);
        free(p);
        return NULL;
}

/* ---- blocking */

struct waiting {
        bool over;
        int result;
        struct err err;
};

static void fetched(void *arg, int r, json_t *found, const struct err *err) {
        struct waiting *w = arg;

        json_decref(found);
        w->over = true;
        w->result = r;
        if (r < 0)
                w->err = *err;
}

int place_fetch(const struct place_options *o, const char *name, const char *folder,
                const char *file, struct err *err) {
        struct waiting w = {};
        struct loop *l = NULL;
        struct http *h = NULL;
        struct place *p = NULL;
        int r = loop_new(&l, err);

        if (r >= 0)
                r = http_new(l, &h, err);
        if (r >= 0)
                r = place_open(l, h, o, name, &p, err);
        if (r >= 0) {
                place_get(p, folder, file, fetched, &w);
                while (!w.over)
                        loop_step(l, WAIT_STEP_MS);
                r = w.result;
                if (r < 0)
                        *err = w.err;
        }
        place_close(p);
        if (l)
                loop_finish_jobs(l);
        http_free(h);
        loop_free(l);
        return r;
}
