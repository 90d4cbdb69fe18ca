/* SPDX-License-Identifier: Apache-2.0 */
/* cert.c - makes keys, certificates and requests; cert-read.c reads them; see cert.h */
#include "cert-internal.h"

#include "digest.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#define RSA_BITS 2048
#define SERIAL_SIZE 16
#define COMMON_NAME_MAX 64

int cert_fail(struct err *err, int code, const char *what) {
        unsigned long e = ERR_peek_last_error();
        const char *reason = e ? ERR_reason_error_string(e) : NULL;

        ERR_clear_error();
        return err_set(err, code, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
}

/* ---- keys */

int cert_key_make(enum cert_key kind, struct secret_text *ret, struct err *err) {
        cleanup_(cert_pkey_free) EVP_PKEY *key =
                kind == CERT_KEY_RSA ? EVP_RSA_gen(RSA_BITS) : EVP_EC_gen("P-256");
        BIO *bio = key ? BIO_new(BIO_s_mem()) : NULL;
        char *data;
        long len;
        int r = 0;

        if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
                r = cert_fail(err, -EIO, "no key could be made");
        } else {
                len = BIO_get_mem_data(bio, &data);
                secret_text_set(ret, data, (size_t)len);
                explicit_bzero(data, (size_t)len);
        }
        BIO_free(bio);
        return r;
}

int cert_key_read(const struct secret_text *text, EVP_PKEY **ret, struct err *err) {
        BIO *bio = BIO_new_mem_buf(text->data, (int)text->len);

        *ret = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        BIO_free(bio);
        return *ret ? 0 : cert_fail(err, -EBADMSG, "this is no private key");
}

/* ---- names */

static GENERAL_NAME *name_of(const char *text) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *dns;

        if (cert_is_address(text)) {
                GENERAL_NAME_set0_value(name, GEN_IPADD, a2i_IPADDRESS(text));
        } else {
                dns = ASN1_IA5STRING_new();
                ASN1_STRING_set(dns, text, -1);
                GENERAL_NAME_set0_value(name, GEN_DNS, dns);
        }
        return name;
}

static X509_EXTENSION *names_of(const json_t *list, struct err *err) {
        GENERAL_NAMES *names = GENERAL_NAMES_new();
        X509_EXTENSION *extension = NULL;
        size_t i;
        json_t *j;
        int r = json_array_size(list) > CERT_NAMES_MAX
                        ? err_set(err, -E2BIG, "more than %d names", CERT_NAMES_MAX)
                        : 0;

        json_array_foreach((json_t *)list, i, j) {
                if (r >= 0)
                        r = cert_check_name(json_string_value(j), err);
                if (r >= 0)
                        sk_GENERAL_NAME_push(names, name_of(json_string_value(j)));
        }
        if (r >= 0)
                extension = X509V3_EXT_i2d(NID_subject_alt_name, 0, names);
        GENERAL_NAMES_free(names);
        return extension;
}

static int set_common_name(X509_NAME *name, const char *text, struct err *err) {
        cleanup_(freep) char *cut = NULL;

        /* Who checks names reads the alternative ones; this one is for people. */
        if (text && strlen(text) > COMMON_NAME_MAX)
                text = cut = str_ndup(text, COMMON_NAME_MAX);
        if (!text || X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                                (const unsigned char *)text, -1, -1, 0) != 1)
                return cert_fail(err, -EINVAL, "the subject");
        return 0;
}

static int set_subject(X509_NAME *name, const json_t *parts, struct err *err) {
        const char *part;
        json_t *text;

        json_object_foreach((json_t *)parts, part, text)
                if (X509_NAME_add_entry_by_txt(name, part, MBSTRING_UTF8,
                                               (const unsigned char *)json_string_value(text), -1,
                                               -1, 0) != 1)
                        return cert_fail(err, -EINVAL, part);
        return 0;
}

/* ---- certificates */

static int add(X509 *x, X509 *by, int nid, const char *value, struct err *err) {
        X509_EXTENSION *extension;
        X509V3_CTX context;
        int ok;

        X509V3_set_ctx(&context, by, x, NULL, NULL, 0);
        extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
        ok = extension && X509_add_ext(x, extension, -1);
        X509_EXTENSION_free(extension);
        return ok ? 0 : cert_fail(err, -EIO, value);
}

static const char *use_text(unsigned use) {
        if (use == CERT_CLIENT)
                return "clientAuth";
        return use == CERT_SERVER ? "serverAuth" : "serverAuth,clientAuth";
}

static int add_uses(X509 *x, X509 *by, const struct cert_wish *w, struct err *err) {
        bool rsa = EVP_PKEY_is_a(X509_get0_pubkey(x), "RSA");
        int r = add(x, by, NID_basic_constraints,
                    w->authority ? "critical,CA:TRUE" : "critical,CA:FALSE", err);

        if (r >= 0)
                r = add(x, by, NID_key_usage,
                        w->authority ? "critical,keyCertSign,cRLSign"
                        : rsa        ? "critical,digitalSignature,keyEncipherment"
                                     : "critical,digitalSignature",
                        err);
        if (r >= 0 && !w->authority)
                r = add(x, by, NID_ext_key_usage, use_text(w->use), err);
        if (r >= 0)
                r = add(x, by, NID_subject_key_identifier, "hash", err);
        return r < 0 ? r : add(x, by, NID_authority_key_identifier, "keyid:always", err);
}

static void set_serial(X509 *x) {
        unsigned char bytes[SERIAL_SIZE];
        BIGNUM *number;

        digest_random(bytes, sizeof(bytes));
        bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and always as long */
        number = BN_bin2bn(bytes, sizeof(bytes), NULL);
        BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
        BN_free(number);
}

/* Of X, which has its subject, its key and its names. */
static int finish(X509 *x, const struct cert_wish *w, X509 *by, EVP_PKEY *key, struct buf *ret,
                  struct err *err) {
        BIO *bio;
        char *data;
        long len;
        int r;

        X509_set_version(x, X509_VERSION_3);
        set_serial(x);
        ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(w->from / 1000));
        ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(w->until / 1000));
        X509_set_issuer_name(x, X509_get_subject_name(by));
        r = add_uses(x, by, w, err);
        if (r < 0)
                return r;
        if (!X509_sign(x, key, EVP_sha256()))
                return cert_fail(err, -EIO, "the certificate could not be signed");
        bio = BIO_new(BIO_s_mem());
        PEM_write_bio_X509(bio, x);
        len = BIO_get_mem_data(bio, &data);
        buf_add(ret, data, (size_t)len);
        BIO_free(bio);
        return 0;
}

struct signer {
        X509 *by;
        EVP_PKEY *key;
};

static void signer_free(struct signer *s) {
        X509_free(s->by);
        EVP_PKEY_free(s->key);
}

static int signer_read(const struct cert_issuer *by, struct signer *ret, struct err *err) {
        int r = cert_parse(by->pem, &ret->by, err);

        return r < 0 ? r : cert_key_read(by->key, &ret->key, err);
}

static int add_names(X509 *x, const json_t *list, struct err *err) {
        X509_EXTENSION *names;

        if (!json_array_size(list))
                return 0;
        names = names_of(list, err);
        if (!names)
                return -EINVAL;
        X509_add_ext(x, names, -1);
        X509_EXTENSION_free(names);
        return 0;
}

int cert_issue(const struct cert_wish *w, const struct secret_text *key,
               const struct cert_issuer *by, struct buf *ret, struct err *err) {
        cleanup_(signer_free) struct signer signer = { NULL, NULL };
        cleanup_(cert_x509_free) X509 *x = X509_new();
        cleanup_(cert_pkey_free) EVP_PKEY *own = NULL;
        int r = cert_key_read(key, &own, err);

        if (r >= 0 && by)
                r = signer_read(by, &signer, err);
        if (r >= 0)
                r = set_common_name(X509_get_subject_name(x), w->common_name, err);
        if (r >= 0)
                r = set_subject(X509_get_subject_name(x), w->subject, err);
        if (r >= 0)
                r = add_names(x, w->names, err);
        if (r < 0)
                return r;
        X509_set_pubkey(x, own);
        return finish(x, w, by ? signer.by : x, by ? signer.key : own, ret, err);
}

/* ---- requests */

int cert_request(const struct cert_wish *w, const struct secret_text *key, struct buf *ret,
                 struct err *err) {
        cleanup_(cert_req_free) X509_REQ *request = X509_REQ_new();
        cleanup_(cert_pkey_free) EVP_PKEY *own = NULL;
        STACK_OF(X509_EXTENSION) * extensions;
        X509_EXTENSION *names = NULL;
        BIO *bio;
        char *data;
        long len;
        int r = cert_key_read(key, &own, err);

        if (r >= 0)
                r = set_common_name(X509_REQ_get_subject_name(request), w->common_name, err);
        if (r >= 0 && json_array_size(w->names)) {
                names = names_of(w->names, err);
                r = names ? 0 : -EINVAL;
        }
        if (r < 0)
                return r;
        extensions = sk_X509_EXTENSION_new_null();
        sk_X509_EXTENSION_push(extensions,
                               X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
                                                   w->authority ? "critical,CA:TRUE" : "CA:FALSE"));
        if (names)
                sk_X509_EXTENSION_push(extensions, names);
        X509_REQ_add_extensions(request, extensions);
        sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
        X509_REQ_set_pubkey(request, own);
        if (!X509_REQ_sign(request, own, EVP_sha256()))
                return cert_fail(err, -EIO, "the request could not be signed");
        bio = BIO_new(BIO_s_mem());
        PEM_write_bio_X509_REQ(bio, request);
        len = BIO_get_mem_data(bio, &data);
        buf_add(ret, data, (size_t)len);
        BIO_free(bio);
        return 0;
}

int cert_issue_requested(const struct cert_wish *w, const char *request,
                         const struct cert_issuer *by, struct buf *ret, struct err *err) {
        cleanup_(signer_free) struct signer signer = { NULL, NULL };
        cleanup_(cert_req_free) X509_REQ *req = NULL;
        cleanup_(cert_x509_free) X509 *x = X509_new();
        int r = cert_parse_request(request, &req, err);

        if (r >= 0)
                r = signer_read(by, &signer, err);
        if (r >= 0)
                r = add_names(x, w->names, err);
        if (r < 0)
                return r;
        X509_set_subject_name(x, X509_REQ_get_subject_name(req));
        X509_set_pubkey(x, X509_REQ_get0_pubkey(req));
        return finish(x, w, signer.by, signer.key, ret, err);
}
