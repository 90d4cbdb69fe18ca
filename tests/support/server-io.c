/* SPDX-License-Identifier: Apache-2.0 */
/* server-io.c - bytes of the test server's connections, plain or TLS */
#include "server-internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t server_io_read(struct server_connection *c, void *data, size_t size) {
        ssize_t n;

        if (c->ssl) {
                n = SSL_read(c->ssl, data, (int)size);
                ERR_clear_error();
                return MAX_OF(n, 0);
        }
        do
                n = recv(c->fd, data, size, 0);
        while (n < 0 && errno == EINTR);
        return MAX_OF(n, 0);
}

bool server_io_write(struct server_connection *c, const void *data, size_t len) {
        const char *p = data;

        if (c->mute)
                return true;
        while (len) {
                ssize_t n;

                if (c->ssl) {
                        n = SSL_write(c->ssl, p, (int)len);
                        ERR_clear_error();
                } else {
                        n = send(c->fd, p, len, MSG_NOSIGNAL);
                }
                if (n < 0 && !c->ssl && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                p += n;
                len -= (size_t)n;
        }
        return true;
}

bool server_io_fill(struct server_connection *c) {
        char piece[16384];
        ssize_t n = server_io_read(c, piece, sizeof(piece));

        if (n > 0)
                buf_add(&c->in, piece, (size_t)n);
        return n > 0;
}

static X509 *read_cert(const char *pem) {
        BIO *b = BIO_new_mem_buf(pem, -1);
        X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);

        BIO_free(b);
        if (!x)
                abort();
        return x;
}

SSL_CTX *server_io_tls(const struct server_config *c) {
        SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
        BIO *b = BIO_new_mem_buf(c->key_pem, -1);
        EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
        X509 *cert = read_cert(c->cert_pem);

        if (SSL_CTX_use_certificate(ctx, cert) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1)
                abort();
        if (c->client_ca_pem) {
                X509 *ca = read_cert(c->client_ca_pem);

                X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca);
                X509_free(ca);
                SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        }
        SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"test", 4);
        X509_free(cert);
        EVP_PKEY_free(key);
        BIO_free(b);
        return ctx;
}
