/* SPDX-License-Identifier: Apache-2.0 */
/* target-reach.c - whether a cluster answers, and whether it is the one that was known; see
 * target.c
 *
 * Behind the same address another cluster may come up (a control plane that was built anew). So
 * after every loss, and when a stream broke, the identity is read again before anything else
 * counts. When it is another one, kinds and watches begin anew: versions of the one mean nothing
 * to the other.
 *
 * A server that is stopped, or a network that drops packets, ends no connection: the streams
 * stand and are silent. So the same question is asked again and again, and who does not answer
 * it cannot be read. */
#include "target.h"

#include "clock.h"
#include "kubeconfig.h"

#include <errno.h>
#include <stdlib.h>

#define RETRY_MS 800 /* as the watches' back-off */
#define RETRY_MAX_MS 30000
#define BUSY_MAX 3 /* answers in a row by which a server that was reachable says that it is busy */
#define PULSE_MS 20000 /* with the time for an answer: silence shows within 35 s */

int64_t target_back_off(int *tries) {
        int64_t ms = RETRY_MS;
        uint16_t chance;

        for (int i = 0; i < *tries && ms < RETRY_MAX_MS; i++)
                ms *= 2;
        ++*tries;
        digest_random(&chance, sizeof(chance));
        return MIN_OF(ms, RETRY_MAX_MS) + MIN_OF(ms, RETRY_MAX_MS) * chance / UINT16_MAX;
}

/* ---- reach */

static void tell_reach(struct target *t, bool good, const char *why) {
        if (t->told && t->reachable == good && str_eq(t->why, why))
                return;
        t->told = true;
        t->reachable = good;
        str_set(&t->why, why);
        t->observer.reach(t->observer.arg, good, t->identity, t->why);
}

void target_lost(struct target *t, const char *why) {
        t->identity_sure = false;
        target_doubt_watches(t);
        if (!t->identity_timer.at && !t->identity_asked)
                timer_after(&t->identity_timer, target_back_off(&t->identity_tries));
        tell_reach(t, false, why);
}

int64_t target_next_try(const struct target *t) {
        return t->identity_asked ? 0 : t->identity_timer.at;
}

void target_ask_who(struct target *t) {
        t->identity_sure = false;
        if (!t->identity_asked)
                timer_after(&t->identity_timer, 0);
}

void target_reached(struct target *t) {
        if (t->identity_sure && t->discovery.table)
                tell_reach(t, true, NULL);
}

void target_refused(struct target *t, const char *why) {
        credential_refused(t->credential);
        target_lost(t, why);
}

/* ---- identity */

static int64_t pulse_ms(const struct target *t) {
        return t->pulse_ms ? t->pulse_ms : PULSE_MS;
}

static void take_identity(struct target *t, char *uid) {
        bool other = t->identity && !str_eq(t->identity, uid);

        free(t->identity);
        t->identity = uid;
        t->identity_sure = true;
        t->identity_tries = 0;
        timer_after(&t->identity_timer, pulse_ms(t));
        if (other) {
                tell_reach(t, false, "another cluster answers: its kinds are being read");
                target_end_watches(t);
        }
        if (other || !t->discovery.table)
                target_begin_discovery(t);
        else if (target_wake_watches(t))
                target_reached(t);
}

/* Priority and fairness sends a pulse away as it does any request, while the watches stand. */
static bool is_busy(const struct target *t, const struct http_request *r) {
        return r->end == HTTP_OK && (r->status == 429 || r->status >= 500) && t->told &&
               t->reachable && t->identity_tries < BUSY_MAX;
}

static char *refused_text(const struct target *t, const char *message) {
        struct err err = { 0 };

        if (t->certificate &&
            kubeconfig_check_certificate(t->certificate, clock_wall(), &err) == -EKEYEXPIRED)
                return str_dup(err_text(&err));
        return str_format("the API server refuses our credentials (401): %s",
                          message ? message : "no reason given");
}

static void identity_done(struct http_request *r) {
        struct target *t = r->arg;
        struct scan_slice body = scan_of(buf_str(&r->reply), r->reply.len);
        bool good = r->end == HTTP_OK && r->status == 200;
        char *uid = good ? scan_dup(scan_dig(body, "metadata", "uid", NULL)) : NULL;
        cleanup_(freep) char *message = NULL;
        cleanup_(freep) char *why = NULL;

        t->identity_asked = false;
        if (uid) {
                take_identity(t, uid);
                return;
        }
        if (is_busy(t, r)) {
                timer_after(&t->identity_timer,
                            MAX_OF(target_back_off(&t->identity_tries), r->retry_after_ms));
                return;
        }
        message = scan_dup(scan_get(body, "message"));
        if (r->end == HTTP_TIMEOUT)
                why = str_format("the API server is silent: %s; asked again each minute or sooner",
                                 err_text(&r->err));
        else if (r->end != HTTP_OK)
                why = str_dup(err_text(&r->err));
        else if (r->status == 401)
                why = refused_text(t, message);
        else if (r->status == 403)
                why = str_format("missing right: get namespace kube-system, which says which "
                                 "cluster this is: %s",
                                 message ? message : "");
        else
                why = str_format("the API server answered %ld: %s", r->status,
                                 message ? message : "no reason given");
        timer_after(&t->identity_timer, target_back_off(&t->identity_tries));
        if (r->end == HTTP_OK && r->status == 401)
                credential_refused(t->credential);
        target_lost(t, why);
}

void target_begin_identity(void *arg) {
        struct target *t = arg;

        if (!credential_ready(t->credential)) {
                timer_after(&t->identity_timer, RETRY_MS);
                return;
        }
        http_deinit(&t->identity_request);
        t->identity_asked = true;
        t->identity_request = (struct http_request){
                .server = t->server,
                .pool = HTTP_REQUESTS,
                .method = "GET",
                .path = "/api/v1/namespaces/kube-system",
                .total_ms = pulse_ms(t) * 3 / 4,
                .first_byte_ms = pulse_ms(t) * 3 / 8, /* then once more on a fresh connection */
                .done = identity_done,
                .arg = t,
        };
        http_start(t->http, &t->identity_request);
}
