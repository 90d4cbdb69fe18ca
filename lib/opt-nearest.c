/* SPDX-License-Identifier: Apache-2.0 */
/* opt-nearest.c - "did you mean": the nearest of some names; see opt.h
 *
 * Distance as Damerau's, restricted: an insertion, a deletion, another letter or two neighbours
 * swapped count one each. */
#include "opt.h"

#define NAME_MAX_LETTERS 64 /* longer texts are no typing mistakes of our names */

static size_t least(size_t a, size_t b, size_t c) {
        return MIN_OF(a, MIN_OF(b, c));
}

static size_t distance(const char *a, const char *b) {
        size_t rows[3][NAME_MAX_LETTERS + 1];
        size_t n = strlen(a);
        size_t m = strlen(b);

        if (n > NAME_MAX_LETTERS || m > NAME_MAX_LETTERS)
                return SIZE_MAX;
        for (size_t k = 0; k <= m; k++)
                rows[0][k] = k;
        for (size_t i = 1; i <= n; i++) {
                size_t *row = rows[i % 3];
                const size_t *above = rows[(i + 2) % 3];

                row[0] = i;
                for (size_t k = 1; k <= m; k++) {
                        size_t other = a[i - 1] == b[k - 1] ? 0 : 1;

                        row[k] = least(row[k - 1] + 1, above[k] + 1, above[k - 1] + other);
                        if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                                row[k] = MIN_OF(row[k], rows[(i + 1) % 3][k - 2] + 1);
                }
        }
        return rows[n % 3][m];
}

const char *opt_nearest(const char *text, const char *const *names) {
        size_t limit = strlen(text) / 3;
        const char *best = NULL;

        for (; *names; names++) {
                size_t d = distance(text, *names);

                if (d > limit || d >= strlen(*names) || (best && d >= distance(text, best)))
                        continue;
                best = *names;
        }
        return best;
}
