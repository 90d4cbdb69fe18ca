/* SPDX-License-Identifier: Apache-2.0 */
/* tally.c - one bit for each want and way to stand; see tally.h */
#include "tally.h"

#include <stdlib.h>

#define WORD_BITS 64

/* A bit for each kind; of a resource that is not there: of one that is not planned yet. */
static unsigned kinds_of(const struct world_resource *r) {
        unsigned kinds = 0;
        bool changed;

        if (!r)
                return 1u << TALLY_NOT_READY | 1u << TALLY_APPLYING;
        if (r->state == STATE_UNSEEN)
                kinds |= 1u << TALLY_UNREAD;
        if ((r->state == STATE_UNSEEN ||
             (r->row.applied_generation && r->seen.presence == PRESENCE_UNKNOWN)) &&
            !(r->tries && r->state == STATE_BLOCKED))
                kinds |= 1u << TALLY_UNSEEN;
        if (r->row.data)
                kinds |= 1u << TALLY_DATA;
        if (r->drift || r->standing)
                kinds |= 1u << TALLY_DRIFTED;
        changed = r->stale || r->row.wanted_generation != r->row.applied_generation;
        if (r->stale || (changed && r->state != STATE_BLOCKED && r->state != STATE_LOST))
                kinds |= 1u << TALLY_APPLYING;
        switch (r->state) {
        case STATE_BLOCKED:
                return kinds | 1u << TALLY_BLOCKED;
        case STATE_LOST:
                return kinds | 1u << TALLY_LOST;
        case STATE_RETRYING:
                return kinds | 1u << TALLY_FAILING;
        case STATE_READY:
                return kinds | (changed ? 1u << TALLY_NOT_READY : 0);
        default:
                kinds |= r->waits_unread ? 1u << TALLY_WAITS_UNREAD : 0;
                return kinds | 1u << TALLY_NOT_READY;
        }
}

static void set_kinds(struct world_application *a, size_t want, unsigned kinds) {
        for (unsigned k = 0; k < TALLY_KINDS; k++) {
                uint64_t *word = &a->tally[k * a->tally_words + want / WORD_BITS];
                uint64_t bit = UINT64_C(1) << want % WORD_BITS;

                *word = kinds & 1u << k ? *word | bit : *word & ~bit;
        }
}

static int by_resource(const void *a, const void *b) {
        const struct world_wanted *x = a, *y = b;

        if (x->resource != y->resource)
                return x->resource < y->resource ? -1 : 1;
        return (x->want > y->want) - (x->want < y->want);
}

static void sort_wanted(struct world_application *a) {
        size_t i = 1;

        while (i < a->want_count && by_resource(&a->wanted[i - 1], &a->wanted[i]) < 0)
                i++;
        if (i < a->want_count) /* mostly they were made in the order of their labels */
                qsort(a->wanted, a->want_count, sizeof(*a->wanted), by_resource);
}

/* Its row may have been read before A's plan was saved: from now on it tells A. */
static void be_wanted(struct world_resource *r, int64_t application) {
        for (size_t i = 0; i < r->wanter_count; i++)
                if (r->wanters[i] == application)
                        return;
        r->wanters = mem_grow(r->wanters, &(size_t){ r->wanter_count }, r->wanter_count + 1,
                              sizeof(*r->wanters));
        r->wanters[r->wanter_count++] = application;
}

/* Side by side with the order of all resources: 10,000 look-ups would take a handler's time. */
static void count_all(struct world *w, struct world_application *a) {
        size_t at = 0;

        for (size_t i = 0; i < a->want_count; i++) {
                int64_t id = a->wanted[i].resource;
                struct world_resource *r;

                if (at == w->order_count || w->order[at].id != id)
                        at = world_order_at(w, id);
                r = at < w->order_count && w->order[at].id == id ? w->order[at].resource : NULL;
                set_kinds(a, a->wanted[i].want, kinds_of(r));
                if (r)
                        be_wanted(r, a->id);
                at += r && (i + 1 == a->want_count || a->wanted[i + 1].resource != id);
        }
}

void tally_reset(struct world *w, struct world_application *a) {
        free(a->tally);
        free(a->wanted);
        a->tally_words = (a->want_count + WORD_BITS - 1) / WORD_BITS;
        a->tally = mem_array(uint64_t, a->tally_words * TALLY_KINDS);
        a->wanted = mem_array(struct world_wanted, a->want_count);
        for (size_t i = 0; i < a->want_count; i++)
                a->wanted[i] = (struct world_wanted){ a->wants[i].resource, i };
        sort_wanted(a);
        count_all(w, a);
        a->runs = 0;
}

/* The first entry of RESOURCE or of a later one. */
static size_t find_wanted(const struct world_application *a, int64_t resource) {
        size_t low = 0, high = a->want_count;

        while (low < high) {
                size_t mid = (low + high) / 2;

                if (a->wanted[mid].resource < resource)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

static void tell(struct world_application *a, int64_t resource, unsigned kinds) {
        for (size_t k = a ? find_wanted(a, resource) : 0;
             a && k < a->want_count && a->wanted[k].resource == resource; k++)
                set_kinds(a, a->wanted[k].want, kinds);
}

/* Its owner may have dropped it, and not know that yet. */
static void tell_wanters(struct world *w, const struct world_resource *r, unsigned kinds) {
        for (size_t i = 0; i < r->wanter_count; i++)
                tell(world_application(w, r->wanters[i]), r->id, kinds);
        if (r->owner && (r->wanter_count != 1 || r->wanters[0] != r->owner))
                tell(world_application(w, r->owner), r->id, kinds);
}

/* Its owner's wants do not know it any more, or soon will not: of a stale row that is not known. */
static bool is_leaving(const struct world_resource *r) {
        return r->stale || (r->row.dying && r->state != STATE_BLOCKED && r->state != STATE_LOST);
}

static void count_leaving(struct world *w, struct world_resource *r, bool leaving) {
        struct world_application *from = world_application(w, r->leaves);
        struct world_application *to = leaving ? world_application(w, r->owner) : NULL;

        if (from)
                from->leaving--;
        if (to)
                to->leaving++;
        r->leaves = to ? to->id : 0;
}

const char *tally_held(const struct world_resource *r) {
        if (!r->row.dying)
                return NULL;
        if (r->seen.presence == PRESENCE_LEAVING && r->seen.reason)
                return r->seen.reason;
        return r->tries && r->reason[0] ? r->reason : NULL;
}

bool tally_is_ending(const struct world_resource *r) {
        return r->row.dying && !r->row.adopted && (r->row.data || tally_held(r));
}

static void note_ending(struct world *w, struct world_resource *r) {
        struct world_application *a = tally_is_ending(r) ? world_application(w, r->owner) : NULL;

        if (!a || r->ends == a->id)
                return;
        r->ends = a->id;
        world_ids_add(&a->ending, r->id);
}

void tally_resource(struct world *w, struct world_resource *r) {
        tell_wanters(w, r, kinds_of(r));
        note_ending(w, r);
        count_leaving(w, r, is_leaving(r));
}

void tally_dropped(struct world *w, struct world_resource *r) {
        tell_wanters(w, r, kinds_of(NULL));
        count_leaving(w, r, false);
}

/* The bits of those that stand in one of KINDS. */
static uint64_t word_of(const struct world_application *a, unsigned kinds, size_t i) {
        uint64_t word = 0;

        for (unsigned k = 0; k < TALLY_KINDS; k++)
                if (kinds & 1u << k)
                        word |= a->tally[k * a->tally_words + i];
        return word;
}

static const struct world_want *find_from(const struct world_application *a, unsigned kinds,
                                          size_t from) {
        uint64_t mask = ~UINT64_C(0) << from % WORD_BITS;

        for (size_t i = from / WORD_BITS; i < a->tally_words; i++, mask = ~UINT64_C(0)) {
                uint64_t word = word_of(a, kinds, i) & mask;

                if (word)
                        return &a->wants[i * WORD_BITS + (size_t)__builtin_ctzll(word)];
        }
        return NULL;
}

const struct world_want *tally_first(const struct world_application *a, enum tally_kind kind) {
        return find_from(a, 1u << kind, 0);
}

const struct world_want *tally_next(const struct world_application *a, enum tally_kind kind,
                                    const struct world_want *want) {
        return find_from(a, 1u << kind, (size_t)(want - a->wants) + 1);
}

static size_t count_of(const struct world_application *a, unsigned kinds) {
        size_t count = 0;

        for (size_t i = 0; i < a->tally_words; i++)
                count += (size_t)__builtin_popcountll(word_of(a, kinds, i));
        return count;
}

size_t tally_count(const struct world_application *a, enum tally_kind kind) {
        return count_of(a, 1u << kind);
}

#define OPEN (1u << TALLY_NOT_READY | 1u << TALLY_BLOCKED | 1u << TALLY_LOST | 1u << TALLY_FAILING)

const struct world_want *tally_open(const struct world_application *a,
                                    const struct world_want *after) {
        return find_from(a, OPEN, after ? (size_t)(after - a->wants) + 1 : 0);
}

size_t tally_open_count(const struct world_application *a) {
        return count_of(a, OPEN);
}
