/* SPDX-License-Identifier: Apache-2.0 */
/* restore-part.h - databases that a restore has dropped and not read back yet
 *
 * The option restored-in-part has it from before the first of them is dropped until a restore has
 * ended well, so that plans say it, and want a server that begins read-only, whoever died or was
 * cancelled meanwhile:
 *
 *   runs OPERATION BACKUP DATABASES    that operation is at it
 *   ended OPERATION BACKUP DATABASES   it has ended otherwise than well
 */
#pragma once

#include "charm.h"

void restore_part_say(const struct charm_view *v, struct charm_plan *p);
/* True: the action gave up, for what is there is half a database. */
bool restore_part_refuses(const struct charm_world *w, struct charm_ask *a);

/* Steps of restore: before the first drop; when clients write again; and cleaning up, before the
 * server is opened again. They read "quiet" and "begun" of the state. */
void restore_part_note(const struct charm_world *w, struct charm_ask *a);
void restore_part_forget(const struct charm_world *w, struct charm_ask *a);
void restore_part_left(const struct charm_world *w, struct charm_ask *a);
