/* SPDX-License-Identifier: Apache-2.0 */
/* provider-slow.h - an outside that is everything a Kubernetes cluster is not, for tests of what
 * stands on providers
 *
 * It tells nothing by itself (no watch). Its ids keep the case in which they were made and are
 * found in any. Its very first write is throttled. Each write and removal runs long: it is
 * RUNNING SLOW_ROUNDS times, under a token that must be handed back; one that is begun again
 * instead shows in slow_begun. The outside lives in this process and outlives targets, so a test
 * can close the target in the middle, as a restart does.
 *
 *   {"type": "Thing", "group": "Blue", "name": "One", "size": 3, "key": "{{secret:...}}"}
 *
 * Its outputs are known once the first write is done: /address ("slow://blue/one") and /word, which
 * is secret. */
#pragma once

#include "provider.h"

#define SLOW_ROUNDS 3
#define SLOW_AGAIN_MS 50     /* when a running operation may be asked about again */
#define SLOW_THROTTLE_MS 100 /* for how long the first write is put off */
#define SLOW_POLL_MS 1000

extern const struct provider provider_slow;
/* A table of it and MORE (or NULL), for provider_set_table. */
const struct provider *const *slow_table(const struct provider *more);

void slow_reset(void);    /* an empty outside, whose first write is throttled */
int slow_count(void);     /* things in it */
int slow_begun(void);     /* operations that were begun, each once if tokens are kept */
int slow_throttled(void); /* writes that were put off */
int slow_early(void);     /* questions that came before their again_at */
const json_t *slow_at(const char *path); /* in any case; borrowed; NULL: not there */
bool slow_delete(const char *path);      /* as a stranger does */
bool slow_change(const char *path, const char *member, json_t *value); /* steals VALUE */
/* The outside itself changes an output: no drift. */
bool slow_move(const char *path, const char *address);
bool slow_renew(const char *path); /* another word */
char *slow_word(const char *path); /* free it; NULL: no such thing */
void slow_hold(bool held);         /* no operation ends; those that are asked about go on running */
void slow_down(bool down);         /* from now on nothing answers */
