/* SPDX-License-Identifier: Apache-2.0 */
/* map.h - a hash table from byte strings to pointers; values are the caller's
 *
 * Keys are copied, each in an allocation of its own. A map of BORROWS keeps the caller's
 * pointer: for tables of very many whose keys lie in their values anyway. */
#pragma once

#include "base.h"

struct map_entry {
        void *value;
        uint32_t hash, len;
        char *key; /* NUL follows the LEN bytes of a copy; NULL: free slot */
};

struct map {
        struct map_entry *slots;
        size_t room; /* a power of two, or 0 */
        size_t count;
        bool borrows; /* set before the first key */
};

#define MAP_INIT { NULL, 0, 0, false }

void map_free(struct map *m);                                         /* values are not freed */
void map_free_with(struct map *m, void (*free_value)(void *));
void *map_find(const struct map *m, const char *key);                 /* NULL: not there */
void *map_find_bytes(const struct map *m, const void *key, size_t len);
/* Returns what was there before, or NULL. VALUE is not NULL. */
void *map_set(struct map *m, const char *key, void *value);
void *map_set_bytes(struct map *m, const void *key, size_t len, void *value);
/* Returns what was there, or NULL. */
void *map_remove(struct map *m, const char *key);
void *map_remove_bytes(struct map *m, const void *key, size_t len);
/* Walks all entries: `for (size_t i = 0; (e = map_next(m, &i)); )`. No change of the map
 * meanwhile. */
struct map_entry *map_next(const struct map *m, size_t *i);
