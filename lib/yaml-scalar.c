/* SPDX-License-Identifier: Apache-2.0 */
/* yaml-scalar.c - what a plain scalar means; see yaml-scalar.h
 *
 * YAML_KUBERNETES does what kubectl does on the way to JSON: underscores in numbers are dropped,
 * a leading 0 is octal, but "08" is a decimal number, and a number with nothing behind its point
 * is a whole one. */
#include "yaml-scalar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define NUMBER_MAX 64 /* letters; longer runs of digits are texts: no number field takes them */

static bool one_of(const char *text, const char *const *names) {
        for (; *names; names++)
                if (strcmp(text, *names) == 0)
                        return true;
        return false;
}

static bool is_true(const char *text, enum yaml_schema schema) {
        static const char *const core[] = { "true", "True", "TRUE", NULL };
        static const char *const more[] = { "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", NULL };

        return one_of(text, core) || (schema == YAML_KUBERNETES && one_of(text, more));
}

static bool is_false(const char *text, enum yaml_schema schema) {
        static const char *const core[] = { "false", "False", "FALSE", NULL };
        static const char *const more[] = { "n", "N", "no", "No", "NO", "off", "Off", "OFF", NULL };

        return one_of(text, core) || (schema == YAML_KUBERNETES && one_of(text, more));
}

static bool is_null(const char *text) {
        static const char *const names[] = { "", "~", "null", "Null", "NULL", NULL };

        return one_of(text, names);
}

static bool is_special_real(const char *text) {
        static const char *const names[] = { ".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf",
                                             "+.INF", "-.inf", "-.Inf", "-.INF", ".nan",
                                             ".NaN",  ".NAN",  NULL };

        return one_of(text, names);
}

/* Copies the letters without underscores; false when they are too many for a number. */
static bool without_underscores(const char *text, char number[NUMBER_MAX]) {
        size_t n = 0;

        for (; *text; text++) {
                if (*text == '_')
                        continue;
                if (n + 1 >= NUMBER_MAX)
                        return false;
                number[n++] = *text;
        }
        number[n] = '\0';
        return true;
}

static bool all_digits(const char *p, int base) {
        if (!*p)
                return false;
        for (; *p; p++) {
                int value = *p >= '0' && *p <= '9'   ? *p - '0'
                            : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10
                            : *p >= 'A' && *p <= 'F' ? *p - 'A' + 10
                                                     : 99;

                if (value >= base)
                        return false;
        }
        return true;
}

/* Base of the digits at *P, which moves behind the prefix. */
static int take_base(const char **p, enum yaml_schema schema) {
        const char *s = *p;
        char letter = s[0] == '0' ? (char)(s[1] | 0x20) : '\0';

        /* The core schema knows 0x and 0o, in small letters and nothing else. */
        if (schema == YAML_CORE && s[0] == '0' && s[1] != letter)
                return 10;
        if (letter == 'x' || letter == 'o' || (letter == 'b' && schema == YAML_KUBERNETES)) {
                *p += 2;
                return letter == 'x' ? 16 : letter == 'o' ? 8 : 2;
        }
        if (s[0] == '0' && s[1] && schema == YAML_KUBERNETES) {
                *p += 1;
                return 8;
        }
        return 10;
}

/* NULL: not a whole number that int64 holds. */
static json_t *resolve_int(const char *text, enum yaml_schema schema) {
        bool minus = *text == '-';
        const char *p = text + (*text == '-' || *text == '+');
        int base = take_base(&p, schema);
        char digits[NUMBER_MAX + 2];
        char *end;
        long long n;

        if (!all_digits(p, base))
                return NULL;
        snprintf(digits, sizeof(digits), "%s%s", minus ? "-" : "", p);
        errno = 0;
        n = strtoll(digits, &end, base);
        return errno || *end ? NULL : json_integer(n);
}

/* [-+]? (\.[0-9]+ | [0-9]+(\.[0-9]*)?) ([eE][-+]?[0-9]+)? */
static bool looks_real(const char *p) {
        size_t before;
        size_t after = 0;

        p += *p == '-' || *p == '+';
        before = strspn(p, "0123456789");
        p += before;
        if (*p == '.') {
                after = strspn(p + 1, "0123456789");
                p += after + 1;
        }
        if (!before && !after)
                return false;
        if (*p == 'e' || *p == 'E') {
                p++;
                p += *p == '-' || *p == '+';
                if (!*p)
                        return false;
                p += strspn(p, "0123456789");
        }
        return *p == '\0';
}

static json_t *resolve_real(const char *text, enum yaml_schema schema) {
        double d;

        if (!looks_real(text))
                return NULL;
        d = strtod(text, NULL);
        if (isinf(d))
                return NULL;
        if (schema == YAML_KUBERNETES && d == floor(d) && fabs(d) < 1e15)
                return json_integer((json_int_t)d);
        return json_real(d);
}

static json_t *resolve_number(const char *text, enum yaml_schema schema) {
        char number[NUMBER_MAX];
        json_t *j;

        if (!strchr("+-.0123456789", *text) || strlen(text) >= NUMBER_MAX)
                return NULL;
        str_copy(number, sizeof(number), text);
        if (schema == YAML_KUBERNETES && !without_underscores(text, number))
                return NULL;
        j = resolve_int(number, schema);
        return j ? j : resolve_real(number, schema);
}

json_t *yaml_scalar_resolve(const char *text, size_t len, enum yaml_schema schema) {
        json_t *j;

        if (is_null(text))
                return json_null();
        if (is_true(text, schema))
                return json_true();
        if (is_false(text, schema))
                return json_false();
        if (is_special_real(text))
                return NULL;
        j = resolve_number(text, schema);
        return j ? j : json_stringn(text, len);
}
