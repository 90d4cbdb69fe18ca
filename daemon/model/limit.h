/* SPDX-License-Identifier: Apache-2.0 */
/* limit.h - how much one change of ours may change or delete before a person looks at it
 *
 * Ours is what comes from charms, bundles, options and refreshes: what the plan of an application
 * wants otherwise. Undoing what others did is none of it. What a plan lets go that holds data is
 * kept as detached storage, so namespaces, CRDs, volumes, claims, storage classes, databases and
 * buckets are deleted by no plan at all, whatever the limits. */
#pragma once

#include "digest.h"
#include "json.h"

#define LIMIT_OWNER "mooring" /* of the freeze; people's have their uid in them */
#define LIMIT_NAME_SIZE 9     /* with its end; as shown.h's */

struct limits {
        int64_t change_free;  /* so many objects of a model may change, whatever their share */
        int64_t change_share; /* percent of a model's objects beyond that */
        int64_t delete_free;  /* so many objects of an application may go, whatever their share */
        int64_t delete_share; /* percent of an application's objects beyond that */
        int64_t delete_most;  /* objects of a model */
        int64_t window_ms;    /* what follows within it counts as one change */
};
/* The options' defaults, for tests. */
#define LIMITS_DEFAULT ((struct limits){ 50, 50, 3, 50, 100, 600000 })
/* Options of a model that stand before the daemon's ("limit-change-free", ...): what VALUE should
 * be, or NULL: it is right. */
const char *limit_check(const char *option, const json_t *value);
/* False: OPTION is none of these. */
bool limit_override(struct limits *l, const char *option, const json_t *value);

/* OPTION's value; NULL: it is none of these. */
json_t *limit_value(const struct limits *l, const char *option);

/* A kind that comes and goes with what others ask for, and holds nothing: no limit counts that it
 * is deleted, as none counts renewals. */
bool limit_is_passing(const char *type);

struct limit_count {
        size_t removed, changed;         /* by this plan */
        size_t wants;                    /* that the application has */
        bool empty;                      /* the plan wants nothing at all */
        size_t removed_all, changed_all; /* with those of before within the window, in the model */
        size_t objects;                  /* of the model; 0: not counted, as nothing is near */
};
enum { LIMIT_DELETE = 1, LIMIT_CHANGE = 2 };
unsigned limit_over(const struct limits *l, const struct limit_count *c);
/* "deletes 4 of 6", "changes 80 of the model's 120 objects"; the caller frees. */
char *limit_text(const struct limits *l, const struct limit_count *c, unsigned over);

/* A plan that is held, for `apply`: the same plan, the same name. CONTENT is both digests as
 * hex. */
void limit_name(int64_t application, const char *content, char ret[LIMIT_NAME_SIZE]);
#define LIMIT_CONTENT_SIZE (2 * DIGEST_HEX_SIZE)
const char *limit_content(const uint8_t removal[DIGEST_SIZE], const uint8_t changes[DIGEST_SIZE],
                          char ret[LIMIT_CONTENT_SIZE]);
bool limit_content_read(const char *content, uint8_t removal[DIGEST_SIZE],
                        uint8_t changes[DIGEST_SIZE]);
