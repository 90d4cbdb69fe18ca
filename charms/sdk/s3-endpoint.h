/* SPDX-License-Identifier: Apache-2.0 */
/* s3-endpoint.h - what a relation of interface s3 tells, or options say, as a target of provider s3
 *
 * A Service of the cluster is reached through the API server, at its first pod; anything else
 * directly, and then by TLS only. */
#pragma once

#include "charm.h"

/* What is said of a store; NULL or "": nothing. */
struct s3_store {
        const char *endpoint, *region, *bucket, *path;
        const char *access_key, *secret_key; /* tokens */
        const char *ca;                      /* PEM */
};
struct s3_store s3_endpoint_store(struct charm_plan *p, const struct charm_relation *r);
/* A bucket and both keys. */
bool s3_endpoint_whole(const struct s3_store *s);

struct s3_endpoint {
        const char *url;  /* without a slash at its end */
        const char *host; /* without its port */
        long port;
        bool tls;
        const char *via; /* "NAMESPACE/POD": a Service of the cluster; or NULL */
};

/* It has told a bucket and both keys. */
bool s3_endpoint_told(const struct charm_relation *r);
void s3_endpoint_read(struct charm_plan *p, const struct s3_store *s, struct s3_endpoint *e);
/* What is kept there: the target's label and file, and two words for messages. */
struct s3_endpoint_use {
        const char *target, *file;
        const char *thing, *content; /* "no THING before ...", "would carry CONTENT and keys" */
};
/* Asks the relation of ENDPOINT for a bucket; when it has told one it is USE's target, unless what
 * goes there would go in the open: a status says that, and what is not told yet. */
void s3_endpoint_plan(const struct charm_view *v, struct charm_plan *p, const char *endpoint,
                      const struct s3_endpoint_use *use);
/* S is USE's target, or a status says why not; WHERE is what said it. */
void s3_endpoint_want(struct charm_plan *p, const char *where, const struct s3_store *s,
                      const struct s3_endpoint_use *use);
/* Where in the bucket, "" or "path/". */
const char *s3_endpoint_prefix(struct charm_plan *p, const struct s3_store *s);
