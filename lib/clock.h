/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - the two clocks, which tests drive
 *
 * clock_mono: CLOCK_BOOTTIME in milliseconds, for deadlines and waits; goes on while the machine
 * sleeps.
 * clock_wall: milliseconds since 1970, only for stamps, cron and certificates; may jump. */
#pragma once

#include "base.h"

int64_t clock_mono(void);
int64_t clock_mono_us(void);
int64_t clock_wall(void);
/* How long to wait for AT of the wall clock, 0 to an hour: it may jump, so ask again then. */
int64_t clock_sleep_ms(int64_t at);
/* The earlier of two times of one clock, of which 0 is none. */
int64_t clock_sooner(int64_t a, int64_t b);

/* From here on both clocks stand still at these values until moved. Tests only. */
void clock_fake(int64_t mono, int64_t wall);
void clock_fake_advance(int64_t ms);
bool clock_is_fake(void);
void clock_real(void);

#define CLOCK_TEXT_MAX 32
/* "2026-09-23T14:02:07Z" (ISO, UTC); with MS "2026-09-23T14:02:07.123Z". Returns TEXT. */
const char *clock_iso(int64_t wall_ms, bool ms, char text[CLOCK_TEXT_MAX]);
/* Parses RFC 3339, with fraction and zone. False: not one. */
bool clock_parse_iso(const char *text, int64_t *ret_wall_ms);
/* "350ms", "4.2s", "3m10s", "2h5m", "3d4h". Returns TEXT. */
const char *clock_span(int64_t ms, char text[CLOCK_TEXT_MAX]);
/* "90s", "10m", "2h", "1d", "500ms"; a bare number is seconds. False: not one. */
bool clock_parse_span(const char *text, int64_t *ret_ms);
