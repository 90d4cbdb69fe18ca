/* SPDX-License-Identifier: Apache-2.0 */
/* cert.h - X.509: keys, certificates, requests for them; the one user of OpenSSL's X.509 that
 * writes
 *
 * All texts are PEM. Private keys (PKCS#8) lie in the secret arena. Serial numbers are 16 random
 * bytes. Pure but for them: no clock, no store. Any thread. */
#pragma once

#include "arena.h"
#include "buf.h"
#include "cert-name.h"
#include "err.h"
#include "json.h"

int cert_key_make(enum cert_key kind, struct secret_text *ret, struct err *err);

#define CERT_TEXT_MAX 256        /* of a subject or an issuer, written out */
#define CERT_PEM_MAX (64u << 10) /* that is read: a chain of some certificates */

struct cert_wish {
        const char *common_name; /* at most 64 bytes, as X.520 has it */
        const json_t *subject;   /* more of it, {"O": text}; or NULL */
        const json_t *names;     /* texts: DNS names and IP addresses; NULL: none */
        unsigned use;            /* CERT_SERVER, CERT_CLIENT */
        bool authority;          /* it may issue others; USE is 0 */
        int64_t from, until;     /* in ms since 1970, cut to seconds */
};
struct cert_issuer {
        const char *pem; /* its certificate, first in the text */
        const struct secret_text *key;
};
/* For the key's holder; BY NULL: by itself. Appends to RET. */
int cert_issue(const struct cert_wish *w, const struct secret_text *key,
               const struct cert_issuer *by, struct buf *ret, struct err *err);
/* A request (PKCS#10) for what W says, to be signed elsewhere. */
int cert_request(const struct cert_wish *w, const struct secret_text *key, struct buf *ret,
                 struct err *err);
/* Signs such a request: names and subject are the request's, the rest is W's, whose `names` and
 * `common_name` are not read. -EBADMSG: it is no request, or not signed by its own key. */
int cert_issue_requested(const struct cert_wish *w, const char *request,
                         const struct cert_issuer *by, struct buf *ret, struct err *err);

struct cert_facts {
        char subject[CERT_TEXT_MAX], issuer[CERT_TEXT_MAX]; /* "CN=x,O=y" */
        char serial[64];                                    /* hex; "" of a request */
        int64_t from, until;                                /* ms; 0 of a request */
        bool authority, self_signed;
        json_t *names;  /* list of texts; what is no text is "(other)" */
        json_t *common; /* of a request: list of its common names */
};
void cert_facts_free(struct cert_facts *f); /* also a cleanup function */
/* The first certificate of PEM. -EBADMSG: there is none. */
int cert_read(const char *pem, struct cert_facts *ret, struct err *err);
/* -EBADMSG: it is no request, or one whose names cannot be read. */
int cert_read_request(const char *pem, struct cert_facts *ret, struct err *err);
/* -EKEYREJECTED: the first certificate of PEM is not for this key. */
int cert_check_key(const char *pem, const struct secret_text *key, struct err *err);
/* The certificates of PEM are a chain, each signed by the next: *RET_END is where the last begins.
 * -EBADMSG: they are not. */
int cert_check_chain(const char *pem, size_t *ret_end, struct err *err);
