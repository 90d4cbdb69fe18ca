/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig.c - see kubeconfig.h */
#include "kubeconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#define VALID_SECONDS (30L * 24 * 3600) /* a test cluster lives for hours */

static int write_all(int fd, const char *text) {
        for (size_t at = 0, n = strlen(text); at < n;) {
                ssize_t w = write(fd, text + at, n - at);

                if (w < 0)
                        return -errno;
                at += (size_t)w;
        }
        return 0;
}

int kubeconfig_write_file(const char *path, const char *text, unsigned mode, struct err *err) {
        cleanup_(freep) char *part = str_format("%s.part", path);
        cleanup_(closep) int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
        int r;

        if (fd < 0)
                return err_set(err, -errno, "cannot write %s: %s", path, strerror(errno));
        r = write_all(fd, text);
        if (r == 0 && rename(part, path))
                r = -errno;
        return r < 0 ? err_set(err, r, "cannot write %s: %s", path, strerror(-r)) : 0;
}

static char *base64(const char *text) {
        size_t n = strlen(text);
        char *out = mem_alloc(n / 3 * 4 + 8);

        EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)text, (int)n);
        return out;
}

int kubeconfig_write(const struct sim *sim, const char *path, struct err *err) {
        const struct sim_options *o = &sim->options;
        cleanup_(freep) char *ca = o->certificate ? base64(o->certificate) : NULL;
        cleanup_(buf_free) struct buf out = BUF_INIT;

        buf_printf(
                &out,
                "apiVersion: v1\nkind: Config\ncurrent-context: sim\npreferences: {}\nclusters:\n"
                "- name: sim\n  cluster:\n    server: %s://%s\n",
                ca ? "https" : "http", sim->address);
        if (ca)
                buf_printf(&out, "    certificate-authority-data: %s\n", ca);
        buf_puts(&out, "contexts:\n- name: sim\n  context:\n    cluster: sim\n    user: sim\n"
                       "users:\n- name: sim\n");
        if (*o->token)
                buf_printf(&out, "  user:\n    token: %s\n", o->token);
        else
                buf_puts(&out, "  user: {}\n");
        return kubeconfig_write_file(path, buf_str(&out), 0600, err);
}

/* --- certificate */

static void key_freep(EVP_PKEY **k) {
        EVP_PKEY_free(*k);
}

static void certificate_freep(X509 **c) {
        X509_free(*c);
}

static char *take_pem(BIO *bio) {
        char *data;
        long n = BIO_get_mem_data(bio, &data);
        char *text = str_ndup(data, (size_t)n);

        BIO_free(bio);
        return text;
}

static bool add_extension(X509 *c, int nid, const char *value) {
        X509_EXTENSION *e;
        X509V3_CTX context;
        bool ok;

        X509V3_set_ctx_nodb(&context);
        X509V3_set_ctx(&context, c, c, NULL, NULL, 0);
        e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
        ok = e && X509_add_ext(c, e, -1) == 1;
        X509_EXTENSION_free(e);
        return ok;
}

static bool describe(X509 *c, EVP_PKEY *key) {
        X509_NAME *name = X509_get_subject_name(c);

        X509_set_version(c, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
        X509_gmtime_adj(X509_getm_notBefore(c), -60);
        X509_gmtime_adj(X509_getm_notAfter(c), VALID_SECONDS);
        X509_set_pubkey(c, key);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"mooring-sim",
                                   -1, -1, 0);
        X509_set_issuer_name(c, name);
        return add_extension(c, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost") &&
               add_extension(c, NID_basic_constraints, "critical,CA:TRUE") &&
               X509_sign(c, key, EVP_sha256()) > 0;
}

int kubeconfig_certificate(char **ret_certificate, char **ret_key, struct err *err) {
        cleanup_(key_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
        cleanup_(certificate_freep) X509 *certificate = X509_new();
        BIO *out;

        if (!key || !certificate || !describe(certificate, key))
                return err_set(err, -EIO, "cannot make a certificate");
        out = BIO_new(BIO_s_mem());
        PEM_write_bio_X509(out, certificate);
        *ret_certificate = take_pem(out);
        out = BIO_new(BIO_s_mem());
        PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
        *ret_key = take_pem(out);
        return 0;
}
