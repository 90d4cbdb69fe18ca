/* SPDX-License-Identifier: Apache-2.0 */
/* opt-reload.c - what of a freshly read set of options a running program takes over */
#include "opt.h"

#include <stdlib.h>

static void *field(const struct opt *row, void *target) {
        return (char *)target + row->offset;
}

static size_t size_of(const struct opt *row) {
        switch (row->type) {
        case OPT_BOOL:
                return sizeof(bool);
        case OPT_ENUM:
                return sizeof(int);
        case OPT_INT:
        case OPT_DURATION:
        case OPT_SIZE:
                return sizeof(int64_t);
        default:
                return sizeof(void *);
        }
}

static bool same_list(char *const *a, char *const *b) {
        size_t i = 0;

        if (!a || !b)
                return (!a || !a[0]) && (!b || !b[0]);
        while (a[i] && str_eq(a[i], b[i]))
                i++;
        return !a[i] && !b[i];
}

static bool same(const struct opt *row, void *a, void *b) {
        if (row->type == OPT_LIST)
                return same_list(*(char ***)field(row, a), *(char ***)field(row, b));
        if (row->type == OPT_STRING || row->type == OPT_PATH)
                return str_eq(*(char **)field(row, a), *(char **)field(row, b));
        return memcmp(field(row, a), field(row, b), size_of(row)) == 0;
}

/* So that the caller frees the old value with FRESH. */
static void swap(const struct opt *row, void *a, void *b) {
        char kept[sizeof(int64_t)];
        size_t n = size_of(row);

        memcpy(kept, field(row, a), n);
        memcpy(field(row, a), field(row, b), n);
        memcpy(field(row, b), kept, n);
}

void opt_reload(const struct opt *table, void *live, void *fresh, char **ret) {
        struct buf told = BUF_INIT;

        for (const struct opt *row = table; row->name; row++) {
                if (same(row, live, fresh))
                        continue;
                buf_printf(&told, "%s%s%s", told.len ? " " : "", row->name,
                           row->flags & OPT_RELOAD ? "" : " (needs a restart)");
                if (row->flags & OPT_RELOAD)
                        swap(row, live, fresh);
        }
        *ret = buf_take(&told);
}
