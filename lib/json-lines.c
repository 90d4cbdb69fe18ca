/* SPDX-License-Identifier: Apache-2.0 */
/* json-lines.c - the table of lines beside a tree; see json-lines.h */
#include "json-lines.h"

#include <stdlib.h>

static uint32_t name_hash(const char *name) {
        uint32_t h = 2166136261u;

        for (; *name; name++)
                h = (h ^ (unsigned char)*name) * 16777619u;
        return h ? h : 1;
}

struct json_lines *json_lines_new(void) {
        return mem_new(struct json_lines);
}

static void free_entry(void *p) {
        struct lines_entry *e = p;

        json_decref(e->container);
        free(e->slots);
        free(e);
}

struct json_lines *json_lines_free(struct json_lines *lines) {
        if (!lines)
                return NULL;
        map_free_with(&lines->containers, free_entry);
        free(lines);
        return NULL;
}

static struct lines_entry *entry_of(const struct json_lines *lines, const json_t *container) {
        if (!lines)
                return NULL;
        return map_find_bytes(&lines->containers, &container, sizeof(const json_t *));
}

void json_lines_begin(struct json_lines *lines, json_t *container, int line) {
        struct lines_entry *e = mem_new(struct lines_entry);

        e->container = json_incref(container);
        e->line = line;
        e = map_set_bytes(&lines->containers, &container, sizeof(json_t *), e);
        if (e)
                free_entry(e);
}

void json_lines_add(struct json_lines *lines, const json_t *container, const char *member,
                    int line) {
        struct lines_entry *e = entry_of(lines, container);

        if (!e)
                return;
        e->slots = mem_grow(e->slots, &e->room, e->count + 1, sizeof(*e->slots));
        e->slots[e->count].hash = member ? name_hash(member) : 0;
        e->slots[e->count++].line = line;
}

int json_lines_own(const struct json_lines *lines, const json_t *container) {
        const struct lines_entry *e = entry_of(lines, container);

        return e ? e->line : 0;
}

int json_line_of(const struct json_lines *lines, const json_t *container, const char *member,
                 size_t index) {
        const struct lines_entry *e = entry_of(lines, container);
        uint32_t hash;

        if (!e)
                return 0;
        if (!member)
                return index < e->count ? e->slots[index].line : 0;
        hash = name_hash(member);
        for (size_t i = 0; i < e->count; i++)
                if (e->slots[i].hash == hash)
                        return e->slots[i].line;
        return 0;
}
