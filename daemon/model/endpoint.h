/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.h - which endpoints of two applications a relation means
 *
 * Pure. Endpoints that are not named are implied: the one pair of a provides and a requires
 * endpoint with the same interface. Several pairs are an error that names them. Where a charm is
 * not there, the endpoints stay as given until it arrives. */
#pragma once

#include "charm-meta.h"

struct endpoint_side {
        const char *application;
        const char *endpoint;          /* NULL: implied */
        const struct charm_meta *meta; /* NULL: the charm is not there */
};

struct endpoint_match {
        /* of side 0 and 1; "" when it is not known yet. Borrowed from the sides */
        const char *endpoints[2];
        enum meta_role roles[2]; /* when nothing is known: provides, requires */
        const char *interface;   /* "" when neither charm tells */
        int64_t limits[2];       /* 0: none */
};

#define ENDPOINT_OPEN 1 /* a charm is not there: matched as far as the other tells */
/* 0, ENDPOINT_OPEN, or -EINVAL: no such endpoint, nothing in common, several candidates, same
 * role on both sides. */
int endpoint_match(const struct endpoint_side sides[2], struct endpoint_match *ret,
                   struct err *err);
