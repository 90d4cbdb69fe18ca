/* SPDX-License-Identifier: Apache-2.0 */
/* cert-read.c - what a certificate or a request says; see cert.h */
#include "cert-internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/x509v3.h>
#include <time.h>

#define CERTIFICATE_HEAD "-----BEGIN CERTIFICATE-----"
#define NAMES_NONE -1 /* X509V3_get_d2i: no extension; -2: more than one */

/* No prompt for a passphrase, ever. */
static int no_password(char *buf, int size, int rwflag, void *arg) {
        return -1;
}

int cert_parse(const char *pem, X509 **ret, struct err *err) {
        BIO *bio = BIO_new_mem_buf(pem, -1);

        *ret = PEM_read_bio_X509(bio, NULL, no_password, NULL);
        BIO_free(bio);
        return *ret ? 0 : cert_fail(err, -EBADMSG, "this is no certificate in PEM");
}

int cert_parse_request(const char *pem, X509_REQ **ret, struct err *err) {
        cleanup_(cert_req_free) X509_REQ *request = NULL;
        BIO *bio = BIO_new_mem_buf(pem, -1);
        EVP_PKEY *key;

        request = PEM_read_bio_X509_REQ(bio, NULL, no_password, NULL);
        BIO_free(bio);
        if (!request)
                return cert_fail(err, -EBADMSG, "this is no certificate request in PEM");
        key = X509_REQ_get0_pubkey(request);
        if (!key || X509_REQ_verify(request, key) != 1)
                return cert_fail(err, -EBADMSG, "the request is not signed by its own key");
        *ret = take_ptr(request);
        return 0;
}

static void write_name(const X509_NAME *name, char ret[CERT_TEXT_MAX]) {
        BIO *bio = BIO_new(BIO_s_mem());
        char *data;
        long len;

        X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
        len = BIO_get_mem_data(bio, &data);
        snprintf(ret, CERT_TEXT_MAX, "%.*s", (int)len, data);
        BIO_free(bio);
}

static int64_t wall_of(const ASN1_TIME *t) {
        struct tm tm;

        return t && ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) * 1000 : 0;
}

/* NULL: it would read as another than it is, or is none. */
static json_t *plain_text(const unsigned char *data, int len) {
        if (len <= 0 || memchr(data, '\0', (size_t)len))
                return NULL;
        return json_stringn((const char *)data, (size_t)len);
}

static json_t *address_text(const unsigned char *data, int len) {
        int family = len == 4 ? AF_INET : len == 16 ? AF_INET6 : AF_UNSPEC;
        char text[INET6_ADDRSTRLEN];

        if (family == AF_UNSPEC || !inet_ntop(family, data, text, sizeof(text)))
                return NULL;
        return json_string(text);
}

static json_t *name_text(const GENERAL_NAME *name) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);

        if (type == GEN_DNS || type == GEN_URI || type == GEN_EMAIL)
                return plain_text(ASN1_STRING_get0_data(value), ASN1_STRING_length(value));
        if (type == GEN_IPADD)
                return address_text(ASN1_STRING_get0_data(value), ASN1_STRING_length(value));
        return NULL;
}

static json_t *names_list(const GENERAL_NAMES *names) {
        json_t *list = json_array();

        for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
                json_t *text = name_text(sk_GENERAL_NAME_value(names, i));

                /* One that is neither is shown as what it is: something that nobody asked for. */
                json_array_append_new(list, text ? text : json_string("(other)"));
        }
        return list;
}

static int read_common(const X509_NAME *subject, json_t **ret, struct err *err) {
        *ret = json_array();
        for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;) {
                unsigned char *data = NULL;
                int len = ASN1_STRING_to_UTF8(
                        &data, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)));
                json_t *text = plain_text(data, len);

                OPENSSL_free(data);
                if (!text)
                        return cert_fail(err, -EBADMSG, "a common name of it is no text");
                json_array_append_new(*ret, text);
        }
        return 0;
}

void cert_facts_free(struct cert_facts *f) {
        json_decref(take_ptr(f->names));
        json_decref(take_ptr(f->common));
}

int cert_read(const char *pem, struct cert_facts *ret, struct err *err) {
        cleanup_(cert_x509_free) X509 *x = NULL;
        GENERAL_NAMES *names;
        BIGNUM *serial;
        char *hex;
        int r = cert_parse(pem, &x, err);

        if (r < 0)
                return r;
        *ret = (struct cert_facts){ .from = wall_of(X509_get0_notBefore(x)),
                                    .until = wall_of(X509_get0_notAfter(x)),
                                    .authority = X509_check_ca(x) == 1 };
        write_name(X509_get_subject_name(x), ret->subject);
        write_name(X509_get_issuer_name(x), ret->issuer);
        ret->self_signed = X509_self_signed(x, 1) == 1;
        serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
        hex = BN_bn2hex(serial);
        str_copy(ret->serial, sizeof(ret->serial), hex);
        OPENSSL_free(hex);
        BN_free(serial);
        names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
        ret->names = names_list(names);
        GENERAL_NAMES_free(names);
        return 0;
}

int cert_read_request(const char *pem, struct cert_facts *ret, struct err *err) {
        cleanup_(cert_req_free) X509_REQ *request = NULL;
        STACK_OF(X509_EXTENSION) * extensions;
        GENERAL_NAMES *names;
        BASIC_CONSTRAINTS *basic;
        int r = cert_parse_request(pem, &request, err), found;
        bool readable;

        if (r < 0)
                return r;
        *ret = (struct cert_facts){ .self_signed = true };
        write_name(X509_REQ_get_subject_name(request), ret->subject);
        extensions = X509_REQ_get_extensions(request);
        names = X509V3_get_d2i(extensions, NID_subject_alt_name, &found, NULL);
        basic = X509V3_get_d2i(extensions, NID_basic_constraints, NULL, NULL);
        readable = names || found == NAMES_NONE;
        ret->names = names_list(names);
        ret->authority = basic && basic->ca;
        GENERAL_NAMES_free(names);
        BASIC_CONSTRAINTS_free(basic);
        sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
        if (!readable)
                return cert_fail(err, -EBADMSG, "the names of the request cannot be read");
        return read_common(X509_REQ_get_subject_name(request), &ret->common, err);
}

int cert_check_key(const char *pem, const struct secret_text *key, struct err *err) {
        cleanup_(cert_x509_free) X509 *x = NULL;
        cleanup_(cert_pkey_free) EVP_PKEY *own = NULL;
        int r = cert_parse(pem, &x, err);

        if (r >= 0)
                r = cert_key_read(key, &own, err);
        if (r >= 0 && X509_check_private_key(x, own) != 1)
                r = cert_fail(err, -EKEYREJECTED, "the certificate is of another key");
        return r < 0 ? r : 0;
}

int cert_check_chain(const char *pem, size_t *ret_end, struct err *err) {
        const char *at = strstr(pem, CERTIFICATE_HEAD), *next;
        cleanup_(cert_x509_free) X509 *x = NULL;
        int r = at ? cert_parse(at, &x, err)
                   : err_set(err, -EBADMSG, "this is no certificate in PEM");

        if (r < 0)
                return r;
        while ((next = strstr(at + 1, CERTIFICATE_HEAD))) {
                cleanup_(cert_x509_free) X509 *above = NULL;
                X509 *below = x;

                r = cert_parse(next, &above, err);
                if (r < 0)
                        return r;
                if (X509_check_issued(above, below) != X509_V_OK ||
                    X509_verify(below, X509_get0_pubkey(above)) != 1)
                        return cert_fail(err, -EBADMSG,
                                         "the certificates are no chain: each must be signed by "
                                         "the one after it");
                X509_free(below);
                x = take_ptr(above);
                at = next;
        }
        *ret_end = (size_t)(at - pem);
        return 0;
}
