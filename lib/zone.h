/* SPDX-License-Identifier: Apache-2.0 */
/* zone.h - how far a time zone is from UTC, from the host's own tables (TZif), without the
 * process-wide TZ of libc */
#pragma once

#include "base.h"
#include "err.h"

struct zone;

/* NAME as in "Europe/Berlin"; "UTC" needs no table. -ENOENT, -EINVAL. */
int zone_open(const char *name, struct zone **ret, struct err *err);
/* The same from a table's bytes. -EBADMSG. */
int zone_parse(const void *data, size_t len, struct zone **ret, struct err *err);
struct zone *zone_free(struct zone *z);
/* Seconds east of UTC at that time (seconds since 1970). */
int64_t zone_offset(const struct zone *z, int64_t utc);
/* The time at which clocks show LOCAL (seconds since 1970 as if it were UTC): the first of two;
 * one that is skipped is as much later as clocks were put forward. */
int64_t zone_utc(const struct zone *z, int64_t local);
/* Days since 1970 of a date (month 1 to 12), and back. */
int64_t zone_days(int64_t year, int month, int day);
void zone_date(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day);
