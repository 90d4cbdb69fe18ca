/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - where plain secret values lie in memory
 *
 * Pages of their own between guard pages: left out of core dumps (MADV_DONTDUMP), empty in a
 * forked child (MADV_WIPEONFORK), locked where the limits allow it, and overwritten when freed.
 * Any thread. */
#pragma once

#include "base.h"

struct secret_text {
        char *data; /* in the arena; NUL follows the LEN bytes; NULL: none */
        size_t len;
};

/* Wipes what was there, which DATA may be part of. */
void secret_text_set(struct secret_text *t, const void *data, size_t len);
void secret_text_free(struct secret_text *t); /* also a cleanup function */

void *arena_alloc(size_t size);        /* zeroed; never NULL */
void arena_free(void *p, size_t size); /* SIZE as it was asked for; P may be NULL */
size_t arena_used(void);               /* bytes that are not freed yet */
