/* SPDX-License-Identifier: Apache-2.0 */
/* certs.h - a certificate authority for tests; keys are P-256, valid from yesterday on */
#pragma once

#include "base.h"

struct certs;

struct certs *certs_new(const char *name);
struct certs *certs_free(struct certs *ca);
const char *certs_ca_pem(const struct certs *ca);
/* A certificate for server or client. NAMES as OpenSSL writes them: "IP:127.0.0.1,DNS:localhost",
 * or NULL. DAYS may be negative: it has expired. The caller frees both. */
void certs_issue(struct certs *ca, const char *common_name, const char *names, int days,
                 char **ret_cert,
                 char **ret_key);
