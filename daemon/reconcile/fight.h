/* SPDX-License-Identifier: Apache-2.0 */
/* fight.h - a field that others change again and again after it was put right
 *
 * When the same field was changed COUNT times within WINDOW, or SLOW_COUNT times within
 * SLOW_WINDOW, a breaker opens that slows the repair of that field, twice as long each time up to
 * a ceiling, and never ends it. Whoever changes it counts: names are what writers give themselves,
 * and a job may take another one at each run. What is about security is not slowed: there a fight
 * is an alert. It is over when the field was left for as long as the window, and twice the last
 * wait. Here is what of it is pure. */
#pragma once

#include "base.h"

#define FIGHT_TIMES_MAX 16 /* changes of one field that are remembered */
#define FIGHTS_MAX 32      /* of one resource; what comes when it is full counts as FIGHT_MANY */
/* Who rewrites more fields at once than this fights over all of them as one. */
#define FIGHT_FIELDS_MAX (FIGHTS_MAX / 2)
#define FIGHT_MANY "*"
#define FIGHT_SEVERAL "several writers"

struct fight_options {
        int64_t count, window_ms, slow_count, slow_window_ms, delay_ms, delay_max_ms;
};

struct fight {
        char *field; /* "": the object itself, FIGHT_MANY: many of its fields */
        char *who;   /* the one who changes it, FIGHT_SEVERAL, or "": nobody gave a name */
        /* Of the changes: ms after SINCE (clock_wall), oldest first; by fight_time. Each field that
         * ever drifted has one: half the room of full times. */
        int64_t since;
        uint32_t times[FIGHT_TIMES_MAX];
        uint32_t count;
        int64_t delay_ms, opened_at, next_at; /* delay_ms 0: no breaker is open */
        bool slow;                            /* it opened for many in a long time */
        bool dirty;                           /* its row is not so yet */
        bool told; /* what it changed was noted and not put right since: the same change still */
};

struct fights {
        struct fight *items;
        size_t count, room;
};

/* When change I was, 0 <= I < count; the newest, or 0: there is none. */
int64_t fight_time(const struct fight *f, size_t i);
int64_t fight_last(const struct fight *f);
/* It was changed at AT too, as its row has it: not before the newest. */
void fight_add(struct fight *f, int64_t at);
/* It was changed at NOW, after it was put right. True: the breaker opened with this. */
bool fight_note(struct fight *f, const struct fight_options *o, int64_t now);
/* The breaker is open; it closes at fight_quiet_at when nothing more happens. */
bool fight_is_open(const struct fight *f);
int64_t fight_quiet_at(const struct fight *f, const struct fight_options *o);
/* That of FIELD, made when there is none. Where there is no room, FIGHT_MANY; for that the one
 * that is quiet for longest makes room. */
struct fight *fights_get(struct fights *l, const char *field);
/* The one that fights_get gave, or NULL. */
struct fight *fights_find(const struct fights *l, const char *field);
/* WHO changes it, too; NULL: nobody knows. */
void fight_by(struct fight *f, const char *who);
bool fight_is_of_one(const struct fight *f); /* by one writer, whose name is known */
void fights_drop(struct fights *l, size_t i);
/* Empties it. */
void fights_clear(struct fights *l);
struct fights *fights_free(struct fights *l);
bool fight_is_of_field(const struct fight *f); /* of one that has a name */
/* "spec.replicas", "many fields"; "": the object itself. */
const char *fight_what(const struct fight *f);
const char *fight_who(const struct fight *f); /* "hpa", "several writers", "somebody" */
/* "hpa changed spec.replicas 5 times in 3m"; free it. */
char *fight_text(const struct fight *f);
