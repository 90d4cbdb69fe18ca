/* SPDX-License-Identifier: Apache-2.0 */
/* ssa.h - who owns which fields: what apply and update do to an object and to its managers'
 * field sets
 *
 * Pure: no names, no time, no storage; managed.c turns metadata.managedFields into this form and
 * back. All versions of a kind share one type here (the simulator converts nothing but
 * apiVersion). */
#pragma once

#include "typed.h"

struct ssa_manager {
        char *id;      /* unique: manager, operation, version of an update, subresource */
        char *version; /* apiVersion of the request that wrote it */
        bool applied;
        json_t *set;
};

struct ssa_managers {
        struct ssa_manager *items;
        size_t count, room;
};

struct ssa_conflict {
        char *id;   /* of the other manager */
        char *path; /* ".spec.replicas" */
};

struct ssa_conflicts {
        struct ssa_conflict *items;
        size_t count, room;
};

void ssa_managers_deinit(struct ssa_managers *m);
struct ssa_manager *ssa_managers_find(const struct ssa_managers *m, const char *id);
/* Replaces or adds; steals SET. An empty set removes the manager. */
void ssa_managers_set(struct ssa_managers *m, const char *id, const char *version, bool applied,
                      json_t *set);
void ssa_conflicts_deinit(struct ssa_conflicts *c);

struct ssa_request {
        const struct schema_type *type;
        const char *manager; /* id */
        const char *version;
        const json_t
                *ignored; /* version or "*" -> field set that no manager owns by it; NULL: none */
        bool force;
};

/* Result of ssa_apply besides 0: others own what would change; nothing was changed. */
enum { SSA_CONFLICT = 1 };

/* Merges CONFIG into LIVE (NULL: not there yet), prunes what the manager gave up, and moves
 * ownership. 0 or SSA_CONFLICT. *RET shares parts with both inputs. */
int ssa_apply(const struct ssa_request *q, const json_t *live, const json_t *config,
              struct ssa_managers *managers, json_t **ret, struct ssa_conflicts *ret_conflicts);
/* What changed between LIVE and OBJECT now belongs to the manager. */
void ssa_update(const struct ssa_request *q, const json_t *live, const json_t *object,
                struct ssa_managers *managers);
