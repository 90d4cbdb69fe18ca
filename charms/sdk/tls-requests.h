/* SPDX-License-Identifier: Apache-2.0 */
/* tls-requests.h - who issues, at interface tls-certificates: the requests of a relation, and what
 * is told for them
 *
 * JSON here is what the daemon hands over and what charms wrote, in one canonical form (no blanks,
 * members in order), so that a text in it is found as charm_quote writes it. All that is returned
 * lives as long as P. */
#pragma once

#include "charm.h"

#define TLS_REQUEST "\"certificate_signing_request\":"
/* Of one relation. Whoever asks for more is served so many, and harms nobody else: an authority
 * signs 80 in all, and each issued by cert-manager is an object. An application that has one
 * certificate for each of its units and endpoints has a few. */
#define TLS_REQUESTS_MAX 20
#define TLS_REQUEST_MAX 30000 /* bytes of one; those of RSA with many names have 3,000 */

/* All that R asks for, as JSON; "": nothing. */
const char *tls_requests(const struct charm_relation *r);
/* The request (quoted, as JSON has it) at or after *AT, which goes behind it; NULL: no more. */
const char *tls_request_next(struct charm_plan *p, const char **at);

/* Requests of one relation, those that are served: begins as TLS_ASKED(relation). */
struct tls_asked {
        const char *at;
        const char *refused; /* why some were left out; NULL: none was */
        size_t count;
};
#define TLS_ASKED(relation) { tls_requests(relation), NULL, 0 }
/* The next one that is within bounds, or NULL. */
const char *tls_asked_next(struct charm_plan *p, struct tls_asked *asked);
/* The quoted text that begins at TEXT, with its quotes; "": it does not end. */
const char *tls_quoted(struct charm_plan *p, const char *text);
/* The text that QUOTED is of: PEM, a message. What JSON writes as \uXXXX becomes '?'. */
const char *tls_unquoted(struct charm_plan *p, const char *quoted);
/* LIST, a comma if there is something in it, and what was issued for REQUEST (quoted). CHAIN: a
 * JSON list without its brackets. */
const char *tls_issued(struct charm_plan *p, const char *list, const char *request, const char *ca,
                       const char *certificate, const char *chain);

/* ---- what cert-manager's objects hold */
const char *tls_base64(struct charm_plan *p, const char *text);
/* "": it is none. */
const char *tls_unbase64(struct charm_plan *p, const char *text);
/* MEMBER of the condition TYPE in LIST, JSON or NULL; "": not there. */
const char *tls_condition(struct charm_plan *p, const char *list, const char *type,
                          const char *member);
