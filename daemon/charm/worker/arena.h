/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - memory that lives as long as one plan: what charm_* functions return */
#pragma once

#include "base.h"

struct arena_block;
struct arena {
        struct arena_block *blocks; /* the newest first */
};

void *arena_alloc(struct arena *a, size_t n); /* zeroed */
char *arena_text(struct arena *a, const char *text, size_t len);
char *arena_format(struct arena *a, const char *fmt, va_list ap);
void arena_reset(struct arena *a);
