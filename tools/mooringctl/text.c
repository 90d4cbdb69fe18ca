/* SPDX-License-Identifier: Apache-2.0 */
/* text.c - texts for people; see text.h */
#include "text.h"

#include "clock.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <time.h>
#include <wchar.h>

static int by_number(const char **a, const char **b) {
        size_t n, m;

        while (**a == '0' && isdigit((unsigned char)(*a)[1]))
                (*a)++;
        while (**b == '0' && isdigit((unsigned char)(*b)[1]))
                (*b)++;
        n = strspn(*a, "0123456789");
        m = strspn(*b, "0123456789");
        if (n != m)
                return n < m ? -1 : 1;
        m = (size_t)strncmp(*a, *b, n);
        *a += n;
        *b += n;
        return (int)m;
}

int text_natural(const char *a, const char *b) {
        while (*a && *b) {
                int r;

                if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
                        r = by_number(&a, &b);
                        if (r)
                                return r;
                        continue;
                }
                r = (unsigned char)*a++ - (unsigned char)*b++;
                if (r)
                        return r;
        }
        return (unsigned char)*a - (unsigned char)*b;
}

size_t text_width(const char *text) {
        mbstate_t state = { 0 };
        size_t width = 0;

        while (*text) {
                wchar_t wide;
                size_t n = mbrtowc(&wide, text, strlen(text), &state);
                int w;

                if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
                        /* not UTF-8, or a locale without it: one column a byte that begins a
                         * letter */
                        memset(&state, 0, sizeof(state));
                        width += ((unsigned char)*text & 0xc0) != 0x80;
                        text++;
                        continue;
                }
                w = wcwidth(wide);
                width += w > 0 ? (size_t)w : 0;
                text += n;
        }
        return width;
}

const char *text_bar(size_t done, size_t total, size_t width, char ret[TEXT_BAR_MAX + 1]) {
        memset(ret, '.', width);
        memset(ret, '#', total ? MIN_OF(done, total) * width / total : 0);
        ret[width] = '\0';
        return ret;
}

/* Bytes of the letter that TEXT begins with. */
static size_t letter(const char *text) {
        size_t n = 1;

        while (((unsigned char)text[n] & 0xc0) == 0x80)
                n++;
        return n;
}

/* Bytes of the longest beginning of at most WIDTH columns. */
static size_t prefix(const char *text, size_t width) {
        size_t n = 0;

        while (text[n]) {
                size_t next = n + letter(text + n);
                cleanup_(freep) char *part = str_ndup(text, next);

                if (text_width(part) > width)
                        break;
                n = next;
        }
        return n;
}

char *text_cut(const char *text, size_t width, bool left) {
        if (text_width(text) <= width || width == 0)
                return str_dup(text);
        if (!left)
                return str_format("%.*s…", (int)prefix(text, width - 1), text);
        while (*text && text_width(text) > width - 1)
                text += letter(text);
        return str_format("…%s", text);
}

size_t text_line(const char *text, size_t width) {
        size_t n = prefix(text, width), blank = n;

        if (!text[n])
                return n;
        while (blank && text[blank] != ' ')
                blank--;
        return blank ? blank : n ? n : letter(text);
}

size_t text_columns(FILE *out) {
        struct winsize size = { 0 };
        int fd = fileno(out);

        return fd >= 0 && isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

#define PUT_MIN 24 /* columns for words; in a narrower rest the terminal breaks them itself */

void text_put(const char *text, size_t at, const char *indent, size_t columns, FILE *out) {
        size_t further = text_width(indent);

        while (columns >= further + PUT_MIN && at + text_width(text) > columns) {
                size_t n = at + PUT_MIN > columns ? 0 : text_line(text, columns - at);

                fprintf(out, "%.*s\n%s", (int)n, text, indent);
                text += n;
                text += strspn(text, " ");
                at = further;
        }
        fprintf(out, "%s\n", text);
}

/* Bytes of the mark at TEXT that turns the direction of what follows, so that a line reads as
 * another (Unicode's Bidi_Control); 0: it is none. */
static size_t turning_mark(const char *text) {
        const unsigned char *c = (const unsigned char *)text;

        if (c[0] == 0xd8)
                return c[1] == 0x9c ? 2 : 0;
        if (c[0] != 0xe2)
                return 0;
        if (c[1] == 0x80)
                return (c[2] >= 0x8e && c[2] <= 0x8f) || (c[2] >= 0xaa && c[2] <= 0xae) ? 3 : 0;
        return c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9 ? 3 : 0;
}

char *text_safe(const char *text) {
        struct buf out = BUF_INIT;

        for (size_t n; text && *text; text += n) {
                unsigned char c = (unsigned char)*text;

                n = MAX_OF(turning_mark(text), (size_t)1);
                if (c == '\n' || c == '\t')
                        buf_putc(&out, ' ');
                else if (c < 0x20 || c == 0x7f || n > 1)
                        buf_putc(&out, '?');
                else if (c == 0xc2 && (unsigned char)text[1] >= 0x80 &&
                         (unsigned char)text[1] < 0xa0)
                        n = 2; /* C1: a terminal's commands in one character */
                else
                        buf_putc(&out, *text);
        }
        return buf_take(&out);
}

static bool split(const char *iso, bool utc, struct tm *ret) {
        int64_t ms;
        time_t s;

        if (!iso || !clock_parse_iso(iso, &ms))
                return false;
        s = (time_t)(ms / 1000);
        return utc ? gmtime_r(&s, ret) != NULL : localtime_r(&s, ret) != NULL;
}

void text_draw(const char *begin, const char *text) {
        struct winsize size = { .ws_col = 80 };
        cleanup_(freep) char *safe = text_safe(text), *cut = NULL;
        size_t used = text_width(begin);

        ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
        cut = text_cut(safe, size.ws_col > used ? size.ws_col - used : 1, false);
        fprintf(stderr, "\r\033[K%s%s", begin, cut);
        fflush(stderr);
}

const char *text_time(const char *iso, bool utc, char ret[40]) {
        time_t now = (time_t)(clock_wall() / 1000);
        struct tm at, today;

        ret[0] = '\0';
        if (!split(iso, utc, &at))
                return ret;
        if (utc)
                gmtime_r(&now, &today);
        else
                localtime_r(&now, &today);
        if (at.tm_year == today.tm_year && at.tm_yday == today.tm_yday)
                strftime(ret, 40, utc ? "%H:%M:%SZ" : "%H:%M:%S", &at);
        else
                strftime(ret, 40, utc ? "%Y-%m-%d %H:%M:%SZ" : "%Y-%m-%d %H:%M:%S", &at);
        return ret;
}

const char *text_clock(const char *iso, bool utc, char ret[40]) {
        struct tm at;
        size_t n;

        ret[0] = '\0';
        if (!split(iso, utc, &at))
                return ret;
        n = strftime(ret, 40, utc || at.tm_gmtoff == 0 ? "%H:%M:%SZ" : "%H:%M:%S%z", &at);
        if (n == 13) { /* "+0200" as "+02:00" */
                memmove(ret + 12, ret + 11, 3);
                ret[11] = ':';
        }
        return ret;
}

const char *text_size(int64_t bytes, char ret[32]) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
        size_t unit = 0;
        int64_t n = bytes;

        while (n >= 1024 && n % 1024 == 0 && unit + 1 < ARRAY_SIZE(units)) {
                n /= 1024;
                unit++;
        }
        snprintf(ret, 32, "%lld%s", (long long)n, units[unit]);
        return ret;
}

const char *text_bytes(int64_t bytes, char ret[32]) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
        double n = (double)bytes;
        size_t unit = 0;

        while (n >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
                n /= 1024;
                unit++;
        }
        snprintf(ret, 32, unit ? "%.1f %s" : "%.0f %s", n, units[unit]);
        return ret;
}

char *text_value(const json_t *j) {
        cleanup_(freep) char *text = NULL;

        if (!j || json_is_null(j))
                return str_dup("");
        if (json_is_string(j))
                return text_safe(json_string_value(j));
        text = json_text(j);
        return text_safe(text);
}

static int by_name(const void *a, const void *b) {
        return text_natural(*(const char *const *)a, *(const char *const *)b);
}

const char **text_members(const json_t *j) {
        size_t n = json_object_size(j), i = 0;
        const char **names = mem_array(const char *, n + 1);
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)j, name, value)
                names[i++] = name;
        if (n)
                qsort(names, n, sizeof(*names), by_name);
        return names;
}

char *text_object(const char *type, const char *path) {
        const char *slash = strrchr(path, '/');
        char *kind, *text;

        if (!isupper((unsigned char)type[0]))
                return str_format("%s %s", type, path);
        kind = str_ndup(type, strcspn(type, "."));
        for (char *p = kind; *p; p++)
                *p = (char)tolower((unsigned char)*p);
        text = str_format("%s/%s", kind, slash ? slash + 1 : path);
        free(kind);
        return text;
}
