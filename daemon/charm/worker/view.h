/* SPDX-License-Identifier: Apache-2.0 */
/* view.h - inside the worker: a view as charm code reads it (charm.h, "what is wished",
 * "relations", "what was seen")
 *
 * charm.yaml's tree stands behind it: names that it does not have are mistakes of the charm, and
 * its defaults hold for what the view leaves out. */
#pragma once

#include "arena.h"
#include "charm.h"
#include "json.h"
#include "map.h"

struct view_relation {
        struct charm_relation public; /* private points back here */
        json_t *told;                 /* borrowed, or NULL */
        const struct charm_view *view;
};

struct charm_view {
        json_t *root;                    /* a reference */
        const json_t *meta;              /* borrowed: charm.yaml */
        struct arena *arena;             /* borrowed */
        struct charm_plan *plan;         /* borrowed: where mistakes are written */
        struct view_relation *relations; /* by rising id */
        size_t relation_count;
        struct map ready; /* labels of the view's short list */
};

/* TEXT is a view (charm-host.h). */
int view_open(struct charm_view *v, const char *text, size_t len, const json_t *meta,
              struct arena *arena, struct err *err);
void view_close(struct charm_view *v);

/* What is under OPTION: of the view, else charm.yaml's default, else NULL. Borrowed. */
json_t *view_option(const struct charm_view *v, const char *name);
json_t *view_storage(const struct charm_view *v, const char *name);
const char *view_image(const struct charm_view *v,
                       const char *resource); /* NULL: neither view nor charm.yaml has one */
/* A value as charm code gets it: text as it is, other scalars as text, structures as JSON; NULL
 * for null. */
const char *view_text(const struct charm_view *v, const json_t *value);
/* charm.yaml has NAME in SECTION ("options", "resources", "storage", "endpoints"). */
bool view_has_name(const json_t *meta, const char *section, const char *name);
