/* SPDX-License-Identifier: Apache-2.0 */
/* preview.c - which objects an application's plan would make, change or let go, under rows that a
 * command wrote and takes back (refresh --dry-run)
 *
 *   inside the transaction: the view ──▶ plan (charm worker) ──▶ prepare (job) ──▶ compared
 *
 * Nothing is kept: no rows, no secrets. A secret that the new charm asks for and that is not there
 * is given a token of nothing, and the charm is asked once more with it. What the plan looks like
 * is compared with what is wanted now, document by document; for each that differs the outside is
 * asked what it would answer (trial.c). */
#include "application.h"
#include "trial.h"

#include "interface.h"
#include "lookup.h"

#include <stdlib.h>

#define SLICE                                                                                      \
        50 /* documents of one turn of the loop: half a millisecond when each is another one */

static void tell_slice(void *arg);

struct preview {
        struct reconcile *rec;
        struct application_work *work;
        struct list link; /* while it is under way */
        struct later ask;
        struct later slice;
        size_t told;         /* of the plan's documents, and then of what is wanted now */
        struct trial *trial; /* until it is started */
        bool again;
        uint8_t view[DIGEST_SIZE];
        json_t *lines;
        void (*done)(void *arg, json_t *lines);
        void *arg;
};

struct preview *preview_new(struct reconcile *rec) {
        struct preview *p = mem_new(struct preview);

        p->rec = rec;
        p->lines = json_array();
        list_init(&p->link);
        return p;
}

struct preview *preview_free(struct preview *p) {
        if (!p)
                return NULL;
        list_unlink(&p->link);
        later_cancel(&p->ask);
        later_cancel(&p->slice);
        trial_free(p->trial);
        application_work_free(p->work);
        json_decref(p->lines);
        free(p);
        return NULL;
}

/* Of all that the plan is made of, but what is seen of the objects. */
static void digest_view(struct preview *p) {
        const struct application_work *w = p->work;
        cleanup_(buf_free) struct buf b = BUF_INIT;

        buf_printf(&b, "%s\n", w->charm_sha256 ? w->charm_sha256 : "");
        json_canonical(w->view, &b);
        json_canonical(w->model_options, &b);
        for (size_t i = 0; i < w->want_count; i++) {
                buf_puts(&b, w->wants[i].label);
                buf_add(&b, w->wants[i].document, DIGEST_SIZE);
        }
        digest_sha256(b.data, b.len, p->view);
}

int preview_read(struct preview *p, struct tx *tx, const char *model, const char *application,
                 struct err *err) {
        const struct q_application_row *a;
        const struct q_model_row *m;
        int r = lookup_model(tx, model, &m, err);

        p->work = application_work_free(p->work);
        if (r >= 0)
                r = lookup_application(tx, m, application, &a, err);
        if (r < 0)
                return r;
        p->work = mem_new(struct application_work);
        list_init(&p->work->link);
        p->work->rec = p->rec;
        p->work->id = a->id;
        p->work->call.arg = p->work;
        r = application_view_run(tx, &p->work->call, err);
        if (r >= 0)
                digest_view(p);
        return r;
}

const uint8_t *preview_view(const struct preview *p) {
        return p->view;
}

static void end(struct preview *p) {
        p->done(p->arg, take_ptr(p->lines));
        preview_free(p);
}

/* ---- what differs */

/* An object outside: DO is what becomes of it, and the text says it. */
static json_t *tell(struct preview *p, const char *what, const char *type, const char *path,
                    const char *more) {
        json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s}", "change", "object", "application",
                                 p->work->name, "do", what, "type", type, "path", path);

        json_object_set_new(line, "text", json_sprintf("%s %s %s%s", what, type, path, more));
        json_array_append_new(p->lines, line);
        return line;
}

/* Of the plan as a whole. */
static json_t *tell_whole(struct preview *p, const char *text) {
        json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "change", "object",
                                 "application", p->work->name, "do", text, "type", "plan", "path",
                                 p->work->name, "text", text);

        json_array_append_new(p->lines, line);
        return line;
}

static void add_seen(json_t *line, const struct world_resource *r) {
        cleanup_(freep) char *seen = r ? resource_seen_text(r) : str_dup("no row");

        json_object_set_new(line, "seen", json_string(seen));
}

static int64_t target_of(const struct preview *p, const struct prepared *d) {
        struct map_entry *e;

        if (!d->target)
                return p->work->target;
        for (size_t i = 0; (e = map_next(&p->rec->world.targets, &i));) {
                const struct world_target *t = e->value;

                if (t->application == p->work->id && str_eq(t->label, d->target))
                        return t->id;
        }
        return 0;
}

static void tell_doc(struct preview *p, struct prepared *d) {
        const struct world_want *want =
                world_want_in(p->work->wants, p->work->want_count, d->label);
        const struct world_resource *r = NULL;
        char hex[DIGEST_HEX_SIZE];
        int64_t target;
        json_t *line;

        if (want && memcmp(want->document, d->mark, DIGEST_SIZE) == 0)
                return;
        target = target_of(p, d);
        r = target ? world_resource_at(&p->rec->world, target, d->identity.type, d->identity.path)
                   : NULL;
        line = tell(p, want ? "change" : "make", d->identity.type, d->identity.path, "");
        json_object_set_new(line, "content", json_string(digest_hex(d->mark, DIGEST_SIZE, hex)));
        add_seen(line, r);
        trial_add(p->trial, &(struct trial_object){ .line = line,
                                                    .resource = r ? r->id : 0,
                                                    .document = str_dup(d->text),
                                                    .application = p->work->id,
                                                    .target = target,
                                                    .type = d->identity.type,
                                                    .path = d->identity.path });
}

static void tell_gone(struct preview *p, const struct world_want *want) {
        const struct world_resource *r = world_resource(&p->rec->world, want->resource);

        if (r && !application_doc(p->work, want->label))
                add_seen(tell(p, r->row.data ? "let go" : "remove", r->type, r->path,
                              r->row.data ? ", which holds data" : ""),
                         r);
}

static int is_replaced(void *arg, const struct prepared *d, const struct world_want *want,
                       bool *ret, struct err *err) {
        const struct preview *p = arg;
        const struct world_resource *r = world_resource(&p->rec->world, want->resource);

        *ret = r && (!str_eq(r->type, d->identity.type) || !str_eq(r->path, d->identity.path));
        return 0;
}

/* How much that is: who agrees to it is asked by no limit. */
static void tell_all(struct preview *p) {
        struct application_work *w = p->work;
        struct limit_walk walk = { is_replaced, NULL, p };
        char content[LIMIT_CONTENT_SIZE];
        struct err ignored = { 0 };
        json_t *line;

        if (application_limit_digests(w, &walk, &ignored) < 0 || !(w->removed + w->changed))
                return;
        line = tell_whole(p, "plan");
        json_object_set_new(line, "text",
                            json_sprintf("change %zu and let go %zu of the %zu objects of %s",
                                         w->changed, w->removed, w->want_count, w->name));
        json_object_set_new(line, "content",
                            json_string(limit_content(w->removal, w->change, content)));
}

static void on_tried(void *arg) {
        end(arg);
}

static void tell_refused(struct preview *p) {
        cleanup_(freep) char *text =
                str_format("have its plan refused: %s", err_text(&p->work->err));

        tell_whole(p, text);
}

static void told(struct preview *p) {
        if (!json_array_size(p->lines))
                tell_whole(p, "change no object");
        trial_start(take_ptr(p->trial), on_tried, p);
}

static void tell_slice(void *arg) {
        struct preview *p = arg;
        struct application_work *w = p->work;
        size_t to = p->told + SLICE;

        for (; p->told < MIN_OF(to, w->doc_count + w->want_count); p->told++)
                if (p->told < w->doc_count)
                        tell_doc(p, &w->docs[p->told]);
                else
                        tell_gone(p, &w->wants[p->told - w->doc_count]);
        if (p->told == to)
                return later_run(&p->slice);
        tell_all(p);
        told(p);
}

static void compare(struct preview *p) {
        p->trial = trial_new(p->rec);
        if (!p->work->err.code)
                return later_run(&p->slice);
        tell_refused(p);
        told(p);
}

/* ---- the plan */

static void prepare(void *arg) {
        struct preview *p = arg;

        application_prepare(p->work);
}

static void on_prepared(void *arg) {
        struct preview *p = arg;

        if (p->rec->stopping)
                return end(p);
        compare(p);
}

/* The same one for the same secret, so that the same plan looks the same. */
static void no_secret(int64_t application, const char *key, char uri[SECRET_URI_SIZE]) {
        uint8_t digest[DIGEST_SIZE];

        digest_hmac(&application, sizeof(application), key, strlen(key), digest);
        digest_text(digest, DIGEST_BASE32, SECRET_URI_SIZE - 1, uri);
}

/* Tokens that lead nowhere for what is asked for and not there. False: all is there. */
static bool add_secrets(struct preview *p) {
        json_t *have = json_get(p->work->view, "secrets");
        const char *key;
        json_t *policy;
        bool any = false;

        json_object_foreach(p->work->plan->secrets, key, policy) {
                char uri[SECRET_URI_SIZE], token[SECRET_TOKEN_MAX];

                if (json_object_get(have, key))
                        continue;
                no_secret(p->work->id, key, uri);
                json_object_set_new(have, key,
                                    json_string(secret_token_write(uri, 1, SECRET_PLAIN, token)));
                any = true;
        }
        return any;
}

static void on_plan(struct charm_call *c, int r, struct plan *plan, const struct err *err) {
        struct preview *p = c->arg;
        struct application_work *w = p->work;

        plan_free(w->plan);
        w->plan = plan;
        if (r < 0)
                w->err = *err;
        if (r < 0 ||
            interface_check_tell(json_get(w->view, "relations"), plan->tell, NULL, &w->err) < 0)
                return compare(p);
        if (!p->again && add_secrets(p)) {
                p->again = true;
                return later_run(&p->ask);
        }
        w->job = (struct job){ .loop = p->rec->options.loop,
                               .work = prepare,
                               .done = on_prepared,
                               .dropped = on_prepared,
                               .arg = p,
                               .name = "preview" };
        job_start(&w->job);
}

static bool can_be_planned(const struct preview *p) {
        const struct application_work *w = p->work;

        return !p->rec->stopping && w && w->found && !w->dying && w->charm_sha256 &&
               world_application(&p->rec->world, w->id);
}

static void ask(void *arg) {
        struct preview *p = arg;
        struct application_work *w = p->work;
        const struct world_target *t;

        if (!can_be_planned(p))
                return end(p);
        t = world_target(&p->rec->world, w->target);
        w->provider = t ? t->provider : NULL;
        json_object_set_new(
                w->view, "seen",
                application_seen_json(p->rec, world_application(&p->rec->world, w->id)));
        free(w->view_text);
        w->view_text = json_text(w->view);
        str_copy(w->charm.sha256, sizeof(w->charm.sha256), w->charm_sha256);
        w->charm.model = w->model;
        w->charm.application = w->id;
        w->charm.view = w->view_text;
        w->charm.view_len = strlen(w->view_text);
        w->charm.done = on_plan;
        w->charm.arg = p;
        charm_host_plan(p->rec->options.host, &w->charm);
}

void preview_start(struct preview *p, void (*done)(void *arg, json_t *lines), void *arg) {
        p->done = done;
        p->arg = arg;
        list_append(&p->rec->previews, &p->link);
        later_init(&p->ask, p->rec->options.loop, "preview", ask, p);
        later_init(&p->slice, p->rec->options.loop, "preview", tell_slice, p);
        later_run(&p->ask);
}

void preview_stop(struct reconcile *rec) {
        list_each(link, &rec->previews) {
                struct preview *p = list_entry(link, struct preview, link);

                if (!list_linked(&p->ask.link) && !list_linked(&p->slice.link) &&
                    !charm_host_has(&p->work->charm))
                        continue; /* a thread has it, and gives it back */
                if (p->work)
                        charm_host_cancel(&p->work->charm);
                end(p);
        }
}
