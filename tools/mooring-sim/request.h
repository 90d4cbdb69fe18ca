/* SPDX-License-Identifier: Apache-2.0 */
/* request.h - one HTTP request, taken apart */
#pragma once

#include "kinds.h"
#include "reply.h"

/* The API server's own limit for a body (3 MiB); more is 413. */
#define REQUEST_BODY_MAX (3u << 20)

struct request {
        const char *method, *path;
        json_t *query;                                                  /* name -> value */
        const char *content_type, *accept, *user_agent, *authorization; /* NULL: not sent */
        struct buf body;
        /* filled in by routes.c; texts owned */
        struct kind *kind;
        char *namespace, *name, *subresource; /* never NULL after routing; "" */
        char *rest;                           /* path after the subresource */
};

static inline const char *request_query(const struct request *q, const char *name) {
        return json_get_str(q->query, name, NULL);
}
