/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - where plain secret values lie in memory
 *
 * Pages of their own: left out of core dumps (MADV_DONTDUMP), empty in a forked child (MADV_WIPEONFORK), locked where the
 * limits allow it, and overwritten when freed. */
#pragma once

#include "base.h"

struct secret_text {
        char *data; /* in the arena; NUL follows the LEN bytes; NULL: none */
        size_t len;
};

void secret_text_set(struct secret_text *t, const void *data, size_t len); /* wipes what was there */
void secret_text_free(struct secret_text *t);                             /* also a cleanup function */

void *arena_alloc(size_t size);
void arena_free(void *p, size_t size);
