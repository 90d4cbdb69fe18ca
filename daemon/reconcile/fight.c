/* SPDX-License-Identifier: Apache-2.0 */
/* fight.c - see fight.h; pure */
#include "fight.h"

#include "clock.h"

#include <stdlib.h>

int64_t fight_time(const struct fight *f, size_t i) {
        return f->since + f->times[i];
}

int64_t fight_last(const struct fight *f) {
        return f->count ? fight_time(f, f->count - 1) : 0;
}

/* How many of the newest came since FROM. */
static int64_t count_since(const struct fight *f, int64_t from) {
        int64_t n = 0;

        for (size_t i = f->count; i-- > 0 && fight_time(f, i) >= from;)
                n++;
        return n;
}

static void forget_first(struct fight *f, uint32_t n) {
        uint32_t shift = n < f->count ? f->times[n] : 0;

        f->count -= n;
        f->since += shift;
        for (uint32_t i = 0; i < f->count; i++)
                f->times[i] = f->times[i + n] - shift;
}

void fight_add(struct fight *f, int64_t at) {
        if (f->count == FIGHT_TIMES_MAX)
                forget_first(f, 1);
        /* What is to come yet was noted by a wrong clock; what is older than this counts for
         * nothing any more. */
        while (f->count && fight_last(f) > at)
                f->count--;
        if (f->count && at - f->since > UINT32_MAX)
                f->count = 0;
        if (!f->count)
                f->since = at;
        f->times[f->count++] = (uint32_t)(at - f->since);
}

static void remember(struct fight *f, const struct fight_options *o, int64_t now) {
        uint32_t old = 0;

        while (old < f->count && fight_time(f, old) < now - o->slow_window_ms)
                old++;
        forget_first(f, old);
        fight_add(f, now);
}

bool fight_note(struct fight *f, const struct fight_options *o, int64_t now) {
        bool open = fight_is_open(f) && now < fight_quiet_at(f, o), fast, slow;

        remember(f, o, now);
        f->dirty = true;
        fast = count_since(f, now - o->window_ms) >= o->count;
        slow = (int64_t)f->count >= o->slow_count;
        if (open) {
                f->delay_ms = MIN_OF(f->delay_ms * 2, o->delay_max_ms);
        } else if (fast || slow) {
                f->delay_ms = MIN_OF(o->delay_ms, o->delay_max_ms);
                f->opened_at = now;
        } else {
                f->delay_ms = f->opened_at = 0;
        }
        f->slow = f->delay_ms && (f->slow || !fast);
        f->next_at = f->delay_ms ? now + f->delay_ms : 0;
        return f->opened_at == now && f->delay_ms;
}

bool fight_is_open(const struct fight *f) {
        return f->delay_ms > 0;
}

int64_t fight_quiet_at(const struct fight *f, const struct fight_options *o) {
        int64_t last = fight_last(f);
        int64_t quiet = MAX_OF(o->window_ms, f->delay_ms * 2);

        /* Twice as long as what comes so seldom takes to come again. */
        if (f->slow)
                quiet = MAX_OF(quiet, o->slow_window_ms / MAX_OF(o->slow_count, 1) * 2);
        return last + f->delay_ms + quiet;
}

static void clear(struct fight *f) {
        free(f->field);
        free(f->who);
        *f = (struct fight){ 0 };
}

void fights_drop(struct fights *l, size_t i) {
        clear(&l->items[i]);
        memmove(&l->items[i], &l->items[i + 1], (l->count - i - 1) * sizeof(*l->items));
        l->count--;
}

void fights_clear(struct fights *l) {
        for (size_t i = 0; i < l->count; i++)
                clear(&l->items[i]);
        free(l->items);
        *l = (struct fights){ 0 };
}

struct fights *fights_free(struct fights *l) {
        if (l)
                fights_clear(l);
        free(l);
        return NULL;
}

static struct fight *find_exact(const struct fights *l, const char *field) {
        for (size_t i = 0; i < l->count; i++)
                if (str_eq(l->items[i].field, field))
                        return &l->items[i];
        return NULL;
}

struct fight *fights_find(const struct fights *l, const char *field) {
        struct fight *f = find_exact(l, field);

        return f ? f : find_exact(l, FIGHT_MANY);
}

static void make_room(struct fights *l) {
        size_t oldest = 0;

        for (size_t i = 1; i < l->count; i++)
                if (fight_last(&l->items[i]) < fight_last(&l->items[oldest]))
                        oldest = i;
        fights_drop(l, oldest);
}

struct fight *fights_get(struct fights *l, const char *field) {
        struct fight *f = find_exact(l, field);

        if (f)
                return f;
        if (l->count == FIGHTS_MAX && !str_eq(field, FIGHT_MANY))
                return fights_get(l, FIGHT_MANY);
        if (l->count == FIGHTS_MAX)
                make_room(l);
        if (!l->room) { /* most that drifts does so once: no room for more is kept */
                l->items = mem_array(struct fight, 1);
                l->room = 1;
        }
        l->items = mem_grow(l->items, &l->room, l->count + 1, sizeof(*l->items));
        l->items[l->count] = (struct fight){ .field = str_dup(field), .who = str_dup("") };
        return &l->items[l->count++];
}

void fight_by(struct fight *f, const char *who) {
        if (!who || !who[0] || str_eq(f->who, who))
                return;
        str_set(&f->who, f->who[0] ? FIGHT_SEVERAL : who);
}

bool fight_is_of_one(const struct fight *f) {
        return f->who[0] && !str_eq(f->who, FIGHT_SEVERAL);
}

bool fight_is_of_field(const struct fight *f) {
        return f->field[0] && !str_eq(f->field, FIGHT_MANY);
}

const char *fight_what(const struct fight *f) {
        return str_eq(f->field, FIGHT_MANY) ? "many fields" : f->field;
}

const char *fight_who(const struct fight *f) {
        return f->who[0] ? f->who : "somebody";
}

char *fight_text(const struct fight *f) {
        char span[CLOCK_TEXT_MAX];

        return str_format("%s %s%s %u times in %s", fight_who(f),
                          f->field[0] ? "changed " : "deleted it", fight_what(f), f->count,
                          clock_span(fight_last(f) - fight_time(f, 0), span));
}
