/* SPDX-License-Identifier: Apache-2.0 */
/* size.c - see size.h */
#include "size.h"

#include <ctype.h>
#include <inttypes.h>

static const char units[] = "BKMGTPE"; /* each 1024 times the one before */
#define FRACTION_DIGITS 6              /* "1.5G"; finer than a byte of a mebibyte helps nobody */

/* The exponent of 1024 that the rest of the text names, or -1. */
static int unit_of(const char *rest) {
        const char *u;

        if (!*rest)
                return 2;
        u = strchr(units, toupper((unsigned char)*rest));
        if (!u)
                return -1;
        rest++;
        if (*u != 'B' && (*rest == 'i' || *rest == 'I'))
                rest++;
        if (*u != 'B' && (*rest == 'b' || *rest == 'B'))
                rest++;
        return *rest ? -1 : (int)(u - units);
}

/* Digits into a number; false when there is none or it is too big. */
static bool read_digits(const char **p, int most, int64_t *ret, int *ret_digits) {
        int64_t n = 0;
        int digits = 0;

        for (; isdigit((unsigned char)**p); (*p)++, digits++) {
                if (digits < most &&
                    (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, **p - '0', &n)))
                        return false;
        }
        *ret = n;
        *ret_digits = MIN_OF(digits, most);
        return digits > 0;
}

bool size_parse(const char *text, int64_t *ret_bytes) {
        int64_t whole, part = 0, scale = 1, tenth = 1, bytes;
        int digits, unit;

        if (!read_digits(&text, 19, &whole, &digits))
                return false;
        digits = 0;
        if (*text == '.') {
                text++;
                if (!read_digits(&text, FRACTION_DIGITS, &part, &digits))
                        return false;
        }
        unit = unit_of(text);
        if (unit < 0)
                return false;
        for (int i = 0; i < unit; i++)
                scale *= 1024;
        if (__builtin_mul_overflow(whole, scale, &bytes))
                return false;
        for (; digits > 0; digits--)
                tenth *= 10;
        if (__builtin_add_overflow(bytes, (int64_t)((__int128)part * scale / tenth), &bytes))
                return false;
        *ret_bytes = bytes;
        return true;
}

const char *size_text(int64_t bytes, char text[SIZE_TEXT_MAX]) {
        int unit = 0;

        while (bytes != 0 && bytes % 1024 == 0 && units[unit + 1]) {
                bytes /= 1024;
                unit++;
        }
        snprintf(text, SIZE_TEXT_MAX, "%" PRId64 "%c", bytes, units[unit]);
        return text;
}
