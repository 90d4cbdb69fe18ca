/* SPDX-License-Identifier: Apache-2.0 */
/* object-tree.c - objects/ files into trees of text and holes; see object-tree.h
 *
 * What has no placeholder in it becomes a piece of canonical JSON then and there: see
 * worker/object.c, which copies the pieces. */
#include "object-tree.h"

#include "yaml.h"

#include <errno.h>
#include <stdlib.h>

/* Sources with a name after a dot come first. */
static const char *const source_names[] = { "hole.",    "config.", "image.",       "constraint.",
                                            "storage.", "secret.", "certificate.", "application",
                                            "model",    "scale" };

static void node_deinit(struct object_node *n) {
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

void object_tree_free(struct map *files) {
        map_free_with(files, free_node);
}

/* ---- loading */

struct load {
        const json_t *meta;
        const char *file;
};

static bool has_name(const json_t *meta, const char *section, const char *name) {
        const json_t *in = str_eq(section, "options") ? json_get(meta, "config") : meta;

        return json_dig(in, section, name, NULL) != NULL;
}

static bool is_certificate_part(const char *name) {
        static const char *const parts[] = { ".key", ".crt", ".ca", ".ca-base64" };

        for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
                if (str_ends(name, parts[i]) && strlen(name) > strlen(parts[i]))
                        return true;
        return false;
}

/* What a placeholder names must be in charm.yaml, where it comes from there. */
static int check_name(const struct load *l, const struct object_node *n, const char *whole,
                      struct err *err) {
        static const char *const sections[] = { [OBJECT_FROM_CONFIG] = "options",
                                                [OBJECT_FROM_IMAGE] = "resources",
                                                [OBJECT_FROM_STORAGE] = "storage",
                                                [OBJECT_FROM_SCALE] = NULL };
        cleanup_(freep) char *name = str_dup(n->text);
        const char *section = sections[n->source];

        if (n->source == OBJECT_FROM_STORAGE && !str_ends(name, ".size") &&
            !str_ends(name, ".class"))
                return err_set(err, -EINVAL, "%s: %s ends neither in .size nor in .class", l->file,
                               whole);
        if (n->source == OBJECT_FROM_SECRET && !strchr(name, '.'))
                return err_set(err, -EINVAL, "%s: %s is not ${secret.LABEL.FIELD}", l->file, whole);
        if (n->source == OBJECT_FROM_CERTIFICATE && !is_certificate_part(name))
                return err_set(err, -EINVAL,
                               "%s: %s ends neither in .key, .crt, .ca nor .ca-base64", l->file,
                               whole);
        if (n->source == OBJECT_FROM_STORAGE)
                *strrchr(name, '.') = '\0';
        if (section && !has_name(l->meta, section, name))
                return err_set(err, -EINVAL, "%s: %s: charm.yaml has no \"%s\" under %s", l->file,
                               whole, name, section);
        return 0;
}

/* 1: TEXT, which ends at its first "}", is one of ours. */
static int find_source(const char *inside, size_t len, struct object_node *n) {
        for (size_t i = 0; i < ARRAY_SIZE(source_names); i++) {
                size_t want = strlen(source_names[i]);
                bool named = source_names[i][want - 1] == '.';

                if (len < want || strncmp(inside, source_names[i], want) != 0 ||
                    named != (len > want))
                        continue;
                n->kind = OBJECT_HOLE;
                n->source = (enum object_source)i;
                n->text = str_ndup(inside + want, len - want);
                return 1;
        }
        return 0;
}

/* 1: N is a hole now; 0: TEXT is only text. */
static int load_text(const struct load *l, const char *text, struct object_node *n,
                     struct err *err) {
        const char *open = strstr(text, "${"), *close;
        int r;

        for (; open; open = strstr(open + 2, "${")) {
                struct object_node found = {};
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

static void set_text(struct object_node *n, const json_t *j) {
        cleanup_(buf_free) struct buf text = BUF_INIT;

        json_canonical(j, &text);
        n->kind = OBJECT_TEXT;
        n->len = text.len;
        n->text = buf_take(&text);
}

static int load_node(const struct load *l, const json_t *j, struct object_node *n, struct err *err);

/* A container without holes is one piece of text. */
static void fold(struct object_node *n, const json_t *j) {
        for (size_t i = 0; i < n->count; i++)
                if (n->items[i].kind != OBJECT_TEXT)
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

static int load_map(const struct load *l, const json_t *j, struct object_node *n, struct err *err) {
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
        n->kind = OBJECT_MAP;
        n->items = mem_array(struct object_node, count + 1);
        for (size_t i = 0; r >= 0 && i < count; i++) {
                cleanup_(json_freep) json_t *as_json = json_string(names[i]);
                cleanup_(freep) char *quoted = json_text(as_json);
                struct object_node *item = &n->items[n->count++];

                item->member = str_format("%s:", quoted);
                r = load_node(l, json_object_get(j, names[i]), item, err);
        }
        return r;
}

static int load_list(const struct load *l, const json_t *j, struct object_node *n,
                     struct err *err) {
        json_t *value;
        size_t i;
        int r = 0;

        n->kind = OBJECT_LIST;
        n->items = mem_array(struct object_node, json_array_size(j) + 1);
        json_array_foreach(j, i, value) {
                r = load_node(l, value, &n->items[n->count++], err);
                if (r < 0)
                        return r;
        }
        return r;
}

static int load_node(const struct load *l, const json_t *j, struct object_node *n,
                     struct err *err) {
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

static int load_file(struct map *files, const json_t *meta, const char *name,
                     const struct buf *text, struct err *err) {
        cleanup_(yaml_stream_free) struct yaml_stream stream = {};
        struct load l = { meta, name };
        struct object_node *n;
        int r = yaml_parse(buf_str(text), text->len, name, YAML_KUBERNETES, &stream, err);

        if (r < 0)
                return r;
        if (stream.count != 1 || !json_is_object(stream.documents[0].root))
                return err_set(err, -EINVAL,
                               "%s: wants exactly one object in a file, there %s %zu documents",
                               name, stream.count == 1 ? "is one other thing in" : "are",
                               stream.count);
        n = mem_new(struct object_node);
        map_set(files, name + strlen("objects/"), n);
        return load_node(&l, stream.documents[0].root, n, err);
}

static bool is_object_file(const char *name) {
        return str_starts(name, "objects/") && (str_ends(name, ".yaml") || str_ends(name, ".yml"));
}

int object_tree_load(int folder, const struct charm_dir *dir, const json_t *meta, struct map *files,
                     struct err *err) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < dir->count; i++) {
                cleanup_(buf_free) struct buf text = BUF_INIT;

                if (!is_object_file(dir->files[i].name))
                        continue;
                r = charm_dir_take(folder, &dir->files[i], &text, err);
                if (r >= 0)
                        r = load_file(files, meta, dir->files[i].name, &text, err);
        }
        return r;
}

int object_tree_check(int folder, const struct charm_dir *dir, struct err *err) {
        cleanup_(yaml_stream_free) struct yaml_stream yaml = {};
        cleanup_(object_tree_free) struct map files = MAP_INIT;
        cleanup_(buf_free) struct buf text = BUF_INIT;
        const struct charm_file *meta = charm_dir_find(dir, "charm.yaml");
        int r = meta ? charm_dir_take(folder, meta, &text, err)
                     : err_set(err, -ENOENT, "there is no charm.yaml");

        if (r >= 0)
                r = yaml_parse(buf_str(&text), text.len, "charm.yaml", YAML_CORE, &yaml, err);
        if (r < 0)
                return r;
        if (yaml.count != 1 || !json_is_object(yaml.documents[0].root))
                return err_set(err, -EINVAL, "charm.yaml is not one map");
        return object_tree_load(folder, dir, yaml.documents[0].root, &files, err);
}
