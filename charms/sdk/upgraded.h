/* SPDX-License-Identifier: Apache-2.0 */
/* upgraded.h - another version of a server by the actions upgrade, check-rollback and rollback, of
 * charms that have the options maintenance, server-image and upgraded-from
 *
 * server-image is the image that upgrade has moved to; upgraded-from the way back: "ID IMAGE" of
 * the backup that was made before it and of the image before, "-" for the resource's; a charm may
 * note more behind them. While an action runs its state has "id", that of the backup, and
 * "old-image" and "old-from", what the two options were. */
#pragma once

#include "charm.h"

#define UPGRADE_NO_IMAGE "-"

/* The image that runs, or is to: the option's, or that of RESOURCE. */
const char *upgraded_image(const struct charm_view *v, const char *resource);
/* RUNS is the image now, ready or not; MAINTENANCE a word for how the server is with that option.
 * False: the action gave up, and said why. */
bool upgraded_may_begin(const struct charm_world *w, struct charm_ask *a, const char *runs,
                       bool ready, const char *maintenance);
/* Notes both options, and returns "old-image". */
const char *upgraded_note_old(const struct charm_world *w, struct charm_ask *a);
/* The parameter's image is what is wanted now. */
bool upgraded_is_switched(const struct charm_world *w);
/* A value for the option server-image: NULL where IMAGE is the resource's. */
const char *upgraded_option(const char *image);
/* upgraded-from as it was before. NULL: it was not set. */
const char *upgraded_old_from(const struct charm_world *w);
/* Step of the way back: upgraded-from goes into the state, as "id" and "image". */
void upgraded_choose(const struct charm_world *w, struct charm_ask *a);
