/* SPDX-License-Identifier: Apache-2.0 */
/* cron.h - "30 2 * * mon-fri": when something begins, and windows of some length that begin so
 *
 * Five fields as of crontab(5): minute, hour, day of the month, month, day of the week; lists,
 * ranges, steps, names of months and days. A day fits when day of the month and day of the week
 * do, or either of them where both are said. What falls into an hour that clocks skip begins as
 * much later, and what comes twice begins once, the first time. */
#pragma once

#include "zone.h"

struct cron {
        uint64_t minutes;
        uint32_t hours, days, months, weekdays; /* a bit each */
        bool any_day, any_weekday;
};
int cron_parse(const char *text, struct cron *ret, struct err *err); /* -EINVAL */
#define CRON_NEVER INT64_MAX
/* The first begin after UTC (seconds since 1970). CRON_NEVER: none, as the 30th of February. */
int64_t cron_next(const struct cron *c, const struct zone *z, int64_t utc);

struct window {
        struct cron cron;
        struct zone *zone;
        int64_t length; /* seconds */
};
#define WINDOW_MAX (7 * 24 * 3600) /* a longer one is no window */
/* Is it open? *RET_CHANGE: when to ask again: the next begin, or the time until which it is open at
 * least. */
bool window_open(const struct window *w, int64_t utc, int64_t *ret_change);
