/* SPDX-License-Identifier: Apache-2.0 */
/* s3-stage.h - a target of the S3 provider whose store is a few lines of a test, behind the
 * tunnel's double */
#pragma once

#include "http.h"
#include "server.h"
#include "tunnel-tcp.h"

extern const struct provider provider_s3;

struct s3_stage {
        struct loop *loop;
        struct http *http;
        struct server *server;
        struct tunnel_tcp way;
        struct target *target;
};
/* STORE answers all that goes to "ns/store-0". Takes CONFIG. */
void s3_stage_open(struct s3_stage *s, server_fn *store, json_t *config);
void s3_stage_close(struct s3_stage *s);
