/* SPDX-License-Identifier: Apache-2.0 */
/* rekey.c - when the next slice is sealed again, and what becomes of the key file; see rekey.h */
#include "rekey.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>

#define RETRY_MS 5000

enum state { IDLE, SEALING, SETTLING };
static const char *const state_names[] = { "idle", "sealing", "settling" };

struct rekey {
        struct rekey_options options;
        struct store_call call;
        struct rekey_run run;
        struct timer timer;
        enum state state;
        size_t sealed, in_pass; /* of this rotation; of this look at the store */
        bool out, stopping;
};

static bool is_ours(const struct rekey *r, bool *ret_credential) {
        cleanup_(freep) char *path = seal_where(&r->options.seal, ret_credential);

        return !*ret_credential && !r->options.seal.key_file;
}

/* ---- slices */

static int slice_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct rekey *r = c->arg;

        return rekey_slice(tx, &r->run, err);
}

static void finish(struct rekey *r) {
        cleanup_(freep) char *path = NULL;
        struct err err = {};
        bool credential;

        if (is_ours(r, &credential) &&
            seal_file_settle(&r->options.seal, r->options.sealer, &err) < 0) {
                log_plain(LOG_ERR, "key", "the old key is not taken away yet: %s", err_text(&err));
                return timer_after(&r->timer, RETRY_MS);
        }
        r->state = IDLE;
        path = seal_where(&r->options.seal, &credential);
        if (is_ours(r, &credential))
                log_plain(
                        LOG_NOTICE, "key",
                        "all is sealed with the new key, %zu values anew, and the old one is gone: "
                        "back %s up apart from the state folder",
                        r->sealed, path);
        else
                log_plain(LOG_NOTICE, "key",
                          "all is sealed with the first key of %s, %zu values anew: keep only that "
                          "one, its first %d bytes, from the next start on",
                          path, r->sealed, SEAL_KEY_SIZE);
}

static void end_pass(struct rekey *r) {
        bool found = r->in_pass > 0 || r->state == SEALING;

        r->run.from = (struct rekey_at){ 0 };
        r->in_pass = 0;
        if (!found)
                return finish(r);
        r->state = SETTLING;
        timer_after(&r->timer, REKEY_SETTLE_MS);
}

static void on_done(struct store_call *c, int k, const struct err *err) {
        struct rekey *r = c->arg;

        r->out = false;
        if (r->stopping)
                return;
        if (k < 0) {
                log_plain(LOG_WARNING, "key", "sealing again goes on later: %s", err_text(err));
                return timer_after(&r->timer, RETRY_MS);
        }
        r->sealed += r->run.sealed;
        r->in_pass += r->run.sealed;
        r->run.from = r->run.to;
        if (r->run.over)
                end_pass(r);
        else
                timer_after(&r->timer, 0);
}

static void on_timer(void *arg) {
        struct rekey *r = arg;

        if (r->out || r->state == IDLE)
                return;
        r->out = true;
        r->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "rekey",
                                       .name = "rekey",
                                       .run = slice_run,
                                       .done = on_done,
                                       .arg = r };
        store_submit(r->options.store, &r->call);
}

static void begin(struct rekey *r) {
        r->state = SEALING;
        r->sealed = r->in_pass = 0;
        r->run = (struct rekey_run){ .sealer = r->options.sealer };
        timer_after(&r->timer, 0);
}

/* ---- */

struct rekey *rekey_new(const struct rekey_options *o) {
        struct rekey *r = mem_new(struct rekey);

        r->options = *o;
        timer_init(&r->timer, o->loop, "rekey", on_timer, r);
        if (seal_key_count(o->sealer) > 1)
                begin(r);
        return r;
}

void rekey_stop(struct rekey *r) {
        if (!r)
                return;
        r->stopping = true;
        timer_cancel(&r->timer);
}

struct rekey *rekey_free(struct rekey *r) {
        rekey_stop(r);
        free(r);
        return NULL;
}

static int refuse(const struct rekey *r, bool credential, struct err *err) {
        bool unused;
        cleanup_(freep) char *path = seal_where(&r->options.seal, &unused);

        if (credential)
                return err_set(err, -ENOTSUP,
                               "the key is a credential of systemd's: put %d new random bytes in "
                               "front of it (at most %d keys), restart mooringd, and when its log "
                               "says that all is sealed anew keep only those bytes",
                               SEAL_KEY_SIZE, SEAL_KEYS_MAX);
        return err_set(err, -ENOTSUP,
                       "the key file %s is not the daemon's own (--key-file): put %d new random "
                       "bytes in front of it (at most %d keys), and run this again",
                       path, SEAL_KEY_SIZE, SEAL_KEYS_MAX);
}

int rekey_start(struct rekey *r, struct err *err) {
        bool credential, ours = is_ours(r, &credential);
        int k;

        if (r->state != IDLE)
                return err_set(err, -EBUSY,
                               "a rotation of the key is not over yet: mooringctl "
                               "rotate-key --status");
        if (credential)
                return refuse(r, true, err);
        k = ours ? seal_file_begin(&r->options.seal, r->options.sealer, err)
                 : seal_file_again(&r->options.seal, r->options.sealer, err);
        if (k < 0)
                return k;
        if (k == 0)
                return refuse(r, false, err);
        begin(r);
        return 0;
}

json_t *rekey_json(const struct rekey *r) {
        bool credential, ours = is_ours(r, &credential);
        cleanup_(freep) char *path = seal_where(&r->options.seal, &credential);
        char hex[2 * SEAL_ID_SIZE + 1];

        return json_pack("{s:s, s:s, s:s, s:s, s:I}", "path", path, "source",
                         credential ? "credential"
                         : ours     ? "state"
                                    : "key-file",
                         "current",
                         digest_hex(seal_current_id(r->options.sealer), SEAL_ID_SIZE, hex), "state",
                         state_names[r->state], "sealed", (json_int_t)r->sealed);
}
