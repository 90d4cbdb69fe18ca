/* SPDX-License-Identifier: Apache-2.0 */
/* map.c - open addressing with backward-shift deletion; see map.h
 *
 * FNV-1a with a per-process seed: keys come from outside, an attacker must not choose their
 * slots. */
#include "map.h"

#include <stdlib.h>
#include <sys/random.h>

/* A table that was once much larger gives its memory back. */
#define SHRINK_ABOVE 4096

static uint64_t seed(void) {
        static uint64_t value;

        while (!value)
                if (getrandom(&value, sizeof(value), 0) < 0)
                        value = (uintptr_t)&value;
        return value;
}

static uint32_t hash_of(const void *key, size_t len) {
        const unsigned char *p = key;
        uint64_t h = 1469598103934665603ull ^ seed();

        for (size_t i = 0; i < len; i++)
                h = (h ^ p[i]) * 1099511628211ull;
        return (uint32_t)(h ^ (h >> 32));
}

/* The slot that holds the key, or the free one where it belongs. */
static size_t slot_of(const struct map *m, const void *key, size_t len, uint32_t hash) {
        size_t i = hash & (m->room - 1);

        while (m->slots[i].key) {
                struct map_entry *e = &m->slots[i];

                if (e->hash == hash && e->len == len && memcmp(e->key, key, len) == 0)
                        break;
                i = (i + 1) & (m->room - 1);
        }
        return i;
}

static void resize(struct map *m, size_t room) {
        struct map old = *m;

        m->slots = mem_array(struct map_entry, room);
        m->room = room;
        for (size_t i = 0; i < old.room; i++) {
                struct map_entry *e = &old.slots[i];

                if (e->key)
                        m->slots[slot_of(m, e->key, e->len, e->hash)] = *e;
        }
        free(old.slots);
}

static char *key_copy(const void *key, size_t len) {
        char *copy = mem_alloc(len + 1);

        return memcpy(copy, key, len);
}

static void key_free(const struct map *m, char *key) {
        if (!m->borrows)
                free(key);
}

void map_free_with(struct map *m, void (*free_value)(void *)) {
        for (size_t i = 0; i < m->room; i++) {
                if (!m->slots[i].key)
                        continue;
                key_free(m, m->slots[i].key);
                if (free_value)
                        free_value(m->slots[i].value);
        }
        free(m->slots);
        *m = (struct map){ .borrows = m->borrows };
}

void map_free(struct map *m) {
        map_free_with(m, NULL);
}

void *map_find_bytes(const struct map *m, const void *key, size_t len) {
        if (!m->count)
                return NULL;
        return m->slots[slot_of(m, key, len, hash_of(key, len))].value;
}

void *map_find(const struct map *m, const char *key) {
        return map_find_bytes(m, key, strlen(key));
}

void *map_set_bytes(struct map *m, const void *key, size_t len, void *value) {
        uint32_t hash = hash_of(key, len);
        struct map_entry *e;
        void *old;

        if ((m->count + 1) * 4 > m->room * 3)
                resize(m, m->room ? m->room * 2 : 16);
        e = &m->slots[slot_of(m, key, len, hash)];
        old = e->value;
        if (!e->key) {
                e->key = m->borrows ? (char *)key : key_copy(key, len);
                e->len = (uint32_t)len;
                e->hash = hash;
                m->count++;
        } else if (m->borrows) {
                e->key = (char *)key; /* the old one goes with the old value */
        }
        e->value = value;
        return old;
}

void *map_set(struct map *m, const char *key, void *value) {
        return map_set_bytes(m, key, strlen(key), value);
}

void *map_remove_bytes(struct map *m, const void *key, size_t len) {
        size_t mask = m->room - 1;
        size_t hole;
        void *value;

        if (!m->count)
                return NULL;
        hole = slot_of(m, key, len, hash_of(key, len));
        if (!m->slots[hole].key)
                return NULL;
        value = m->slots[hole].value;
        key_free(m, m->slots[hole].key);
        m->count--;
        for (size_t i = (hole + 1) & mask; m->slots[i].key; i = (i + 1) & mask) {
                size_t home = m->slots[i].hash & mask;

                /* An entry may fill the hole unless its home lies behind the hole. */
                if (((i - home) & mask) < ((i - hole) & mask))
                        continue;
                m->slots[hole] = m->slots[i];
                hole = i;
        }
        m->slots[hole] = (struct map_entry){ 0 };
        if (m->room > SHRINK_ABOVE && m->count < m->room / 16)
                resize(m, m->room / 4);
        return value;
}

void *map_remove(struct map *m, const char *key) {
        return map_remove_bytes(m, key, strlen(key));
}

struct map_entry *map_next(const struct map *m, size_t *i) {
        while (*i < m->room) {
                struct map_entry *e = &m->slots[(*i)++];

                if (e->key)
                        return e;
        }
        return NULL;
}
