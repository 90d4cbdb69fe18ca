/* SPDX-License-Identifier: Apache-2.0 */
/* object.c - objects with placeholders; see object.h
 *
 * A file is parsed once. What has no placeholder in it becomes a piece of canonical JSON then
 * and there; writing a document is copying pieces and filling holes, a hundred times cheaper
 * than building a tree and sorting it for every plan. */
#include "object.h"

#include "digest.h"
#include "object-tree.h"
#include "plan-out.h"
#include "view.h"

#include <errno.h>
#include <stdlib.h>

struct object_set {
        struct map files; /* name below objects/ -> struct object_node */
};

struct object_set *object_free(struct object_set *s) {
        if (!s)
                return NULL;
        object_tree_free(&s->files);
        free(s);
        return NULL;
}

int object_load(int folder, const struct charm_dir *dir, const json_t *meta,
                struct object_set **ret, struct err *err) {
        struct object_set *s = mem_new(struct object_set);
        int r = object_tree_load(folder, dir, meta, &s->files, err);

        if (r < 0) {
                object_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

/* ---- writing */

struct write {
        const char *file;
        const struct charm_hole *holes;
        const struct charm_plan *plan;
        struct buf *out;
};

enum { ABSENT, WRITTEN };

static int write_json(struct write *w, const json_t *value) {
        if (!value || json_is_null(value))
                return ABSENT;
        json_canonical(value, w->out);
        return WRITTEN;
}

static int write_text(struct write *w, const char *name, const char *text, struct err *err) {
        cleanup_(json_freep) json_t *j = NULL;

        if (!text)
                return ABSENT;
        j = json_string(text);
        if (!j)
                return err_set(err, -EINVAL, "%s: the value of %s is not UTF-8", w->file, name);
        json_canonical(j, w->out);
        return WRITTEN;
}

static int write_json_text(struct write *w, const struct charm_hole *h, struct err *err) {
        cleanup_(json_freep) json_t *j = NULL;
        int r = json_parse(h->text ? h->text : "", h->text ? strlen(h->text) : 0, &j, err);

        if (r < 0)
                return err_add(err, r, "%s: hole %s", w->file, h->name);
        json_canonical(j, w->out);
        return WRITTEN;
}

static int write_hole(struct write *w, const char *name, struct err *err) {
        const struct charm_hole *h = w->holes;

        while (h && h->name && !str_eq(h->name, name))
                h++;
        if (!h || !h->name)
                return err_set(err, -ENOENT, "%s: nothing was given for ${hole.%s}", w->file, name);
        switch (h->type) {
        case CHARM_TEXT:
                return write_text(w, name, h->text, err);
        case CHARM_INT:
                buf_printf(w->out, "%lld", (long long)h->number);
                return WRITTEN;
        case CHARM_BOOL:
                buf_puts(w->out, h->number ? "true" : "false");
                return WRITTEN;
        case CHARM_JSON:
                return write_json_text(w, h, err);
        case CHARM_NONE:
                return ABSENT;
        default:
                return err_set(err, -EINVAL, "%s: hole %s has no type", w->file, name);
        }
}

/* A size is written as text: Kubernetes' quantities are texts, and read back as such. */
static int write_storage(struct write *w, const char *name, struct err *err) {
        cleanup_(freep) char *storage = str_ndup(name, (size_t)(strrchr(name, '.') - name));
        const json_t *s = view_storage(w->plan->view, storage);

        if (str_ends(name, ".class"))
                return write_json(w, json_get(s, "class"));
        if (!json_is_integer(json_get(s, "size")))
                return err_set(err, -ENOENT, "%s: the view has no size for storage %s", w->file,
                               storage);
        buf_printf(w->out, "\"%lld\"", (long long)json_get_int(s, "size", 0));
        return WRITTEN;
}

static int write_secret(struct write *w, const char *name, struct err *err) {
        cleanup_(freep) char *key = str_dup(name);
        const char *token;

        *strrchr(key, '.') = '/';
        token = json_get_str(json_get(w->plan->secrets, key), "token", NULL);
        if (!token)
                return err_set(err, -ENOENT, "%s: ${secret.%s} before charm_secret asked for it",
                               w->file, name);
        return write_text(w, name, token, err);
}

/* The bundle may not be there yet: then its member is left out, in a plan that is only a draft. */
static int write_certificate(struct write *w, const char *name, struct err *err) {
        cleanup_(freep) char *label = str_dup(name);
        cleanup_(buf_free) struct buf bundle = BUF_INIT;
        char *part = strrchr(label, '.');
        const char *value;

        *part++ = '\0';
        if (str_starts(part, "ca")) {
                value = plan_certificate_ca(w->plan, label);
                if (!value || !*value)
                        return ABSENT;
                if (str_eq(part, "ca-base64"))
                        digest_base64(value, strlen(value), &bundle);
                return write_text(w, name, bundle.len ? buf_str(&bundle) : value, err);
        }
        value = plan_certificate_token(w->plan, label, part);
        if (!value)
                return err_set(err, -ENOENT,
                               "%s: ${certificate.%s} before charm_certificate asked for it",
                               w->file, name);
        return write_text(w, name, value, err);
}

static int write_value(struct write *w, const struct object_node *n, struct err *err) {
        const struct charm_view *v = w->plan->view;

        switch (n->source) {
        case OBJECT_FROM_HOLE:
                return write_hole(w, n->text, err);
        case OBJECT_FROM_CONFIG:
                return write_json(w, view_option(v, n->text));
        case OBJECT_FROM_IMAGE:
                if (!view_image(v, n->text))
                        return err_set(err, -ENOENT, "%s: resource %s is no image", w->file,
                                       n->text);
                return write_text(w, n->text, view_image(v, n->text), err);
        case OBJECT_FROM_CONSTRAINT:
                return write_json(w, json_dig(v->root, "constraints", n->text, NULL));
        case OBJECT_FROM_STORAGE:
                return write_storage(w, n->text, err);
        case OBJECT_FROM_SECRET:
                return write_secret(w, n->text, err);
        case OBJECT_FROM_CERTIFICATE:
                return write_certificate(w, n->text, err);
        case OBJECT_FROM_APPLICATION:
                return write_text(w, "application", charm_application(v), err);
        case OBJECT_FROM_MODEL:
                return write_text(w, "model", charm_model(v), err);
        default:
                buf_printf(w->out, "%lld", (long long)charm_scale(v));
                return WRITTEN;
        }
}

static int write_node(struct write *w, const struct object_node *n, struct err *err);

static int write_items(struct write *w, const struct object_node *n, struct err *err) {
        bool first = true;
        int r;

        buf_putc(w->out, n->kind == OBJECT_MAP ? '{' : '[');
        for (size_t i = 0; i < n->count; i++) {
                size_t mark = w->out->len;

                if (!first)
                        buf_putc(w->out, ',');
                if (n->items[i].member)
                        buf_puts(w->out, n->items[i].member);
                r = write_node(w, &n->items[i], err);
                if (r < 0)
                        return r;
                if (r == ABSENT)
                        w->out->len = mark;
                else
                        first = false;
        }
        buf_putc(w->out, n->kind == OBJECT_MAP ? '}' : ']');
        return WRITTEN;
}

static int write_node(struct write *w, const struct object_node *n, struct err *err) {
        switch (n->kind) {
        case OBJECT_TEXT:
                buf_add(w->out, n->text, n->len);
                return WRITTEN;
        case OBJECT_HOLE:
                return write_value(w, n, err);
        default:
                return write_items(w, n, err);
        }
}

int object_write(const struct object_set *s, const char *file, const struct charm_hole *holes,
                 const struct charm_plan *p, struct buf *out, struct err *err) {
        const struct object_node *n = file ? map_find(&s->files, file) : NULL;
        struct write w = { file, holes, p, out };
        int r;

        if (!n)
                return err_set(err, -ENOENT, "there is no objects/%s", file ? file : "(null)");
        r = write_node(&w, n, err);
        return r < 0 ? r : 0;
}
