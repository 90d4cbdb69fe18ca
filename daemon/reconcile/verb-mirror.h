/* SPDX-License-Identifier: Apache-2.0 */
/* verb-mirror.h - what verb-mirror.c (pages) and verb-mirror-object.c (what becomes of each object)
 * share; nobody else includes it */
#pragma once

#include "verb.h"

/* Objects that are under way at once: small ones wait for the network more than for its width. In
 * memory is a few times what they have, so together they stay far below what one stream of a large
 * one takes, and that goes alone. */
#define MIRROR_AT_ONCE 8
#define MIRROR_BYTES_AT_ONCE ((int64_t)4 << 20)

struct mirror_object {
        struct verb *verb;
        size_t at; /* in the page */
        int64_t size;
        bool out, streams;
        struct op op;
        struct act_request request;
        struct stream_request stream;
        json_t *ask, *ask_to;
};

struct mirror {
        const struct provider *from_provider, *to_provider;
        struct target *from, *to; /* open as long as the verb is out: verb_target_closes */
        const char *bucket, *prefix, *to_bucket, *to_prefix; /* borrowed from the ask */
        /* Borrowed too. LIST: key of a list at FROM, of keys below BASE, or NULL. NOTE: key of one
         * that is written at TO, or NULL. */
        const char *list, *base, *note;
        bool look;                      /* and do not copy */
        json_t *noted;                  /* of the page; NULL without NOTE */
        json_t *ask;                    /* of a list that is out */
        json_t *page, *there;           /* THERE: key -> what the other end has under it, or null */
        bool *stands;                   /* of the page: it is there now, as it is here */
        char *begin, *after, *to_after; /* where this page and the next begin; NULL: none */
        size_t at, lists;               /* AT: of the page, the next that is begun */
        int64_t looked, same, copied, bytes, missed, limit;
        int64_t until, slice; /* clock_mono */
        char *first_missed;
        int64_t first_missed_at; /* of all that was looked at */
        struct mirror_object objects[MIRROR_AT_ONCE];
};

json_t *verb_mirror_ask(const char *bucket, const char *key);
char *verb_mirror_key(const struct mirror *m, const char *key); /* at the other end; free it */

/* ---- verb-mirror-object.c */
/* Begins as many of the page as may be under way. False: none is, nor is one left to begin. */
bool verb_mirror_objects(struct verb *v);
void verb_mirror_stop(struct mirror *m); /* those that are under way; nothing of them is told */

/* ---- verb-mirror.c */
void verb_mirror_go_on(struct verb *v); /* an object is done with */
