/* SPDX-License-Identifier: Apache-2.0 */
/* audit-teller.c - see audit-teller.h */
#include "audit-teller.h"

#include "audit.h"
#include "log.h"

#include <stdlib.h>

struct head_call {
        struct store_call call;
        struct audit_teller *teller;
        struct audit_head head;
};

static int head_run(struct tx *tx, struct store_call *call, struct err *err) {
        struct head_call *h = call->arg;

        return audit_last(tx, &h->head, err);
}

static void tell_head(struct audit_teller *t, const struct audit_head *head) {
        char number[24], hex[DIGEST_HEX_SIZE];

        if (head->id == t->told)
                return;
        t->told = head->id;
        snprintf(number, sizeof(number), "%lld", (long long)head->id);
        digest_hex(head->hash, DIGEST_SIZE, hex);
        log_event(LOG_NOTICE, "audit-head",
                  (struct log_field[]){ { "CONTROLLER", t->controller },
                                        { "AUDIT_ROW", number },
                                        { "AUDIT_HASH", hex },
                                        {} },
                  "audit up to row %s: %s:%s", number, number, hex);
}

static void head_done(struct store_call *call, int r, const struct err *err) {
        struct head_call *h = call->arg;

        if (r < 0)
                log_plain(LOG_WARNING, "audit-head", "%s", err_text(err));
        else
                tell_head(h->teller, &h->head);
        free(h);
}

static struct head_call *head_call_new(struct audit_teller *t) {
        struct head_call *h = mem_new(struct head_call);

        h->teller = t;
        h->call = (struct store_call){ .lane = STORE_HISTORY,
                                       .actor = "audit",
                                       .run = head_run,
                                       .done = head_done,
                                       .arg = h };
        return h;
}

static void on_head(void *arg) {
        struct audit_teller *t = arg;

        store_read(t->store, &head_call_new(t)->call);
        timer_after(&t->timer, AUDIT_HEAD_MS);
}

void audit_teller_start(struct audit_teller *t) {
        timer_init(&t->timer, t->loop, "audit head", on_head, t);
        on_head(t);
}

void audit_teller_stop(struct audit_teller *t) {
        timer_cancel(&t->timer);
}

/* After all that was submitted: the calls of one lane keep their order, and this is the last of the
 * last lane. */
void audit_teller_last(struct audit_teller *t) {
        struct head_call *h = head_call_new(t);
        struct err err = { 0 };
        int r;

        do {
                r = store_now(t->store, &h->call, &err);
        } while (r >= 0 && store_waiting(t->store) > 0);
        head_done(&h->call, r, &err);
}
