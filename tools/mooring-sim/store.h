/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - objects by kind, versions and the history that watches read
 *
 * Stored trees never change; a change stores another tree. Every change gets the next
 * resourceVersion, which is counted over all kinds, as etcd does. */
#pragma once

#include "sim.h"

void store_init(struct store *s);
void store_deinit(struct store *s);
json_t *store_get(const struct kind *kind, const char *namespace, const char *name); /* borrowed */
/* Adds or replaces; steals OBJECT and stamps its resourceVersion. -ENOSPC beyond
 * STORE_OBJECTS_MAX. */
int store_put(struct sim *sim, struct kind *kind, json_t *object, struct err *err);
void store_remove(struct sim *sim, struct kind *kind, const char *namespace, const char *name);
/* Index of the first object whose key is not below KEY. */
size_t store_seek(const struct collection *c, const char *key);
/* Event I of the history, oldest first. */
const struct store_event *store_event_at(const struct store *s, size_t i);
/* The object as it was at VERSION, found by undoing history; borrowed, NULL when it was not
 * there. */
json_t *store_get_at(const struct store *s, const struct kind *kind, const char *namespace,
                     const char *name, uint64_t version);
/* Forgets the history: every older version is expired. */
void store_compact(struct store *s);
char *store_key(const char *namespace, const char *name);
bool store_empty_namespace(const struct sim *sim, const char *namespace);

/* "" when there is none */
const char *store_name(const json_t *object);
const char *store_namespace(const json_t *object);
const char *store_uid(const json_t *object);
json_t *store_meta(const json_t *object); /* metadata, borrowed; NULL when there is none */
