/* SPDX-License-Identifier: Apache-2.0 */
/* certs.c - a certificate authority for tests; see certs.h */
#include "certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define DAY (24L * 3600)

struct certs {
        X509 *cert;
        EVP_PKEY *key;
        char *pem;
        long serial;
};

static char *bio_text(BIO *b) {
        char *data;
        long n = BIO_get_mem_data(b, &data);
        char *text = str_ndup(data, (size_t)n);

        BIO_free(b);
        return text;
}

static char *cert_pem(X509 *x) {
        BIO *b = BIO_new(BIO_s_mem());

        PEM_write_bio_X509(b, x);
        return bio_text(b);
}

static void extend(X509 *x, X509 *issuer, int nid, const char *value) {
        X509V3_CTX ctx;
        X509_EXTENSION *e;

        X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
        e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
        if (!e)
                abort();
        X509_add_ext(x, e, -1);
        X509_EXTENSION_free(e);
}

static X509 *make(const char *name, EVP_PKEY *key, long serial, int days) {
        X509 *x = X509_new();
        X509_NAME *subject = X509_get_subject_name(x);

        X509_set_version(x, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
        X509_gmtime_adj(X509_getm_notBefore(x), MIN_OF(days - 1, -1) * DAY);
        X509_gmtime_adj(X509_getm_notAfter(x), days * DAY);
        X509_set_pubkey(x, key);
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                                   -1, 0);
        return x;
}

struct certs *certs_new(const char *name) {
        struct certs *ca = mem_new(struct certs);

        ca->key = EVP_EC_gen("P-256");
        ca->cert = make(name, ca->key, ++ca->serial, 30);
        X509_set_issuer_name(ca->cert, X509_get_subject_name(ca->cert));
        extend(ca->cert, ca->cert, NID_basic_constraints, "critical,CA:TRUE");
        extend(ca->cert, ca->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
        extend(ca->cert, ca->cert, NID_subject_key_identifier, "hash");
        X509_sign(ca->cert, ca->key, EVP_sha256());
        ca->pem = cert_pem(ca->cert);
        return ca;
}

struct certs *certs_free(struct certs *ca) {
        if (!ca)
                return NULL;
        X509_free(ca->cert);
        EVP_PKEY_free(ca->key);
        free(ca->pem);
        free(ca);
        return NULL;
}

const char *certs_ca_pem(const struct certs *ca) {
        return ca->pem;
}

void certs_issue(struct certs *ca, const char *common_name, const char *names, int days,
                 char **ret_cert, char **ret_key) {
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509 *x = make(common_name, key, ++ca->serial, days);
        BIO *b = BIO_new(BIO_s_mem());

        X509_set_issuer_name(x, X509_get_subject_name(ca->cert));
        extend(x, ca->cert, NID_basic_constraints, "critical,CA:FALSE");
        extend(x, ca->cert, NID_ext_key_usage, "serverAuth,clientAuth");
        if (names)
                extend(x, ca->cert, NID_subject_alt_name, names);
        X509_sign(x, ca->key, EVP_sha256());
        PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
        *ret_cert = cert_pem(x);
        *ret_key = bio_text(b);
        X509_free(x);
        EVP_PKEY_free(key);
}
