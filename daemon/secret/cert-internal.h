/* SPDX-License-Identifier: Apache-2.0 */
/* cert-internal.h - OpenSSL's objects, for cert.c and cert-read.c alone */
#pragma once

#include "cert.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

static inline void cert_pkey_free(EVP_PKEY **p) {
        EVP_PKEY_free(*p);
}

static inline void cert_x509_free(X509 **p) {
        X509_free(*p);
}

static inline void cert_req_free(X509_REQ **p) {
        X509_REQ_free(*p);
}

/* "WHAT: why", in OpenSSL's words. Returns CODE. */
int cert_fail(struct err *err, int code, const char *what);
/* The caller frees what these return. */
int cert_key_read(const struct secret_text *text, EVP_PKEY **ret, struct err *err);
int cert_parse(const char *pem, X509 **ret, struct err *err);
/* Signed by its own key, or it is -EBADMSG. */
int cert_parse_request(const char *pem, X509_REQ **ret, struct err *err);
