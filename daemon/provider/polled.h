/* SPDX-License-Identifier: Apache-2.0 */
/* polled.h - what providers have in common that tell nothing by themselves (sql, s3)
 *
 * The reconciler looks in its turn. What an apply saw is the baseline, whole, so the projection is
 * one for all, and a difference is found by comparing two small documents member by member. */
#pragma once

#include "provider.h"

/* From the request, for the answer. */
struct polled_known {
        uint8_t baseline[DIGEST_SIZE];
        bool baseline_valid;
        const char *const *see; /* borrowed from the request */
};
void polled_know(struct polled_known *k, const struct apply_request *r);

struct polled_seen {
        bool present, ours, filled;
        bool partial; /* BODY lacks what only the wanted document could tell: no digest of it */
        const char *incarnation;
        json_t *body; /* borrowed */
};
void polled_observe(const struct polled_known *k, const struct polled_seen *s,
                    struct observation *o);
/* After polled_observe into OP: what was seen is the baseline from now on. FIELDS names the
 * provider and the version of its field set, "sql/1". */
void polled_applied(struct op *op, const char *fields, json_t *body, bool created);
/* Tells the observer when it is news. *REACHABLE: -1 before the first answer. */
void polled_reach(const struct observer *o, int *reachable, bool now, const struct err *why);

/* Sets of texts by what is in them, "Statement[0].Action[s3:GetObject]". Values of members that
 * HIDDEN says (or NULL) are masked. */
int polled_compare(const struct apply_request *r, const struct observation *o,
                   bool (*hidden)(const char *member), struct drift_list *ret, struct err *err);
int polled_projection_parse(const char *own, const char *fields, struct projection **ret,
                            struct err *err);
void polled_projection_free(struct projection *p);

/* How a target is reached, of its config. */
struct polled_way {
        const char *via;     /* "NAMESPACE/POD", or NULL: direct */
        const char *address; /* or NULL; the name in its certificate */
        const char *member;  /* what the config calls ADDRESS */
        const char *what;    /* "the server" */
        const char *mode;    /* of tls */
        bool verifies;       /* ... which checks the name too */
};
int polled_check_way(const struct polled_way *w, struct err *err);
