/* SPDX-License-Identifier: Apache-2.0 */
/* previewing.c - dry runs that also say which objects would be other */
#include "previewing.h"

#include "admin-internal.h"
#include "plans.h"

#include "reconcile.h"

#include <errno.h>

#include <stdlib.h>

struct previewing {
        const struct request *of;
        const char *model, *application;
        void (*release)(struct command *c);
        struct preview *preview; /* of a dry run, until it is started */
        struct request *request; /* then */
        json_t *json;            /* what the command said */
};

/* Names, each once: what changed first is asked first. */
static json_t *concerned(const struct command *c) {
        json_t *names = json_object(), *also;
        const char *name;
        const json_t *line;
        size_t i;

        json_array_foreach(json_get(c->answer, "changes"), i, line) {
                name = json_get_str(line, "application", NULL);
                if (name)
                        json_object_set_new(names, name, json_true());
        }
        json_object_foreach(c->also, name, also)
                json_object_set_new(names, name, json_true());
        return names;
}

static int look(struct tx *tx, struct command *c, struct err *err) {
        struct previewing *p = c->look_arg;
        cleanup_(json_freep) json_t *names = p->application ? NULL : concerned(c);
        const char *name;
        json_t *yes;
        int r = 0;

        preview_forget(p->preview);
        if (p->application)
                r = preview_read(p->preview, tx, p->model, p->application, err);
        json_object_foreach(names, name, yes) {
                r = preview_read(p->preview, tx, p->model, name, err);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : preview_read_others(p->preview, tx, p->model, err);
}

/* The charms are asked with what they were asked with for the plan, so they will say the same. */
static int check(struct tx *tx, struct command *c, struct err *err) {
        struct previewing *p = c->look_arg;
        int r = look(tx, c, err);

        if (r >= 0 && memcmp(preview_view(p->preview), p->of->view, DIGEST_SIZE) != 0)
                return err_set(err, -ESTALE,
                               "what the charms of %s, and of those that answer, are asked with is "
                               "other since the plan was made: another command came; plan again",
                               p->application ? p->application : "these applications");
        return r;
}

void previewing_attach(struct request *q, struct command *c, const char *model,
                       const char *application, void (*release)(struct command *c)) {
        struct previewing *p = mem_new(struct previewing);

        p->of = q;
        p->model = model;
        p->application = application;
        p->release = release;
        c->look_arg = p;
        if (!c->dry_run && !q->plan)
                return;
        p->preview = preview_new(q->admin->options.reconcile);
        c->look = c->dry_run ? look : check;
}

static void on_preview(void *arg, json_t *lines) {
        struct previewing *p = arg;

        json_array_extend(json_get(p->json, "changes"), lines);
        json_decref(lines);
        plans_reply(p->request, p->json);
        request_unref(p->request);
        free(p);
}

/* What the command would do, and then the objects that would be other. */
void previewing_show(struct request *q, json_t *json, struct command *c) {
        struct previewing *p, *from = c->look_arg;

        if (!json_array_size(json_get(json, "changes")))
                return plans_reply(q, json);
        memcpy(q->view, preview_view(from->preview), DIGEST_SIZE);
        p = mem_new(struct previewing);
        p->request = request_ref(q);
        p->json = json;
        preview_start(take_ptr(from->preview), on_preview, p);
}

void previewing_release(struct command *c) {
        struct previewing *p = c->look_arg;

        preview_free(p->preview);
        p->release(c);
        free(p);
}

void previewing_command(struct request *q, struct command *c, const char *model,
                        const char *application, void (*release)(struct command *c)) {
        previewing_attach(q, c, model, application, release);
        request_try(q, c, previewing_release, previewing_show);
}
