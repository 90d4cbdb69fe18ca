/* SPDX-License-Identifier: Apache-2.0 */
/* preview.c - which objects an application's plan would make, change or let go, under rows that a
 * command wrote and takes back (refresh --dry-run)
 *
 *   inside the transaction: the view ──▶ plan (charm worker) ──▶ prepare (job) ──▶ compared
 *
 * Nothing is kept: no rows, no secrets. A secret that the new charm asks for and that is not there
 * is given a token of nothing, and the charm is asked once more with it. What the plan looks like
 * is compared with what is wanted now, document by document: nobody outside is asked. */
#include "application.h"

#include "interface.h"
#include "lookup.h"

#include <stdlib.h>

struct preview {
        struct reconcile *rec;
        struct application_work *work;
        struct list link; /* while it is under way */
        struct later ask;
        bool again;
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
        application_work_free(p->work);
        json_decref(p->lines);
        free(p);
        return NULL;
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
        return application_view_run(tx, &p->work->call, err);
}

static void end(struct preview *p) {
        p->done(p->arg, take_ptr(p->lines));
        preview_free(p);
}

/* ---- what differs */

static void tell(struct preview *p, const char *fmt, ...) printf_(2, 3);
static void tell(struct preview *p, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        json_array_append_new(p->lines, json_pack("{s:s, s:s, s:s}", "change", "object",
                                                  "application", p->work->name, "text", text));
}

static void tell_doc(struct preview *p, const struct prepared *d) {
        const struct world_want *want =
                world_want_in(p->work->wants, p->work->want_count, d->label);

        if (want && memcmp(want->document, d->mark, DIGEST_SIZE) == 0)
                return;
        tell(p, "%s %s %s", want ? "change" : "make", d->identity.type, d->identity.path);
}

static void tell_gone(struct preview *p, const struct world_want *want) {
        const struct world_resource *r = world_resource(&p->rec->world, want->resource);

        if (r && !application_doc(p->work, want->label))
                tell(p, r->row.data ? "let go %s %s, which holds data" : "remove %s %s", r->type,
                     r->path);
}

static void compare(struct preview *p) {
        const struct application_work *w = p->work;

        if (w->err.code)
                return tell(p, "have its plan refused: %s", err_text(&w->err));
        for (size_t i = 0; i < w->doc_count; i++)
                tell_doc(p, &w->docs[i]);
        for (size_t i = 0; i < w->want_count; i++)
                tell_gone(p, &w->wants[i]);
        if (!json_array_size(p->lines))
                tell(p, "change no object");
}

/* ---- the plan */

static void prepare(void *arg) {
        struct preview *p = arg;

        application_prepare(p->work);
}

static void on_prepared(void *arg) {
        struct preview *p = arg;

        if (!p->rec->stopping)
                compare(p);
        end(p);
}

/* Tokens that lead nowhere for what is asked for and not there. False: all is there. */
static bool add_secrets(struct preview *p) {
        json_t *have = json_get(p->work->view, "secrets");
        const char *key;
        json_t *policy;
        bool any = false;

        json_object_foreach(p->work->plan->secrets, key, policy) {
                char uri[SECRET_URI_SIZE] = { 0 }, token[SECRET_TOKEN_MAX];

                if (json_object_get(have, key))
                        continue;
                digest_random_text("abcdefghijklmnopqrstuvwxyz234567", SECRET_URI_SIZE - 1, uri);
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
            interface_check_tell(json_get(w->view, "relations"), plan->tell, NULL, &w->err) < 0) {
                compare(p);
                return end(p);
        }
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
        later_run(&p->ask);
}

void preview_stop(struct reconcile *rec) {
        list_each(link, &rec->previews) {
                struct preview *p = list_entry(link, struct preview, link);

                if (!list_linked(&p->ask.link) && !charm_host_has(&p->work->charm))
                        continue; /* a thread has it, and gives it back */
                if (p->work)
                        charm_host_cancel(&p->work->charm);
                end(p);
        }
}
