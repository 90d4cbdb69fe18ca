/* SPDX-License-Identifier: Apache-2.0 */
/* json-lines.h - inside lib: the table of lines beside a tree, from yaml.c to json-decode.c
 *
 * Per container one line per member (found by a hash of its name, so that members may be removed
 * later) or per item (by index). The table holds a reference on every container: an address is
 * never used twice. */
#pragma once

#include "json.h"
#include "map.h"

struct json_lines {
        struct map containers; /* address of the json_t -> struct lines_entry */
};

struct lines_entry {
        json_t *container; /* a reference */
        int line;          /* where it begins */
        size_t count, room;
        struct lines_slot {
                uint32_t hash; /* of the member's name; 0 in lists */
                int line;
        } *slots;
};

struct json_lines *json_lines_new(void);
struct json_lines *json_lines_free(struct json_lines *lines); /* returns NULL */
/* CONTAINER is an object or a list that begins at LINE. */
void json_lines_begin(struct json_lines *lines, json_t *container, int line);
/* The next member, or with MEMBER NULL the next item, of a container that was begun. */
void json_lines_add(struct json_lines *lines, const json_t *container, const char *member,
                    int line);
/* Where the container itself begins; 0: not known. */
int json_lines_own(const struct json_lines *lines, const json_t *container);
