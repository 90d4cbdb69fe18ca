/* SPDX-License-Identifier: Apache-2.0 */
/* key.c - the key that seals secrets: which it is, and its rotation (model/rekey.h)
 *
 * No key is ever in an answer, only its id, which stands in front of whatever it sealed. */
#include "admin-internal.h"
#include "routes.h"

#include "rekey.h"

void key_show(struct request *q) {
        request_reply(q, 200, rekey_json(q->admin->options.rekey));
}

/* Its row in the audit is there. */
static void start(struct request *q, json_t *json) {
        struct err err = { 0 };
        int r = rekey_start(q->admin->options.rekey, &err);

        if (r < 0)
                return request_fail(q, r, &err);
        request_reply(q, 200, rekey_json(q->admin->options.rekey));
}

void key_rotate(struct request *q) {
        request_read(q, request_read_nothing, start);
}
