/* SPDX-License-Identifier: Apache-2.0 */
/* metrics-files.c - reads and checks the files of the metrics' listener; see metrics-files.h
 *
 * GnuTLS reads them here once as the server will, so that a mistake is told in words, and a reload
 * with one leaves the listener as it was. */
#include "metrics-files.h"

#include "buf.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void metrics_files_deinit(struct metrics_files *f) {
        wipep(&f->key);
        free(f->certificate);
        free(f->client_ca);
        *f = (struct metrics_files){ 0 };
}

/* SECRET: others may not read it. */
static int read_file(const char *path, bool secret, char **ret, struct err *err) {
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct buf text = BUF_INIT;
        struct stat st;
        char part[4096];
        ssize_t n = 0;

        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return err_set(err, -EINVAL, "%s is no regular file", path);
        if (secret && (st.st_mode & S_IRWXO))
                return err_set(err, -EACCES, "%s is open to all users: chmod o= %s", path, path);
        while (text.len <= METRICS_FILE_MAX && (n = read(fd, part, sizeof(part))) > 0)
                buf_add(&text, part, (size_t)n);
        explicit_bzero(part, sizeof(part));
        if (n != 0) {
                buf_wipe(&text);
                return n < 0 ? err_set(err, -EIO, "%s cannot be read", path)
                             : err_set(err, -E2BIG, "%s is larger than %u bytes", path,
                                       METRICS_FILE_MAX);
        }
        *ret = buf_take(&text);
        return 0;
}

/* ---- the token */

static int read_token(const char *path, struct metrics_files *f, struct err *err) {
        char *text = NULL;
        size_t n;
        int r = read_file(path, true, &text, err);

        if (r < 0)
                return r;
        n = strcspn(text, " \t\r\n");
        if (n < METRICS_TOKEN_MIN)
                r = err_set(err, -EINVAL, "%s: a token has %d characters or more", path,
                            METRICS_TOKEN_MIN);
        else if (text[n + strspn(text + n, " \t\r\n")])
                r = err_set(err, -EINVAL, "%s holds more than one word", path);
        digest_sha256(text, n, f->token);
        f->token_valid = r == 0;
        wipep(&text);
        return r;
}

bool metrics_files_admit(const struct metrics_files *f, const char *value) {
        static const char scheme[] = "Bearer ";
        uint8_t hash[DIGEST_SIZE], differs = 0;

        if (!f->token_valid || !value || strncasecmp(value, scheme, strlen(scheme)) != 0)
                return false;
        value += strlen(scheme);
        digest_sha256(value, strlen(value), hash);
        for (size_t i = 0; i < DIGEST_SIZE; i++) /* in the same time, wherever they differ */
                differs |= hash[i] ^ f->token[i];
        return differs == 0;
}

/* ---- certificates */

static gnutls_datum_t datum(const char *text) {
        return (gnutls_datum_t){ (unsigned char *)text, (unsigned)strlen(text) };
}

static int check_pair(const struct metrics_paths *p, const struct metrics_files *f,
                      gnutls_certificate_credentials_t credentials, struct err *err) {
        gnutls_datum_t certificate = datum(f->certificate), key = datum(f->key);
        int r = gnutls_certificate_set_x509_key_mem(credentials, &certificate, &key,
                                                    GNUTLS_X509_FMT_PEM);

        return r < 0 ? err_set(err, -EINVAL, "%s with %s: %s", p->certificate, p->key,
                               gnutls_strerror(r))
                     : 0;
}

static int check_ca(const struct metrics_paths *p, const struct metrics_files *f,
                    gnutls_certificate_credentials_t credentials, struct err *err) {
        gnutls_datum_t ca = datum(f->client_ca);
        int r = gnutls_certificate_set_x509_trust_mem(credentials, &ca, GNUTLS_X509_FMT_PEM);

        return r <= 0 ? err_set(err, -EINVAL, "%s: %s", p->client_ca,
                                r < 0 ? gnutls_strerror(r) : "no certificate in it")
                      : 0;
}

static int read_expiry(struct metrics_files *f) {
        gnutls_datum_t text = datum(f->certificate);
        gnutls_x509_crt_t certificate;
        int r = gnutls_x509_crt_init(&certificate);

        if (r < 0)
                return r;
        r = gnutls_x509_crt_import(certificate, &text, GNUTLS_X509_FMT_PEM);
        if (r >= 0)
                f->expires = (int64_t)gnutls_x509_crt_get_expiration_time(certificate);
        gnutls_x509_crt_deinit(certificate);
        return r;
}

static int check_certificates(const struct metrics_paths *p, struct metrics_files *f,
                              struct err *err) {
        gnutls_certificate_credentials_t credentials;
        int r = gnutls_certificate_allocate_credentials(&credentials);

        if (r < 0)
                return err_set(err, -EIO, "TLS: %s", gnutls_strerror(r));
        r = check_pair(p, f, credentials, err);
        if (r == 0 && f->client_ca)
                r = check_ca(p, f, credentials, err);
        gnutls_certificate_free_credentials(credentials);
        if (r == 0 && read_expiry(f) < 0)
                r = err_set(err, -EINVAL, "%s: its first certificate cannot be read",
                            p->certificate);
        return r;
}

/* ---- all of it */

static int check_paths(const struct metrics_paths *p, bool loopback, struct err *err) {
        if (!p->certificate != !p->key)
                return err_set(err, -EINVAL,
                               "metrics-certificate and metrics-key belong together: one is "
                               "missing");
        if (!p->certificate && p->client_ca)
                return err_set(err, -EINVAL,
                               "metrics-client-ca needs TLS: metrics-certificate, metrics-key");
        if (!p->certificate && !loopback)
                return err_set(err, -EINVAL,
                               "metrics-address is no loopback address: metrics-certificate and "
                               "metrics-key are needed");
        if (!p->token && !p->client_ca)
                return err_set(err, -EINVAL,
                               "metrics-address lets nobody in: metrics-token-file or "
                               "metrics-client-ca is needed");
        return 0;
}

int metrics_files_read(const struct metrics_paths *p, bool loopback, struct metrics_files *ret,
                       struct err *err) {
        cleanup_(metrics_files_deinit) struct metrics_files f = { 0 };
        int r = check_paths(p, loopback, err);

        if (r >= 0 && p->token)
                r = read_token(p->token, &f, err);
        if (r >= 0 && p->certificate)
                r = read_file(p->certificate, false, &f.certificate, err);
        if (r >= 0 && p->key)
                r = read_file(p->key, true, &f.key, err);
        if (r >= 0 && p->client_ca)
                r = read_file(p->client_ca, false, &f.client_ca, err);
        if (r >= 0 && f.certificate)
                r = check_certificates(p, &f, err);
        if (r < 0)
                return r;
        *ret = f;
        f = (struct metrics_files){ 0 };
        return 0;
}
