/* SPDX-License-Identifier: Apache-2.0 */
/* zone.c - reads TZif (RFC 8536): the transitions, and the rule in its footer for all after them
 *
 * Of the footer only rules of the form Mm.w.d are read, the only ones that zones with summer time
 * have; without one the last offset stays. Pure but for reading the file. */
#include "zone.h"

#include "buf.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ZONE_FOLDER "/usr/share/zoneinfo/"
#define ZONE_BYTES_MAX (64u << 10) /* the largest has 3.5 KB */
#define ZONE_TIMES_MAX 4096
#define DAY 86400
#define HEAD_SIZE 44

struct change { /* "M10.5.0/3": in October, the last Sunday, at 03:00 */
        int month, week, day;
        int64_t time;
};

struct zone {
        size_t count;
        int64_t *times, *offsets; /* from times[i] on offsets[i] */
        int64_t first;            /* before all of them */
        bool summer, ruled;       /* there is a footer; it has a summer time */
        int64_t standard, other;
        struct change begin, end;
};

struct head {
        uint32_t isut, isstd, leap, times, types, chars;
};

static uint32_t be32(const uint8_t *p) {
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const uint8_t *p) {
        return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

int64_t zone_days(int64_t year, int month, int day) {
        int64_t y = month <= 2 ? year - 1 : year;
        int64_t era = (y >= 0 ? y : y - 399) / 400;
        int64_t of_era = y - era * 400;
        int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

        return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void zone_date(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day) {
        int64_t z = days + 719468;
        int64_t era = (z >= 0 ? z : z - 146096) / 146097;
        int64_t of_era = z - era * 146097;
        int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
        int64_t m = (5 * of_year + 2) / 153;

        *ret_day = (int)(of_year - (153 * m + 2) / 5 + 1);
        *ret_month = (int)(m < 10 ? m + 3 : m - 9);
        *ret_year = year + era * 400 + (*ret_month <= 2);
}

/* ---- the footer: "CET-1CEST,M3.5.0,M10.5.0/3" */

static const char *skip_name(const char *p) {
        if (*p == '<')
                return p + strcspn(p, ">") + (strchr(p, '>') != NULL);
        while (isalpha((unsigned char)*p))
                p++;
        return p;
}

/* "-1", "5:30", "3" in seconds, as it is written. */
static const char *read_time(const char *p, int64_t *ret) {
        int64_t unit = 3600, total = 0;
        bool minus = *p == '-';

        if (*p == '-' || *p == '+')
                p++;
        for (int i = 0; i < 3; i++, unit /= 60) {
                char *end;

                total += strtol(p, &end, 10) * unit;
                p = end;
                if (*p != ':')
                        break;
                p++;
        }
        *ret = minus ? -total : total;
        return p;
}

static const char *read_change(const char *p, struct change *ret) {
        int n = 0;

        ret->time = (int64_t)2 * 3600;
        if (sscanf(p, ",M%d.%d.%d%n", &ret->month, &ret->week, &ret->day, &n) < 3 || !n ||
            ret->month < 1 || ret->month > 12 || ret->week < 1 || ret->week > 5 || ret->day < 0 ||
            ret->day > 6)
                return NULL;
        p += n;
        return *p == '/' ? read_time(p + 1, &ret->time) : p;
}

static void read_footer(struct zone *z, const char *p) {
        int64_t west;

        p = skip_name(p);
        if (!*p)
                return;
        p = read_time(p, &west);
        z->standard = -west;
        z->ruled = true;
        if (!*p)
                return;
        p = skip_name(p);
        z->other = z->standard + 3600;
        if (*p && *p != ',') {
                p = read_time(p, &west);
                z->other = -west;
        }
        p = read_change(p, &z->begin);
        z->summer = p && read_change(p, &z->end);
}

/* ---- the table */

static size_t body_size(const struct head *h, size_t width) {
        return (size_t)h->times * width + h->times + (size_t)h->types * 6 + h->chars +
               (size_t)h->leap * (width + 4) + h->isstd + h->isut;
}

static int read_head(const uint8_t *p, size_t len, struct head *ret) {
        if (len < HEAD_SIZE || memcmp(p, "TZif", 4) != 0)
                return -EBADMSG;
        *ret = (struct head){ be32(p + 20), be32(p + 24), be32(p + 28),
                              be32(p + 32), be32(p + 36), be32(p + 40) };
        if (ret->times > ZONE_TIMES_MAX || ret->types > 256 || ret->types == 0 ||
            ret->chars > 4096 || ret->leap > 4096 || ret->isstd > 256 || ret->isut > 256)
                return -EBADMSG;
        return 0;
}

static int read_body(struct zone *z, const struct head *h, const uint8_t *p) {
        const uint8_t *index = p + (size_t)h->times * 8, *types = index + h->times;

        z->count = h->times;
        z->times = mem_array(int64_t, z->count + 1);
        z->offsets = mem_array(int64_t, z->count + 1);
        z->first = (int32_t)be32(types);
        for (size_t i = 0; i < z->count; i++) {
                if (index[i] >= h->types)
                        return -EBADMSG;
                z->times[i] = be64(p + i * 8);
                z->offsets[i] = (int32_t)be32(types + (size_t)index[i] * 6);
        }
        return 0;
}

static int parse(struct zone *z, const uint8_t *p, size_t len) {
        cleanup_(freep) char *footer = NULL;
        struct head h;
        size_t skip;

        if (read_head(p, len, &h) < 0 || p[4] < '2')
                return -EBADMSG;
        skip = HEAD_SIZE + body_size(&h, 4);
        if (skip > len || read_head(p + skip, len - skip, &h) < 0)
                return -EBADMSG;
        skip += HEAD_SIZE;
        if (body_size(&h, 8) > len - skip || read_body(z, &h, p + skip) < 0)
                return -EBADMSG;
        skip += body_size(&h, 8);
        if (len - skip < 2 || p[skip] != '\n' || p[len - 1] != '\n')
                return -EBADMSG;
        footer = str_ndup((const char *)p + skip + 1, len - skip - 2);
        read_footer(z, footer);
        return 0;
}

int zone_parse(const void *data, size_t len, struct zone **ret, struct err *err) {
        struct zone *z = mem_new(struct zone);

        if (parse(z, data, len) < 0) {
                zone_free(z);
                return err_set(err, -EBADMSG, "is no table of a time zone");
        }
        *ret = z;
        return 0;
}

struct zone *zone_free(struct zone *z) {
        if (z) {
                free(z->times);
                free(z->offsets);
        }
        free(z);
        return NULL;
}

static bool is_name(const char *name) {
        for (const char *p = name; *p; p++)
                if (!isalnum((unsigned char)*p) && !strchr("/_+-", *p))
                        return false;
        return *name && *name != '/' && strlen(name) < 64;
}

int zone_open(const char *name, struct zone **ret, struct err *err) {
        cleanup_(freep) char *path = NULL;
        cleanup_(closep) int fd = -1;
        cleanup_(freep) uint8_t *data = NULL;
        ssize_t n;
        int r;

        if (str_eq(name, "UTC")) {
                *ret = mem_new(struct zone);
                return 0;
        }
        if (!is_name(name))
                return err_set(err, -EINVAL, "\"%s\" is no name of a time zone: Europe/Berlin",
                               name);
        path = str_format(ZONE_FOLDER "%s", name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return err_set(err, -ENOENT, "there is no time zone %s on this host (%s)", name,
                               path);
        data = mem_alloc(ZONE_BYTES_MAX);
        n = read(fd, data, ZONE_BYTES_MAX);
        r = zone_parse(data, n > 0 ? (size_t)n : 0, ret, err);
        return r < 0 ? err_add(err, r, "time zone %s", name) : 0;
}

/* ---- offsets */

/* When C comes in YEAR, where clocks were OFFSET ahead until then. */
static int64_t change_at(const struct change *c, int64_t year, int64_t offset) {
        int64_t first = zone_days(year, c->month, 1);
        int64_t next =
                c->month == 12 ? zone_days(year + 1, 1, 1) : zone_days(year, c->month + 1, 1);
        int64_t weekday = ((first + 4) % 7 + 7) % 7;
        int64_t day = first + (c->day - weekday + 7) % 7 + (int64_t)(c->week - 1) * 7;

        while (day >= next)
                day -= 7;
        return day * DAY + c->time - offset;
}

static int64_t ruled_offset(const struct zone *z, int64_t utc) {
        int64_t year, begin, end, days = (utc + z->standard) / DAY;
        int month, day;

        if (!z->summer)
                return z->standard;
        zone_date(days, &year, &month, &day);
        begin = change_at(&z->begin, year, z->standard);
        end = change_at(&z->end, year, z->other);
        if (begin < end)
                return begin <= utc && utc < end ? z->other : z->standard;
        return end <= utc && utc < begin ? z->standard : z->other;
}

int64_t zone_offset(const struct zone *z, int64_t utc) {
        size_t low = 0, high = z->count;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (z->times[middle] <= utc)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == z->count && z->ruled)
                return ruled_offset(z, utc);
        return low ? z->offsets[low - 1] : z->first;
}

int64_t zone_utc(const struct zone *z, int64_t local) {
        int64_t before = zone_offset(z, local - DAY), after = zone_offset(z, local + DAY);

        if (zone_offset(z, local - before) != before && zone_offset(z, local - after) == after)
                return local - after;
        return local - before;
}
