/* SPDX-License-Identifier: Apache-2.0 */
/* s3-endpoint.h - what a relation of interface s3 tells, as a target of provider s3
 *
 * A Service of the cluster is reached through the API server, at its first pod; anything else
 * directly, and then by TLS only. */
#pragma once

#include "charm.h"

struct s3_endpoint {
        const char *url;  /* without a slash at its end */
        const char *host; /* without its port */
        long port;
        bool tls;
        const char *via; /* "NAMESPACE/POD": a Service of the cluster; or NULL */
};

/* It has told a bucket and both keys. */
bool s3_endpoint_told(const struct charm_relation *r);
void s3_endpoint_read(struct charm_plan *p, const struct charm_relation *r, struct s3_endpoint *e);
/* Declares it as the target LABEL, from FILE. */
void s3_endpoint_target(struct charm_plan *p, const struct charm_relation *r,
                        const struct s3_endpoint *e, const char *label, const char *file);
/* Where in the bucket, "" or "path/". */
const char *s3_endpoint_prefix(struct charm_plan *p, const struct charm_relation *r);
