/* SPDX-License-Identifier: Apache-2.0 */
/* s3-stage.c - see s3-stage.h */
#include "s3-stage.h"

#include "forward.h"

#include <setjmp.h>
#include <cmocka.h>

void s3_stage_open(struct s3_stage *s, server_fn *store, json_t *config) {
        static const uint8_t key[DIGEST_SIZE] = { 7 };
        struct err err = { 0 };
        int r;

        *s = (struct s3_stage){ 0 };
        assert_int_equal(loop_new(&s->loop, NULL), 0);
        assert_int_equal(http_new(s->loop, &s->http, NULL), 0);
        s->server = server_new(NULL);
        server_route(s->server, NULL, "/*", store, NULL);
        s->way = (struct tunnel_tcp){ .loop = s->loop,
                                      .address = "127.0.0.1",
                                      .port = server_port(s->server) };
        r = provider_s3.open(&(struct target_config){ .name = "store",
                                                      .config = config,
                                                      .hash_key = key,
                                                      .http = s->http,
                                                      .loop = s->loop,
                                                      .reach_provider = &tunnel_tcp_provider,
                                                      .reach = tunnel_tcp_target(&s->way) },
                             NULL, &s->target, &err);
        json_decref(config);
        if (r < 0)
                fail_msg("%s", err_text(&err));
}

void s3_stage_close(struct s3_stage *s) {
        provider_s3.close(s->target);
        http_free(s->http);
        loop_free(s->loop);
        server_free(s->server);
}
