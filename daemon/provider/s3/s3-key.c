/* SPDX-License-Identifier: Apache-2.0 */
/* s3-key.c - one derivation: asked, in a thread, answered; see s3-key.h
 *
 * A step that is cancelled while the thread works leaves its work behind, which frees itself
 * when the thread is out. */
#include "s3-key.h"

#include "digest.h"

#include <openssl/crypto.h>
#include <stdlib.h>

struct derivation {
        struct job job;
        struct ask *ask;
        char *secret_key;
        struct s3_seal_key key;
};

static void derivation_free(void *arg) {
        struct derivation *d = arg;

        if (!d)
                return;
        wipep(&d->secret_key);
        OPENSSL_cleanse(&d->key, sizeof(d->key));
        free(d);
}

static void work(void *arg) {
        struct derivation *d = arg;

        s3_seal_derive(d->secret_key, &d->key);
}

static void on_done(void *arg) {
        struct derivation *d = arg;

        d->ask->outcome = OUTCOME_DONE;
        flow_answer(d->ask);
}

static int start(struct ask *a, struct err *err) {
        struct derivation *d = a->request;

        d->job = (struct job){ .loop = a->loop,
                               .work = work,
                               .done = on_done,
                               .dropped = derivation_free,
                               .arg = d,
                               .name = "s3-key" };
        job_start(&d->job);
        return 0;
}

static void cancel(struct ask *a) {
        struct derivation *d = take_ptr(a->request);

        job_cancel(&d->job);
}

static void clear(struct ask *a) {
        derivation_free(take_ptr(a->request));
}

static const struct ask_kind kind = {
        .name = "s3-key", .start = start, .cancel = cancel, .clear = clear
};

void s3_key_ask(struct ask *a, const char *secret_key) {
        struct derivation *d = mem_new(struct derivation);

        d->ask = a;
        d->secret_key = str_dup(secret_key);
        digest_random(d->key.salt, sizeof(d->key.salt));
        a->kind = &kind;
        a->request = d;
}

const struct s3_seal_key *s3_key_answer(const struct ask *a) {
        return &((const struct derivation *)a->request)->key;
}
