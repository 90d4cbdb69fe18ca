/* SPDX-License-Identifier: Apache-2.0 */
/* certificate.h - certificates that plans ask for, and the authority of a model that issues them
 *
 * A plan asks with the two secrets LABEL/key and LABEL/crt, whose policy is {"certificate": spec}:
 *   {"common-name": text, "names": [text, ...], "use": ["server", "client"],
 *    "key": "ecdsa-p256" | "rsa-2048", "lifetime": seconds (0: the model's),
 *    "issuer": id of a relation (without: the model's authority),
 *    "authority": {"O": text, ...}: an authority of the application's own, which signs what others
 *      ask for (certificate_sign), "names" and "use" are not read, "generation": another one is
 *      another authority}
 * Both get a new revision each time it is issued, so that what holds their tokens changes.
 *
 * An authority is made with a model's first certificate. While another takes its place it is:
 *   next     is trusted: its certificate is in the bundle, beside the current one's
 *   current  all that trusts has the bundle with both, since ca-overlap: it issues from now on,
 *            and all that the other one issued is due
 *   old      the other one: goes from the bundle when all is issued anew and delivered, since
 *            ca-overlap
 * Nothing here is a command: called inside transactions. Keys are sealed like every secret. */
#pragma once

#include "cert.h"
#include "certificate-spec.h"
#include "digest.h"
#include "json.h"
#include "seal.h"
#include "store.h"

#define CERTIFICATES_MAX 64        /* of one application: their bundles are in its view */
#define CERTIFICATE_JITTER_PART 20 /* of its life: so much later than two thirds, at most */
#define CERTIFICATE_RETRY_MS 60000

/* ---- options of a model: certificate-lifetime, ca-lifetime, ca-overlap, ca-subject */
struct certificate_options {
        int64_t lifetime_ms, authority_lifetime_ms, overlap_ms;
        char subject[65]; /* of the authority */
};
int certificate_options_read(struct tx *tx, int64_t model, struct certificate_options *ret,
                             struct err *err);
/* What VALUE should be, or NULL: it is right. */
const char *certificate_option_check(const char *option, const json_t *value);
json_t *certificate_option_default(const char *option); /* NULL: it is none of these */

/* ---- certificates */
struct certificate_ask {
        const struct sealer *sealer;
        int64_t model, application;
        const char *label;
        const json_t *spec;
        const struct secret_text *key; /* made for it */
};
/* For the first time or anew, by the model's authority, which is made if there is none; marks the
 * application. -ETIME: the clock is outside of the authority's life. */
int certificate_issue(struct tx *tx, const struct certificate_ask *a, struct err *err);
/* ---- by another application, over a relation (spec: "issuer", its id): certificate-external.c */
struct certificate_answer {
        const char *csr;      /* what it is for */
        const char *pem, *ca; /* with what leads to the root; the root */
        char digest[DIGEST_HEX_SIZE]; /* of both, hex */
};
/* A new key, and a request for it in the row; marks the application, whose plan tells it. */
int certificate_request(struct tx *tx, const struct certificate_ask *a, struct err *err);
/* The answer to its request, or another one than that which was taken: it is in use from now on.
 * -EKEYREJECTED: it is for another key. A's `key` is not read. */
int certificate_take(struct tx *tx, const struct certificate_ask *a,
                     const struct certificate_answer *answer, struct err *err);
/* ---- by an authority of the application's own (spec: "authority"): certificate-signer.c */
struct certificate_signing {
        const char *request; /* PEM, borrowed */
        int64_t lifetime_s;  /* 0: the model's */
};
/* With the authority of A's label; A's `spec` and `key` are not read. What cannot be signed (no
 * request, a foreign name, the clock) is a row that says why, and no error. Nothing happens while
 * there is no such authority. */
int certificate_sign(struct tx *tx, const struct certificate_ask *a,
                     const struct certificate_signing *of, struct err *err);
/* What is not in SIGN ([{"label", "request"}], of the plan) is forgotten. */
int certificate_unsign(struct tx *tx, int64_t application, const json_t *sign, struct err *err);
/* As authority_turn, of the certificate of such an authority. */
int certificate_turn(struct tx *tx, int64_t certificate, bool quiet, char **ret, struct err *err);
/* No plan asks for the secret any more, which may be a certificate's key; or it goes. */
int certificate_forget(struct tx *tx, int64_t secret, struct err *err);
/* What a plan of APPLICATION is shown: SHOWN {label: {"ca": PEM, "csr": PEM, its request}}; and of
 * its rows: ROWS {label: {"spec", "due": bool, "ends", "renew": ms, "csr", "answer": digest, while
 * none is waited for}}; with which bundle ("3 4"). Of an authority SHOWN has "signed" {SHA-256 of
 * a request: {"certificate"} or {"refused"}} too, and ROWS "turning": bool, "signed" {the same:
 * {"lifetime", "valid": bool}}, and "behind": true when one is not. Free them. */
struct certificate_view {
        json_t *shown, *rows;
        char *bundle;
        int64_t authority_ends; /* of the one that issues; 0: there is none */
};
int certificate_view_read(struct tx *tx, int64_t model, int64_t application,
                          struct certificate_view *ret, struct err *err);

/* ---- authorities */
struct q_authority_row;
/* Inside a transaction: rows live until its end. *RET NULL: there is none. */
int authority_find(struct tx *tx, int64_t model, const char *state,
                   const struct q_authority_row **ret, struct err *err);
/* The one that issues, with its key; made if there is none. */
int authority_get(struct tx *tx, const struct sealer *sealer, int64_t model,
                  const struct q_authority_row **ret, struct secret_text *ret_key, struct err *err);
/* What is trusted: PEM, and ids of whose. Both empty when there is none. */
int authority_bundle(struct tx *tx, int64_t model, struct buf *ret_pem, struct buf *ret_ids,
                     struct err *err);
/* The applications of MODEL that have certificates become dirty. */
int authority_mark(struct tx *tx, int64_t model, struct err *err);
/* Makes the next one. -EBUSY: there is one already, or an old one has not gone. */
int authority_rotate(struct tx *tx, const struct sealer *sealer, int64_t model, struct err *err);
/* The one whose request is out, or a new one: *RET its request as PEM. */
int authority_ask(struct tx *tx, const struct sealer *sealer, int64_t model, const char **ret,
                  struct err *err);
/* What was signed for that request: its certificate, those above it, and the root last. It takes
 * the current one's place as authority_rotate's does, or is the first. -EINVAL: it does not fit. */
int authority_set(struct tx *tx, const struct sealer *sealer, int64_t model, const char *pem,
                  struct err *err);
/* The same by itself, when two thirds of the current one's life are over. */
int authority_renew(struct tx *tx, const struct sealer *sealer, int64_t model, struct err *err);
/* One step on of a rotation, if all that it waits for in the rows is so for long enough. QUIET:
 * and nothing is under way in the world. *RET: what is waited for, in words, or "" (free it);
 * marks the applications when it went on. Returns 1 then. */
int authority_turn(struct tx *tx, const struct sealer *sealer, int64_t model, bool quiet,
                   char **ret, struct err *err);
