/* SPDX-License-Identifier: Apache-2.0 */
/* tally.h - for each application which of its wants stand how, kept as its resources change
 *
 * So that what is shown of an application of 10,000 objects is not gathered over all of them each
 * time one changes. One bit a want, in the order of the labels: the first of a kind is the one
 * that a status names. */
#pragma once

#include "world.h"

enum tally_kind {
        TALLY_UNSEEN, /* written once, and not seen now */
        TALLY_BLOCKED,
        TALLY_LOST,
        TALLY_FAILING,
        TALLY_NOT_READY,
        TALLY_UNREAD,       /* was in place before this start, and was not read since */
        TALLY_WAITS_UNREAD, /* not ready for what is being read since this start */
        TALLY_APPLYING,     /* what is wanted of it is on its way */
        TALLY_DATA,         /* keeps data */
        TALLY_DRIFTED,      /* a line of drift about it is open */
        TALLY_KINDS
};

/* A's wants are others: all of them are counted anew. */
void tally_reset(struct world *w, struct world_application *a);
/* R may stand otherwise than it did. */
void tally_resource(struct world *w, struct world_resource *r);
void tally_dropped(struct world *w, struct world_resource *r);
/* What holds up the removal of R outside: finalizers, or why it was refused. NULL: nothing. */
const char *tally_held(const struct world_resource *r);
/* R is data of its owner's that is to be deleted, or something holds up its removal: so are those
 * of the owner's ENDING, unless that was once. */
bool tally_is_ending(const struct world_resource *r);
/* The first want by label that stands so; NULL: none. */
const struct world_want *tally_first(const struct world_application *a, enum tally_kind kind);
/* How many stand so. */
size_t tally_count(const struct world_application *a, enum tally_kind kind);
/* The next one after WANT. */
const struct world_want *tally_next(const struct world_application *a, enum tally_kind kind,
                                    const struct world_want *want);
/* Those that are not in place, for whatever reason: the first after AFTER (or NULL), how many. */
const struct world_want *tally_open(const struct world_application *a,
                                    const struct world_want *after);
size_t tally_open_count(const struct world_application *a);
