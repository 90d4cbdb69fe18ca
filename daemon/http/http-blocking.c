/* SPDX-License-Identifier: Apache-2.0 */
/* http-blocking.c - one request at a time for programs without a loop: mooringctl, tests
 *
 * A loop and its multis for one call: so that deadlines, limits and ends are those of the daemon,
 * from the same code. It costs 50 microseconds, which no command notices. */
#include "http-internal.h"

#include <errno.h>

static void loop_freep(struct loop **l) {
        *l = loop_free(*l);
}

int http_blocking(struct http_request *r, struct err *err) {
        cleanup_(loop_freep) struct loop *l = NULL;
        struct exchange *x;
        struct http *h;
        bool ended = false;
        int e = loop_new(&l, err);

        if (e < 0)
                return e;
        e = http_new(l, &h, err);
        if (e < 0)
                return e;
        http_start(h, r);
        x = r->private;
        x->blocking_ended = &ended;
        while (!ended)
                loop_step(l, HTTP_TOTAL_MS);
        x->http = NULL;
        x->blocking_ended = NULL;
        http_free(h);
        if (r->end == HTTP_OK)
                return 0;
        if (err)
                *err = r->err;
        return r->err.code ? r->err.code : -EIO;
}
