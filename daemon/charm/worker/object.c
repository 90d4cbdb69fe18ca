/* SPDX-License-Identifier: Apache-2.0 */
/* object.c - objects with placeholders; see object.h
 *
 * A file is parsed once. What has no placeholder in it becomes a piece of canonical JSON then
 * and there; writing a document is copying pieces and filling holes, a hundred times cheaper
 * than building a tree and sorting it for every plan. */
#include "object.h"

#include "charm-dir.h"
#include "map.h"
#include "plan-out.h"
#include "view.h"
#include "yaml.h"

#include <errno.h>
#include <stdlib.h>

enum source {
        FROM_HOLE,
        FROM_CONFIG,
        FROM_IMAGE,
        FROM_CONSTRAINT,
        FROM_STORAGE,
        FROM_SECRET,
        FROM_APPLICATION,
        FROM_MODEL,
        FROM_SCALE,
};

/* Sources with a name after a dot come first. */
static const char *const source_names[] = { "hole.",       "config.",  "image.",
                                            "constraint.", "storage.", "secret.",
                                            "application", "model",    "scale" };

struct node {
        enum { NODE_TEXT, NODE_HOLE, NODE_MAP, NODE_LIST } kind;
        char *text; /* NODE_TEXT: canonical JSON; NODE_HOLE: the name after the dot */
        size_t len;
        enum source source; /* NODE_HOLE */
        char *member;       /* in a map: its canonical name and colon */
        struct node *items;
        size_t count;
};

struct object_set {
        struct map files; /* name below objects/ -> struct node */
};

static void node_deinit(struct node *n) {
        for (size_t i = 0; i < n->count; i++)
                node_deinit(&n->items[i]);
        free(n->items);
        free(n->text);
        free(n->member);
}

static void free_node(void *p) {
        node_deinit(p);
        free(p);
}

struct object_set *object_free(struct object_set *s) {
        if (!s)
                return NULL;
        map_free_with(&s->files, free_node);
        free(s);
        return NULL;
}

/* ---- loading */

struct load {
        const json_t *meta;
        const char *file;
};

/* What a placeholder names must be in charm.yaml, where it comes from there. */
static int check_name(const struct load *l, const struct node *n, const char *whole,
                      struct err *err) {
        static const char *const sections[] = { [FROM_CONFIG] = "options",
                                                [FROM_IMAGE] = "resources",
                                                [FROM_STORAGE] = "storage",
                                                [FROM_SCALE] = NULL };
        cleanup_(freep) char *name = str_dup(n->text);
        const char *section = sections[n->source];

        if (n->source == FROM_STORAGE && !str_ends(name, ".size") && !str_ends(name, ".class"))
                return err_set(err, -EINVAL, "%s: %s ends neither in .size nor in .class", l->file,
                               whole);
        if (n->source == FROM_SECRET && !strchr(name, '.'))
                return err_set(err, -EINVAL, "%s: %s is not ${secret.LABEL.FIELD}", l->file, whole);
        if (n->source == FROM_STORAGE)
                *strrchr(name, '.') = '\0';
        if (section && !view_has_name(l->meta, section, name))
                return err_set(err, -EINVAL, "%s: %s: charm.yaml has no \"%s\" under %s", l->file,
                               whole, name, section);
        return 0;
}

/* 1: TEXT, which ends at its first "}", is one of ours. */
static int find_source(const char *inside, size_t len, struct node *n) {
        for (size_t i = 0; i < ARRAY_SIZE(source_names); i++) {
                size_t want = strlen(source_names[i]);
                bool named = source_names[i][want - 1] == '.';

                if (len < want || strncmp(inside, source_names[i], want) != 0 ||
                    named != (len > want))
                        continue;
                n->kind = NODE_HOLE;
                n->source = (enum source)i;
                n->text = str_ndup(inside + want, len - want);
                return 1;
        }
        return 0;
}

/* 1: N is a hole now; 0: TEXT is only text. */
static int load_text(const struct load *l, const char *text, struct node *n, struct err *err) {
        const char *open = strstr(text, "${"), *close;
        int r;

        for (; open; open = strstr(open + 2, "${")) {
                struct node found = {};
                bool whole;

                close = strchr(open, '}');
                if (!close)
                        return 0;
                whole = open == text && !close[1];
                if (!find_source(open + 2, (size_t)(close - open - 2), &found)) {
                        if (!whole)
                                continue;
                        return err_set(err, -EINVAL, "%s: no such placeholder: %s", l->file, text);
                }
                if (!whole) {
                        node_deinit(&found);
                        return err_set(err, -EINVAL,
                                       "%s: %.*s stands inside a longer text; a placeholder fills "
                                       "a whole scalar: make "
                                       "the text with charm_text and give it as a hole",
                                       l->file, (int)(close + 1 - open), open);
                }
                r = check_name(l, &found, text, err);
                if (r < 0) {
                        node_deinit(&found);
                        return r;
                }
                n->kind = found.kind;
                n->source = found.source;
                n->text = found.text;
                return 1;
        }
        return 0;
}

static void set_text(struct node *n, const json_t *j) {
        cleanup_(buf_free) struct buf text = BUF_INIT;

        json_canonical(j, &text);
        n->kind = NODE_TEXT;
        n->len = text.len;
        n->text = buf_take(&text);
}

static int load_node(const struct load *l, const json_t *j, struct node *n, struct err *err);

/* A container without holes is one piece of text. */
static void fold(struct node *n, const json_t *j) {
        for (size_t i = 0; i < n->count; i++)
                if (n->items[i].kind != NODE_TEXT)
                        return;
        for (size_t i = 0; i < n->count; i++)
                node_deinit(&n->items[i]);
        free(n->items);
        n->items = NULL;
        n->count = 0;
        set_text(n, j);
}

static int compare_members(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int load_map(const struct load *l, const json_t *j, struct node *n, struct err *err) {
        cleanup_(freep) const char **names = mem_array(const char *, json_object_size(j) + 1);
        const char *name;
        json_t *value;
        size_t count = 0;
        int r = 0;

        json_object_foreach((json_t *)j, name, value) {
                if (strstr(name, "${hole.") || strstr(name, "${config."))
                        return err_set(err, -EINVAL,
                                       "%s: \"%s\": a member's name takes no placeholder", l->file,
                                       name);
                names[count++] = name;
        }
        qsort(names, count, sizeof(*names), compare_members);
        n->kind = NODE_MAP;
        n->items = mem_array(struct node, count + 1);
        for (size_t i = 0; r >= 0 && i < count; i++) {
                cleanup_(json_freep) json_t *as_json = json_string(names[i]);
                cleanup_(freep) char *quoted = json_text(as_json);
                struct node *item = &n->items[n->count++];

                item->member = str_format("%s:", quoted);
                r = load_node(l, json_object_get(j, names[i]), item, err);
        }
        return r;
}

static int load_list(const struct load *l, const json_t *j, struct node *n, struct err *err) {
        json_t *value;
        size_t i;
        int r = 0;

        n->kind = NODE_LIST;
        n->items = mem_array(struct node, json_array_size(j) + 1);
        json_array_foreach(j, i, value) {
                r = load_node(l, value, &n->items[n->count++], err);
                if (r < 0)
                        return r;
        }
        return r;
}

static int load_node(const struct load *l, const json_t *j, struct node *n, struct err *err) {
        int r = 0;

        if (json_is_string(j)) {
                r = load_text(l, json_string_value(j), n, err);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
        if (!json_is_object(j) && !json_is_array(j)) {
                set_text(n, j);
                return 0;
        }
        r = json_is_object(j) ? load_map(l, j, n, err) : load_list(l, j, n, err);
        if (r >= 0)
                fold(n, j);
        return r;
}

static int load_file(struct object_set *s, const json_t *meta, const char *name,
                     const struct buf *text, struct err *err) {
        cleanup_(yaml_stream_free) struct yaml_stream stream = {};
        struct load l = { meta, name };
        struct node *n;
        int r = yaml_parse(buf_str(text), text->len, name, YAML_KUBERNETES, &stream, err);

        if (r < 0)
                return r;
        if (stream.count != 1 || !json_is_object(stream.documents[0].root))
                return err_set(err, -EINVAL,
                               "%s: wants exactly one object in a file, there %s %zu documents",
                               name, stream.count == 1 ? "is one other thing in" : "are",
                               stream.count);
        n = mem_new(struct node);
        map_set(&s->files, name + strlen("objects/"), n);
        return load_node(&l, stream.documents[0].root, n, err);
}

static bool is_object_file(const char *name) {
        return str_starts(name, "objects/") && (str_ends(name, ".yaml") || str_ends(name, ".yml"));
}

int object_load(int folder, const struct charm_dir *dir, const json_t *meta,
                struct object_set **ret, struct err *err) {
        struct object_set *s = mem_new(struct object_set);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < dir->count; i++) {
                cleanup_(buf_free) struct buf text = BUF_INIT;

                if (!is_object_file(dir->files[i].name))
                        continue;
                r = charm_dir_take(folder, &dir->files[i], &text, err);
                if (r >= 0)
                        r = load_file(s, meta, dir->files[i].name, &text, err);
        }
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

static int write_value(struct write *w, const struct node *n, struct err *err) {
        const struct charm_view *v = w->plan->view;

        switch (n->source) {
        case FROM_HOLE:
                return write_hole(w, n->text, err);
        case FROM_CONFIG:
                return write_json(w, view_option(v, n->text));
        case FROM_IMAGE:
                if (!view_image(v, n->text))
                        return err_set(err, -ENOENT, "%s: resource %s is no image", w->file,
                                       n->text);
                return write_text(w, n->text, view_image(v, n->text), err);
        case FROM_CONSTRAINT:
                return write_json(w, json_dig(v->root, "constraints", n->text, NULL));
        case FROM_STORAGE:
                return write_storage(w, n->text, err);
        case FROM_SECRET:
                return write_secret(w, n->text, err);
        case FROM_APPLICATION:
                return write_text(w, "application", charm_application(v), err);
        case FROM_MODEL:
                return write_text(w, "model", charm_model(v), err);
        default:
                buf_printf(w->out, "%lld", (long long)charm_scale(v));
                return WRITTEN;
        }
}

static int write_node(struct write *w, const struct node *n, struct err *err);

static int write_items(struct write *w, const struct node *n, struct err *err) {
        bool first = true;
        int r;

        buf_putc(w->out, n->kind == NODE_MAP ? '{' : '[');
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
        buf_putc(w->out, n->kind == NODE_MAP ? '}' : ']');
        return WRITTEN;
}

static int write_node(struct write *w, const struct node *n, struct err *err) {
        switch (n->kind) {
        case NODE_TEXT:
                buf_add(w->out, n->text, n->len);
                return WRITTEN;
        case NODE_HOLE:
                return write_value(w, n, err);
        default:
                return write_items(w, n, err);
        }
}

int object_write(const struct object_set *s, const char *file, const struct charm_hole *holes,
                 const struct charm_plan *p, struct buf *out, struct err *err) {
        const struct node *n = file ? map_find(&s->files, file) : NULL;
        struct write w = { file, holes, p, out };
        int r;

        if (!n)
                return err_set(err, -ENOENT, "there is no objects/%s", file ? file : "(null)");
        r = write_node(&w, n, err);
        return r < 0 ? r : 0;
}
