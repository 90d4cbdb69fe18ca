/* SPDX-License-Identifier: Apache-2.0 */
/* replica.h - one primary, and replicas of it: which unit is what, and how each is called
 *
 * Unit 0 is the StatefulSet APP, unit N another one, APP-unit-N, of one pod each with a claim of
 * its own, so that what a plan says of a unit is said of it alone. What a server is is wanted at a
 * target of its own, unit-N, as a resource (objects/replication.yaml): the loop keeps replicas
 * read-only and replicating, and only the primary writable, unless it is upgraded. Which unit is
 * the primary stands in options, the notes of the actions:
 *
 *   primary-unit   the unit that takes writes
 *   next-primary   set while promote-to-primary is under way: the primary takes no writes then
 *   units-aside    "0,2": read-only and not replicating, since others may lack what they have
 */
#pragma once

#include "charm.h"

#define REPLICA_UNITS_MAX 9

/* How many servers there are to be: 1 also at scale 0, where only volumes stay, and as many as the
 * primary needs where the scale would end it; none beside the first are begun while it is upgraded
 * or restored in part. */
int64_t replica_units(const struct charm_view *v);
int64_t replica_primary(const struct charm_view *v);
/* There are several, or once were: what a server is is wanted then, also of one that is alone. */
bool replica_ever(const struct charm_view *v);
bool replica_is_aside(const struct charm_view *v, struct charm_plan *p, int64_t unit);
/* What to do before what begins with unit 0 as the primary; NULL: it is. */
const char *replica_moved(const struct charm_view *v, struct charm_plan *p);
/* "1,2": all beside unit 0; NULL: there is none. */
const char *replica_others(const struct charm_view *v, struct charm_plan *p);
/* The number of "APP/N"; -1: it is none of the units. */
int64_t replica_number(const struct charm_view *v, const char *unit);

/* Names of UNIT's StatefulSet (also the label that selects its pod), pod, and in the cluster. */
const char *replica_server(const struct charm_view *v, struct charm_plan *p, int64_t unit);
const char *replica_pod(const struct charm_view *v, struct charm_plan *p, int64_t unit);
const char *replica_address(const struct charm_view *v, struct charm_plan *p, int64_t unit);
/* "MODEL/POD" */
const char *replica_via(const struct charm_view *v, struct charm_plan *p, int64_t unit);
/* WHAT of UNIT as a label: "data", "data-1". */
const char *replica_label(struct charm_plan *p, const char *what, int64_t unit);
const char *replica_name(const struct charm_view *v, struct charm_plan *p, int64_t unit);
const char *replica_target(struct charm_plan *p, int64_t unit);

/* Targets and roles of all units, the Service of replicas, and what the status says of them. */
void replica_want(const struct charm_view *v, struct charm_plan *p);
/* Holes for a unit's StatefulSet: what only those beside unit 0 have. */
struct charm_hole replica_unit_label(const struct charm_view *v, struct charm_plan *p,
                                     int64_t unit);
struct charm_hole replica_copy_label(int64_t unit);
struct charm_hole replica_spread(const struct charm_view *v, struct charm_plan *p, int64_t unit);

/* ---- in steps */

/* The value in the column of that name, first row, of result INDEX of several; NULL: none. */
const char *replica_column(const struct charm_world *w, struct charm_ask *a, int index,
                           const char *name);
/* The unit that the action was asked to run on, which is not the primary; -1: it gave up. */
int64_t replica_asked(const struct charm_world *w, struct charm_ask *a);
/* TEXT (numbers of units, or "") with UNIT, or without it; NULL: none is left. */
const char *replica_with(struct charm_plan *p, const char *text, int64_t unit);
const char *replica_without(struct charm_plan *p, const char *text, int64_t unit);

/* replica-status.c, replica-switch.c, replica-rejoin.c */
extern const struct charm_step replica_status_steps[], replica_promote_steps[],
        replica_fail_over_steps[], replica_rejoin_steps[], replica_replace_steps[];
