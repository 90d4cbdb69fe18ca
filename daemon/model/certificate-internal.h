/* SPDX-License-Identifier: Apache-2.0 */
/* certificate-internal.h - what the files of certificates share */
#pragma once

#include "certificate.h"
#include "command-internal.h"

struct q_certificate_row;
/* The row of what A asks for; *RET NULL: there is none yet. -E2BIG: one more would be too many. */
int certificate_find(struct tx *tx, const struct certificate_ask *a,
                     const struct q_certificate_row **ret, struct err *err);
/* The row of what was issued for A as PEM; AUTHORITY 0: it is signed by itself. */
int certificate_put_row(struct tx *tx, const struct certificate_ask *a,
                        const struct secret_revision *key, int64_t authority, const char *pem,
                        struct err *err);
/* What a turn of authorities waits for: *RET "APPLICATION/LABEL WHAT", the caller frees. */
int certificate_waits(struct tx *tx, int64_t application, const char *label, const char *what,
                      char **ret, struct err *err);
/* ---- certificate-signer.c */
int certificate_signer_issue(struct tx *tx, const struct certificate_ask *a, struct err *err);
/* Adds to what plans are shown of it, and of its row. */
int certificate_signer_view(struct tx *tx, const struct q_certificate_row *row, json_t *shown,
                            json_t *of_row, struct err *err);
/* -EPERM: a name of another namespace. */
int certificate_check_names(struct tx *tx, int64_t model, const json_t *names, struct err *err);
/* The same of what SPEC asks for, with its common name. */
int certificate_check_spec(struct tx *tx, int64_t model, const json_t *spec, struct err *err);
/* The secret LABEL/FIELD gets VALUE as its next revision; BEHIND: of so many no plan knows yet. */
int certificate_put(struct tx *tx, const struct certificate_ask *a, const char *field,
                    const void *value, size_t len, int64_t behind, struct secret_revision *ret,
                    struct err *err);
/* The newest that there is, also one that is not in use; 0: none. */
int certificate_last_revision(struct tx *tx, int64_t secret, int64_t *ret, struct err *err);
/* When what is issued NOW and ends at UNTIL is due: at two thirds of its life, and so much later
 * that what was issued together is not renewed together. */
int64_t certificate_renewal(int64_t now, int64_t until);
