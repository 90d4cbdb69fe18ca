/* SPDX-License-Identifier: Apache-2.0 */
/* s3-identity.h - this machine's managed identity, which lets it into Azure's Blob service
 *
 * Azure's metadata service (IMDS: plain HTTP on a link-local address, past any proxy) gives a
 * token for it. That is the first step of each flow that may ask Azure: passed over where a key or
 * a signature lets in, and while the token that is there lasts. The token lies in memory alone, as
 * long as its target is open. */
#pragma once

#include "s3-target.h"

#define S3_IDENTITY_ADDRESS "http://169.254.169.254"
/* All tries of one: Azure gives 70 s for an update of IMDS, and the last back-off is 30. */
#define S3_IDENTITY_MS 100000
#define S3_IDENTITY_PAUSE_MS 2000     /* the first back-off; doubled by each */
#define S3_IDENTITY_TRY_MS 10000      /* for one */
#define S3_IDENTITY_MARGIN_MS 300000  /* not used any more so long before it runs out */
#define S3_IDENTITY_REPLY_MAX 65536   /* a token has 2 KB */

struct s3_identity {
        struct http_server *server; /* IMDS; NULL: the target has a key */
        char *path, *authorization; /* AUTHORIZATION: NULL: no token yet, or it was refused */
        int64_t until;              /* clock_wall */
};

/* -EINVAL. Nothing is asked yet. */
int s3_identity_init(struct s3_identity *i, const struct s3_config *c, struct err *err);
void s3_identity_deinit(struct s3_identity *i); /* wipes */
void s3_identity_authorize(void *identity, struct buf *ret_value); /* http.h's authorize */
/* The store answered 401. False: to a token that this very flow has just got. Else the flow goes
 * back to its first step, which gets another. */
bool s3_identity_renew(struct s3_op *s);

/* Row 0 of a flow's table. */
#define S3_LET_IN                                                                                  \
        { "managed identity", s3_identity_ask, s3_identity_got,                                    \
          S3_IDENTITY_MS,     S3_IDENTITY_PAUSE_MS, 0 }
int s3_identity_ask(struct flow *f, struct ask *a, struct err *err);
int s3_identity_got(struct flow *f, struct ask *a, struct err *err);
