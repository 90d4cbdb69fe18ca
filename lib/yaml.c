/* SPDX-License-Identifier: Apache-2.0 */
/* yaml.c - libyaml's events into jansson trees with lines; see yaml.h
 *
 * Read by bundles, kubeconfigs, charm.yaml, the objects of charms and release manifests. One
 * function per kind of node, recursive: depth is limited before it costs stack. An alias becomes
 * a copy of its anchor, so that whoever changes one place of the tree does not change another;
 * what copies may cost is counted before they are made. */
#include "yaml.h"

#include "json-lines.h"
#include "yaml-scalar.h"

#include <errno.h>
#include <stdlib.h>
#include <yaml-lib.h>

/* What all aliases of one document may expand to, in nodes, where 64 bytes of text count as one:
 * 6 MB of text or 100,000 nodes, built in some 20 ms. The widest real files expand to hundreds. */
#define EXPANDED_MAX 100000
#define BYTES_PER_NODE 64

struct anchor {
        json_t *node; /* a reference */
        size_t cost;
};

struct reader {
        yaml_parser_t parser;
        yaml_event_t event;
        bool has_event;
        const char *file;
        enum yaml_schema schema;
        struct json_lines *lines;
        struct map anchors; /* name -> struct anchor */
        size_t nodes;
        size_t expanded;
        int depth;
        struct err *err;
        /* Marks count characters, documents bytes: how far the text was counted. */
        const char *text;
        size_t len, chars, bytes;
};

static int fail_at(struct reader *r, const yaml_mark_t *mark, int code, const char *text) {
        if (!r->file)
                return err_set(r->err, code, "line %zu, column %zu: %s", mark->line + 1,
                               mark->column + 1, text);
        return err_set(r->err, code, "%s:%zu:%zu: %s", r->file, mark->line + 1, mark->column + 1,
                       text);
}

static int fail(struct reader *r, int code, const char *text) {
        return fail_at(r, &r->event.start_mark, code, text);
}

static int parser_error(struct reader *r) {
        const yaml_parser_t *p = &r->parser;
        const char *problem = p->problem ? p->problem : "not YAML";

        if (p->error == YAML_MEMORY_ERROR)
                abort();
        if (p->error == YAML_READER_ERROR)
                return err_set(r->err, -EBADMSG, "%s%sbyte %zu: %s", r->file ? r->file : "",
                               r->file ? ": " : "", p->problem_offset, problem);
        if (p->context) {
                cleanup_(freep) char *text = str_format("%s %s", problem, p->context);

                return fail_at(r, &p->problem_mark, -EBADMSG, text);
        }
        return fail_at(r, &p->problem_mark, -EBADMSG, problem);
}

static void drop_event(struct reader *r) {
        if (r->has_event)
                yaml_event_delete(&r->event);
        r->has_event = false;
}

static int next_event(struct reader *r) {
        drop_event(r);
        if (!yaml_parser_parse(&r->parser, &r->event))
                return parser_error(r);
        r->has_event = true;
        return 0;
}

static int line_now(const struct reader *r) {
        return (int)r->event.start_mark.line + 1;
}

static int count_node(struct reader *r) {
        if (++r->nodes > YAML_NODES_MAX)
                return fail(r, -E2BIG, "too many values in one document");
        return 0;
}

static void free_anchor(void *p) {
        struct anchor *a = p;

        json_decref(a->node);
        free(a);
}

/* Copies a tree and what is known of its lines. */
static json_t *copy_node(struct reader *r, json_t *from) {
        const char *member;
        json_t *value;
        json_t *to;
        size_t i;

        if (json_is_object(from)) {
                to = json_object();
                json_lines_begin(r->lines, to, json_lines_own(r->lines, from));
                json_object_foreach(from, member, value) {
                        json_object_set_new(to, member, copy_node(r, value));
                        json_lines_add(r->lines, to, member,
                                       json_line_of(r->lines, from, member, 0));
                }
        } else if (json_is_array(from)) {
                to = json_array();
                json_lines_begin(r->lines, to, json_lines_own(r->lines, from));
                json_array_foreach(from, i, value) {
                        json_array_append_new(to, copy_node(r, value));
                        json_lines_add(r->lines, to, NULL, json_line_of(r->lines, from, NULL, i));
                }
        } else {
                to = json_copy(from);
        }
        return to;
}

static size_t cost_of(const json_t *j) {
        const char *member;
        json_t *value;
        size_t cost = 1;
        size_t i;

        if (json_is_string(j))
                return 1 + json_string_length(j) / BYTES_PER_NODE;
        json_object_foreach((json_t *)j, member, value)
                cost += cost_of(value) + strlen(member) / BYTES_PER_NODE;
        if (json_is_array(j))
                json_array_foreach(j, i, value)
                        cost += cost_of(value);
        return cost;
}

static int read_alias(struct reader *r, json_t **ret) {
        const char *name = (const char *)r->event.data.alias.anchor;
        struct anchor *a = map_find(&r->anchors, name);

        if (!a) {
                cleanup_(freep) char *text =
                        str_format("alias *%s stands for nothing that ended before it", name);

                return fail(r, -EBADMSG, text);
        }
        if (!a->cost)
                a->cost = cost_of(a->node);
        r->expanded += a->cost;
        if (r->expanded > EXPANDED_MAX)
                return fail(r, -E2BIG, "aliases expand to too much");
        *ret = copy_node(r, a->node);
        return 0;
}

static void set_anchor(struct reader *r, const char *name, json_t *node) {
        struct anchor *a;

        if (!name)
                return;
        a = mem_new(struct anchor);
        a->node = json_incref(node);
        a = map_set(&r->anchors, name, a);
        if (a)
                free_anchor(a);
}

/* The last part of "tag:yaml.org,2002:str"; NULL: no tag or the neutral "!". */
static const char *tag_of(const yaml_char_t *tag) {
        static const char prefix[] = "tag:yaml.org,2002:";
        const char *s = (const char *)tag;

        if (!s || strcmp(s, "!") == 0)
                return NULL;
        return str_starts(s, prefix) ? s + strlen(prefix) : s;
}

static bool tag_fits(const char *tag, const json_t *j) {
        if (strcmp(tag, "int") == 0)
                return json_is_integer(j);
        if (strcmp(tag, "float") == 0)
                return json_is_number(j);
        if (strcmp(tag, "bool") == 0)
                return json_is_boolean(j);
        return strcmp(tag, "null") == 0 && json_is_null(j);
}

static int read_text(struct reader *r, json_t **ret) {
        const char *text = (const char *)r->event.data.scalar.value;

        *ret = json_stringn(text, r->event.data.scalar.length);
        return *ret ? 0 : fail(r, -EBADMSG, "not UTF-8");
}

static int read_tagged(struct reader *r, const char *tag, json_t **ret) {
        const char *text = (const char *)r->event.data.scalar.value;
        json_t *j;

        if (strcmp(tag, "str") == 0 || strcmp(tag, "timestamp") == 0)
                return read_text(r, ret);
        j = yaml_scalar_resolve(text, r->event.data.scalar.length, r->schema);
        if (!j || !tag_fits(tag, j)) {
                cleanup_(freep) char *problem =
                        str_format("tag %s is not known, or the value does not fit it", tag);

                json_decref(j);
                return fail(r, -EBADMSG, problem);
        }
        *ret = j;
        return 0;
}

static int read_scalar(struct reader *r, json_t **ret) {
        const char *text = (const char *)r->event.data.scalar.value;
        size_t len = r->event.data.scalar.length;
        const char *tag = tag_of(r->event.data.scalar.tag);

        if (memchr(text, '\0', len))
                return fail(r, -EBADMSG, "a text holds a NUL");
        if (tag)
                return read_tagged(r, tag, ret);
        if (r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE || r->event.data.scalar.tag)
                return read_text(r, ret);
        *ret = yaml_scalar_resolve(text, len, r->schema);
        return *ret ? 0
                    : fail(r, -EBADMSG,
                           "no number that JSON knows; a text of that name needs quotes");
}

static int read_node(struct reader *r, json_t **ret);

static int read_list(struct reader *r, json_t **ret) {
        cleanup_(json_freep) json_t *list = json_array();
        cleanup_(freep) char *anchor = str_dup((const char *)r->event.data.sequence_start.anchor);
        int e;

        json_lines_begin(r->lines, list, line_now(r));
        for (;;) {
                json_t *value = NULL;
                int line;

                e = next_event(r);
                if (e < 0)
                        return e;
                if (r->event.type == YAML_SEQUENCE_END_EVENT)
                        break;
                line = line_now(r);
                e = read_node(r, &value);
                if (e < 0)
                        return e;
                json_array_append_new(list, value);
                json_lines_add(r->lines, list, NULL, line);
        }
        set_anchor(r, anchor, list);
        *ret = take_ptr(list);
        return 0;
}

/* A key as text. kubectl turns `on:` into "true" and `010:` into "8", and the cluster sees that. */
static int key_text(struct reader *r, const json_t *key, const char *plain, char **ret) {
        if (json_is_object(key) || json_is_array(key) || json_is_null(key))
                return fail(r, -EBADMSG, "a key must be a text");
        if (json_is_string(key))
                *ret = str_dup(json_string_value(key));
        else if (r->schema == YAML_KUBERNETES)
                *ret = json_text(key);
        else
                *ret = str_dup(plain);
        return 0;
}

static bool is_merge(const struct reader *r) {
        return r->event.type == YAML_SCALAR_EVENT &&
               r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !r->event.data.scalar.tag &&
               strcmp((const char *)r->event.data.scalar.value, "<<") == 0;
}

/* Reads the key at hand. *RET_KEY stays NULL for a merge key. */
static int read_key(struct reader *r, const json_t *object, char **ret_key) {
        cleanup_(json_freep) json_t *key = NULL;
        cleanup_(freep) char *plain = NULL;
        cleanup_(freep) char *text = NULL;
        int e;

        if (is_merge(r))
                return 0;
        if (r->event.type != YAML_SCALAR_EVENT && r->event.type != YAML_ALIAS_EVENT)
                return fail(r, -EBADMSG, "a key must be a text");
        if (r->event.type == YAML_SCALAR_EVENT)
                plain = str_dup((const char *)r->event.data.scalar.value);
        e = read_node(r, &key);
        if (e < 0)
                return e;
        if (!plain)
                plain = json_text(key);
        e = key_text(r, key, plain, &text);
        if (e < 0)
                return e;
        if (json_object_get(object, text)) {
                cleanup_(freep) char *problem = str_format("key \"%.80s\" is there twice", text);

                return fail(r, -EBADMSG, problem);
        }
        *ret_key = take_ptr(text);
        return 0;
}

static bool can_merge(const json_t *value) {
        json_t *part;
        size_t i;

        if (!json_is_array(value))
                return json_is_object(value);
        json_array_foreach(value, i, part)
                if (!json_is_object(part))
                        return false;
        return true;
}

/* Members of FROM that OBJECT lacks. */
static void merge_one(struct reader *r, json_t *object, json_t *from) {
        const char *member;
        json_t *value;

        json_object_foreach(from, member, value) {
                if (json_object_get(object, member))
                        continue;
                json_object_set(object, member, value);
                json_lines_add(r->lines, object, member, json_line_of(r->lines, from, member, 0));
        }
}

/* SOURCES: what stood behind the merge keys, the first wins. */
static void merge_all(struct reader *r, json_t *object, json_t *sources) {
        json_t *source;
        json_t *part;
        size_t i, k;

        json_array_foreach(sources, i, source) {
                if (json_is_object(source))
                        merge_one(r, object, source);
                json_array_foreach(source, k, part)
                        merge_one(r, object, part);
        }
}

/* One key and its value. */
static int read_member(struct reader *r, json_t *object, json_t *merges) {
        cleanup_(freep) char *key = NULL;
        json_t *value = NULL;
        yaml_mark_t mark;
        int line = line_now(r);
        int e = read_key(r, object, &key);

        if (e < 0)
                return e;
        e = next_event(r);
        if (e < 0)
                return e;
        mark = r->event.start_mark;
        e = read_node(r, &value);
        if (e < 0)
                return e;
        if (key) {
                json_object_set_new(object, key, value);
                json_lines_add(r->lines, object, key, line);
                return 0;
        }
        json_array_append_new(merges, value);
        return can_merge(value) ? 0
                                : fail_at(r, &mark, -EBADMSG, "<< takes a map or a list of maps");
}

static int read_map(struct reader *r, json_t **ret) {
        cleanup_(json_freep) json_t *object = json_object();
        cleanup_(json_freep) json_t *merges = json_array();
        cleanup_(freep) char *anchor = str_dup((const char *)r->event.data.mapping_start.anchor);
        int e;

        json_lines_begin(r->lines, object, line_now(r));
        for (;;) {
                e = next_event(r);
                if (e < 0)
                        return e;
                if (r->event.type == YAML_MAPPING_END_EVENT)
                        break;
                e = read_member(r, object, merges);
                if (e < 0)
                        return e;
        }
        merge_all(r, object, merges);
        set_anchor(r, anchor, object);
        *ret = take_ptr(object);
        return 0;
}

static int read_container(struct reader *r, json_t **ret) {
        bool list = r->event.type == YAML_SEQUENCE_START_EVENT;
        const char *tag =
                tag_of(list ? r->event.data.sequence_start.tag : r->event.data.mapping_start.tag);
        int e;

        if (tag && strcmp(tag, list ? "seq" : "map") != 0)
                return fail(r, -EBADMSG, "a tag that is not known");
        if (r->depth >= YAML_DEPTH_MAX)
                return fail(r, -E2BIG, "nested too deep");
        r->depth++;
        e = list ? read_list(r, ret) : read_map(r, ret);
        r->depth--;
        return e;
}

/* The node that begins with the event at hand; afterwards its last event is at hand. */
static int read_node(struct reader *r, json_t **ret) {
        int e = count_node(r);

        if (e < 0)
                return e;
        switch (r->event.type) {
        case YAML_SCALAR_EVENT:
                e = read_scalar(r, ret);
                if (e == 0)
                        set_anchor(r, (const char *)r->event.data.scalar.anchor, *ret);
                return e;
        case YAML_ALIAS_EVENT:
                return read_alias(r, ret);
        case YAML_SEQUENCE_START_EVENT:
        case YAML_MAPPING_START_EVENT:
                return read_container(r, ret);
        default:
                return fail(r, -EBADMSG, "a value is missing");
        }
}

/* Byte offset of a mark. Marks come in rising order. */
static size_t byte_of(struct reader *r, const yaml_mark_t *mark) {
        while (r->chars < mark->index && r->bytes < r->len) {
                r->bytes++;
                while (r->bytes < r->len && ((unsigned char)r->text[r->bytes] & 0xc0) == 0x80)
                        r->bytes++;
                r->chars++;
        }
        return r->bytes;
}

static void drop_document(struct reader *r) {
        map_free_with(&r->anchors, free_anchor);
        r->nodes = r->expanded = 0;
}

/* From the document's start event to its end event. */
static int read_document(struct reader *r, struct yaml_document *d) {
        int e;

        d->line = line_now(r);
        d->start = byte_of(r, &r->event.start_mark);
        d->lines = r->lines = json_lines_new();
        e = next_event(r);
        if (e == 0)
                e = read_node(r, &d->root);
        if (e == 0)
                e = next_event(r);
        if (e == 0)
                d->end = byte_of(r, &r->event.end_mark);
        drop_document(r);
        return e;
}

static int read_stream(struct reader *r, struct yaml_stream *s) {
        size_t room = 0;
        int e;

        do {
                e = next_event(r);
                if (e < 0)
                        return e;
                if (r->event.type != YAML_DOCUMENT_START_EVENT)
                        continue;
                if (s->count >= YAML_DOCUMENTS_MAX)
                        return fail(r, -E2BIG, "too many documents");
                s->documents = mem_grow(s->documents, &room, s->count + 1, sizeof(*s->documents));
                e = read_document(r, &s->documents[s->count++]);
                if (e < 0)
                        return e;
        } while (r->event.type != YAML_STREAM_END_EVENT);
        return 0;
}

int yaml_parse(const char *text, size_t len, const char *file, enum yaml_schema schema,
               struct yaml_stream *ret, struct err *err) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        struct reader r = { .file = file, .schema = schema, .err = err, .text = text, .len = len };
        int e;

        if (len > JSON_TEXT_MAX)
                return err_set(err, -E2BIG, "%s: %zu bytes, at most %u are read",
                               file ? file : "YAML", len, JSON_TEXT_MAX);
        if (!yaml_parser_initialize(&r.parser))
                abort();
        yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
        e = read_stream(&r, &s);
        drop_event(&r);
        yaml_parser_delete(&r.parser);
        if (e < 0)
                return e;
        *ret = s;
        s = (struct yaml_stream){ 0 };
        return 0;
}

void yaml_stream_free(struct yaml_stream *s) {
        for (size_t i = 0; i < s->count; i++) {
                json_decref(s->documents[i].root);
                json_lines_free(s->documents[i].lines);
        }
        free(s->documents);
        *s = (struct yaml_stream){ 0 };
}
