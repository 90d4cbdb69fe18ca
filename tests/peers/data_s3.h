/* SPDX-License-Identifier: Apache-2.0 */
/* data_s3.h - one object store under test: the provider's target, and requests of our own beside
 * it */
#pragma once

#include "data.h"
#include "tunnel-tcp.h"

extern const struct provider provider_s3;

struct s3_world {
        struct data *d;
        struct tunnel_tcp way;
        struct http_server *server;
};

int s3_setup(void **state);
int s3_teardown(void **state);
/* One signed request of the administrator's, which must be answered WANT. Its body, for the caller
 * to free. */
char *s3_raw(struct s3_world *w, const char *method, const char *path, const char *body, long want);
bool s3_by_tls(void);

int data_s3_objects(void); /* data_s3_object.c; the number of failed tests */
