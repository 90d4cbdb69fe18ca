/* SPDX-License-Identifier: Apache-2.0 */
/* cron.c - see cron.h; pure */
#include "cron.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define DAY 86400
#define DAYS_MAX (366 * 9) /* a 29th of February may be eight years away */

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
                                           "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const day_names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL };

struct field {
        const char *what;
        int min, max;
        const char *const *names; /* the first is MIN */
};
static const struct field fields[] = { { "minute", 0, 59, NULL },
                                       { "hour", 0, 23, NULL },
                                       { "day of the month", 1, 31, NULL },
                                       { "month", 1, 12, month_names },
                                       { "day of the week", 0, 7, day_names } };

static const char *read_number(const struct field *f, const char *p, int *ret) {
        char *end;

        for (int i = 0; f->names && f->names[i]; i++)
                if (strncasecmp(p, f->names[i], 3) == 0) {
                        *ret = f->min + i;
                        return p + 3;
                }
        if (!isdigit((unsigned char)*p))
                return NULL;
        *ret = (int)strtol(p, &end, 10);
        return end - p <= 2 ? end : NULL;
}

/* "*", "1-5", "7", each perhaps with "/2". */
static const char *read_range(const struct field *f, const char *p, uint64_t *bits) {
        int from = f->min, to = f->max, by = 1;
        bool any = *p == '*';

        if (any) {
                p++;
        } else {
                p = read_number(f, p, &from);
                to = from;
                if (p && *p == '-')
                        p = read_number(f, p + 1, &to);
        }
        if (p && *p == '/') {
                char *end;

                by = isdigit((unsigned char)p[1]) ? (int)strtol(p + 1, &end, 10) : 0;
                p = by > 0 && by <= 60 ? end : NULL;
                to = to == from && !any ? f->max : to;
        }
        if (!p || from < f->min || to > f->max || from > to)
                return NULL;
        for (int i = from; i <= to; i += by)
                *bits |= UINT64_C(1) << i;
        return p;
}

static bool read_field(const struct field *f, const char *p, uint64_t *bits) {
        *bits = 0;
        while ((p = read_range(f, p, bits)) && *p == ',')
                p++;
        return p && !*p;
}

int cron_parse(const char *text, struct cron *ret, struct err *err) {
        cleanup_(freep) char *copy = str_dup(text);
        uint64_t bits[ARRAY_SIZE(fields)];
        char *save = NULL, *word = strtok_r(copy, " \t", &save);
        bool stars[ARRAY_SIZE(fields)];

        for (size_t i = 0; i < ARRAY_SIZE(fields); i++, word = strtok_r(NULL, " \t", &save)) {
                if (!word)
                        return err_set(err, -EINVAL,
                                       "\"%s\" has not the five fields minute, hour, day, month, "
                                       "day of the week",
                                       text);
                if (!read_field(&fields[i], word, &bits[i]))
                        return err_set(err, -EINVAL, "\"%s\": %s is no %s", text, word,
                                       fields[i].what);
                stars[i] = *word == '*';
        }
        if (word)
                return err_set(err, -EINVAL, "\"%s\" has more than five fields", text);
        *ret = (struct cron){ .minutes = bits[0],
                              .hours = (uint32_t)bits[1],
                              .days = (uint32_t)bits[2],
                              .months = (uint32_t)bits[3],
                              .weekdays = (uint32_t)(bits[4] | (bits[4] >> 7 & 1)),
                              .any_day = stars[2],
                              .any_weekday = stars[4] };
        return 0;
}

static bool is_day(const struct cron *c, int64_t days) {
        int64_t year;
        int month, day;
        bool by_day, by_weekday = c->weekdays >> (((days + 4) % 7 + 7) % 7) & 1;

        zone_date(days, &year, &month, &day);
        by_day = c->days >> day & 1;
        if (!(c->months >> month & 1))
                return false;
        if (c->any_day || c->any_weekday)
                return by_day && by_weekday;
        return by_day || by_weekday;
}

/* The first begin of that day after UTC, or CRON_NEVER. */
static int64_t next_of_day(const struct cron *c, const struct zone *z, int64_t days, int64_t utc) {
        int64_t next = CRON_NEVER;

        for (int hour = 0; hour < 24; hour++) {
                if (!(c->hours >> hour & 1))
                        continue;
                for (int minute = 0; minute < 60; minute++) {
                        int64_t at;

                        if (!(c->minutes >> minute & 1))
                                continue;
                        at = zone_utc(z, days * DAY + (int64_t)hour * 3600 + (int64_t)minute * 60);
                        if (at > utc && at < next)
                                next = at;
                }
                if (next != CRON_NEVER)
                        return next;
        }
        return next;
}

int64_t cron_next(const struct cron *c, const struct zone *z, int64_t utc) {
        int64_t local = utc + zone_offset(z, utc), first = local / DAY - 1;

        for (int64_t days = first; days < first + DAYS_MAX; days++) {
                int64_t at = is_day(c, days) ? next_of_day(c, z, days, utc) : CRON_NEVER;

                if (at != CRON_NEVER)
                        return at;
        }
        return CRON_NEVER;
}

bool window_open(const struct window *w, int64_t utc, int64_t *ret_change) {
        int64_t begin = cron_next(&w->cron, w->zone, utc - w->length);

        *ret_change = begin;
        if (begin > utc)
                return false;
        *ret_change = begin + w->length;
        return true;
}
