/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - the two clocks and their texts; see clock.h
 *
 * The fake values are atomics: store and sql threads read the clock while a test moves it. */
#include "clock.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define SLEEP_MAX_MS (60 * 60 * 1000)

static atomic_bool fake;
static atomic_int_fast64_t fake_mono;
static atomic_int_fast64_t fake_wall;

static int64_t read_us(clockid_t id) {
        struct timespec t;

        if (clock_gettime(id, &t) < 0)
                abort();
        return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_mono(void) {
        return fake ? fake_mono : read_us(CLOCK_BOOTTIME) / 1000;
}

int64_t clock_mono_us(void) {
        return fake ? fake_mono * 1000 : read_us(CLOCK_BOOTTIME);
}

int64_t clock_wall(void) {
        return fake ? fake_wall : read_us(CLOCK_REALTIME) / 1000;
}

void clock_fake(int64_t mono, int64_t wall) {
        fake_mono = mono;
        fake_wall = wall;
        fake = true;
}

void clock_fake_advance(int64_t ms) {
        fake_mono += ms;
        fake_wall += ms;
}

bool clock_is_fake(void) {
        return fake;
}

void clock_real(void) {
        fake = false;
}

/* Division that rounds down, so that times before 1970 keep their parts in order. */
static int64_t floor_div(int64_t a, int64_t b) {
        int64_t q = a / b;

        return a % b < 0 ? q - 1 : q;
}

int64_t clock_sleep_ms(int64_t at) {
        return MIN_OF(MAX_OF(at - clock_wall(), 0), SLEEP_MAX_MS);
}

int64_t clock_sooner(int64_t a, int64_t b) {
        return !a || (b && b < a) ? b : a;
}

const char *clock_iso(int64_t wall_ms, bool ms, char text[CLOCK_TEXT_MAX]) {
        time_t seconds = floor_div(wall_ms, 1000);
        struct tm tm;
        size_t n;

        if (!gmtime_r(&seconds, &tm)) {
                str_copy(text, CLOCK_TEXT_MAX, "(no date)");
                return text;
        }
        n = strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
        if (ms)
                snprintf(text + n, CLOCK_TEXT_MAX - n, ".%03dZ",
                         (int)(wall_ms - (int64_t)seconds * 1000));
        else
                snprintf(text + n, CLOCK_TEXT_MAX - n, "Z");
        return text;
}

/* Exactly COUNT digits at *P, which moves on. */
static bool take_digits(const char **p, int count, int *ret) {
        int value = 0;

        for (int i = 0; i < count; i++) {
                char c = (*p)[i];

                if (c < '0' || c > '9')
                        return false;
                value = value * 10 + (c - '0');
        }
        *p += count;
        *ret = value;
        return true;
}

static bool take_char(const char **p, const char *any) {
        if (!**p || !strchr(any, **p))
                return false;
        (*p)++;
        return true;
}

/* ".123456" in milliseconds; what is finer is dropped. No fraction is 0. */
static bool take_fraction(const char **p, int *ret_ms) {
        int scale = 100;
        int ms = 0;

        *ret_ms = 0;
        if (!take_char(p, "."))
                return true;
        if (**p < '0' || **p > '9')
                return false;
        for (; **p >= '0' && **p <= '9'; (*p)++) {
                ms += (**p - '0') * scale;
                scale /= 10;
        }
        *ret_ms = ms;
        return true;
}

/* "Z" or "+02:00" at the end of the text. */
static bool take_zone(const char **p, int *ret_minutes) {
        int sign = **p == '-' ? -1 : 1;
        int hours;
        int minutes;

        *ret_minutes = 0;
        if (take_char(p, "Zz"))
                return **p == '\0';
        if (!take_char(p, "+-") || !take_digits(p, 2, &hours) || !take_char(p, ":") ||
            !take_digits(p, 2, &minutes))
                return false;
        *ret_minutes = sign * (hours * 60 + minutes);
        return **p == '\0' && hours < 24 && minutes < 60;
}

static int days_of_month(int year, int month) {
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool date_exists(const struct tm *tm, int year, int month) {
        return month >= 1 && month <= 12 && tm->tm_mday >= 1 &&
               tm->tm_mday <= days_of_month(year, month) && tm->tm_hour < 24 && tm->tm_min < 60 &&
               tm->tm_sec <= 60;
}

bool clock_parse_iso(const char *text, int64_t *ret_wall_ms) {
        const char *p = text;
        struct tm tm = { 0 };
        int year, month, ms, zone;

        if (!take_digits(&p, 4, &year) || !take_char(&p, "-") || !take_digits(&p, 2, &month) ||
            !take_char(&p, "-") || !take_digits(&p, 2, &tm.tm_mday) || !take_char(&p, "Tt ") ||
            !take_digits(&p, 2, &tm.tm_hour) || !take_char(&p, ":") ||
            !take_digits(&p, 2, &tm.tm_min) || !take_char(&p, ":") ||
            !take_digits(&p, 2, &tm.tm_sec) || !take_fraction(&p, &ms) || !take_zone(&p, &zone))
                return false;
        if (!date_exists(&tm, year, month))
                return false;
        tm.tm_year = year - 1900;
        tm.tm_mon = month - 1;
        *ret_wall_ms = ((int64_t)timegm(&tm) - (int64_t)zone * 60) * 1000 + ms;
        return true;
}

/* "3m10s", and "3m" when nothing is left over. */
static void two_parts(int64_t big, char big_unit, int64_t small, char small_unit, char *text,
                      size_t size) {
        if (small)
                snprintf(text, size, "%lld%c%lld%c", (long long)big, big_unit, (long long)small,
                         small_unit);
        else
                snprintf(text, size, "%lld%c", (long long)big, big_unit);
}

const char *clock_span(int64_t ms, char text[CLOCK_TEXT_MAX]) {
        char *p = text;
        size_t size = CLOCK_TEXT_MAX;
        int64_t seconds;

        if (ms < 0) {
                *p++ = '-';
                size--;
                ms = ms == INT64_MIN ? INT64_MAX : -ms;
        }
        seconds = ms / 1000;
        if (ms < 1000)
                snprintf(p, size, "%lldms", (long long)ms);
        else if (seconds < 60 && ms % 1000 / 100)
                snprintf(p, size, "%lld.%llds", (long long)seconds, (long long)(ms % 1000 / 100));
        else if (seconds < 60)
                snprintf(p, size, "%llds", (long long)seconds);
        else if (seconds < 3600)
                two_parts(seconds / 60, 'm', seconds % 60, 's', p, size);
        else if (seconds < 86400)
                two_parts(seconds / 3600, 'h', seconds % 3600 / 60, 'm', p, size);
        else
                two_parts(seconds / 86400, 'd', seconds % 86400 / 3600, 'h', p, size);
        return text;
}

/* Length of the unit's name at P, 0: none. */
static size_t take_unit(const char *p, int64_t *ret_ms) {
        static const struct {
                const char *name;
                int64_t ms;
        } units[] = {
                { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }
        };

        for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
                if (!str_starts(p, units[i].name))
                        continue;
                *ret_ms = units[i].ms;
                return strlen(units[i].name);
        }
        return 0;
}

/* One part, "90s" or "1.5h"; its unit must be smaller than *UNIT, the one before. */
static bool take_span_part(const char **p, int64_t *unit, int64_t *total) {
        int64_t before = *unit;
        int64_t whole = 0;
        int64_t part;
        size_t n;
        int thousandths;

        if (**p < '0' || **p > '9')
                return false;
        for (; **p >= '0' && **p <= '9'; (*p)++)
                if (__builtin_mul_overflow(whole, 10, &whole) ||
                    __builtin_add_overflow(whole, **p - '0', &whole))
                        return false;
        if (!take_fraction(p, &thousandths))
                return false;
        n = take_unit(*p, unit);
        if (!n && (**p || before != INT64_MAX))
                return false;
        if (!n)
                *unit = 1000;
        *p += n;
        if (*unit >= before || __builtin_mul_overflow(whole, *unit, &part) ||
            __builtin_add_overflow(*total, part, total) ||
            __builtin_add_overflow(*total, thousandths * *unit / 1000, total))
                return false;
        return true;
}

bool clock_parse_span(const char *text, int64_t *ret_ms) {
        const char *p = text;
        int64_t unit = INT64_MAX;
        int64_t total = 0;

        do {
                if (!take_span_part(&p, &unit, &total))
                        return false;
        } while (*p);
        *ret_ms = total;
        return true;
}
