/* SPDX-License-Identifier: Apache-2.0 */
/* stream-seal.c - see stream-seal.h
 *
 * A chunk is worked on when it is known whether another follows: one whole chunk is held back. */
#include "stream-seal.h"

#include "digest.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define MAGIC "mooring sealed 1"
#define MAGIC_SIZE 16
#define TAG 16
#define NONCE 12
#define SALT_AT (MAGIC_SIZE + 12)
#define SALT 32
/* A head that asks for more work than this is an attack, or broken. */
#define ITERATIONS_MAX 10000000

struct stream_seal {
        bool opens, begun;
        uint8_t *key;
        size_t key_len;
        uint8_t head[STREAM_SEAL_HEAD];
        EVP_CIPHER_CTX *cipher;
        uint64_t number;
        struct buf held; /* not yet worked on: less than a chunk and what follows it */
};

static void put32(uint8_t *to, uint32_t value) {
        for (int i = 0; i < 4; i++)
                to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get32(const uint8_t *from) {
        return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static struct stream_seal *seal_new(const void *key, size_t len, bool opens) {
        struct stream_seal *s = mem_new(struct stream_seal);

        s->opens = opens;
        s->key = mem_dup(key, len);
        s->key_len = len;
        s->cipher = EVP_CIPHER_CTX_new();
        assert(s->cipher);
        return s;
}

struct stream_seal *stream_seal_new(const void *key, size_t len, uint8_t flags) {
        struct stream_seal *s = seal_new(key, len, false);

        memcpy(s->head, MAGIC, MAGIC_SIZE);
        s->head[MAGIC_SIZE] = flags;
        put32(s->head + MAGIC_SIZE + 4, STREAM_SEAL_ITERATIONS);
        put32(s->head + MAGIC_SIZE + 8, STREAM_SEAL_CHUNK);
        digest_random(s->head + SALT_AT, SALT);
        return s;
}

struct stream_seal *stream_seal_opener(const void *key, size_t len) {
        return seal_new(key, len, true);
}

struct stream_seal *stream_seal_free(struct stream_seal *s) {
        if (!s)
                return NULL;
        OPENSSL_cleanse(s->key, s->key_len);
        free(s->key);
        EVP_CIPHER_CTX_free(s->cipher);
        buf_wipe(&s->held);
        free(s);
        return NULL;
}

uint8_t stream_seal_flags(const struct stream_seal *s) {
        return s->head[MAGIC_SIZE];
}

static void begin_cipher(struct stream_seal *s) {
        uint8_t key[32];
        int ok = PKCS5_PBKDF2_HMAC((const char *)s->key, (int)s->key_len, s->head + SALT_AT, SALT,
                                   (int)get32(s->head + MAGIC_SIZE + 4), EVP_sha256(), sizeof(key),
                                   key);

        ok &= EVP_CipherInit_ex(s->cipher, EVP_aes_256_gcm(), NULL, key, NULL, !s->opens);
        assert(ok == 1);
        OPENSSL_cleanse(key, sizeof(key));
        s->begun = true;
}

/* ---- one chunk */

static void begin_chunk(struct stream_seal *s, bool last) {
        uint8_t nonce[NONCE] = { 0 };
        int n, ok;

        for (int i = 0; i < 8; i++)
                nonce[i] = (uint8_t)(s->number >> (56 - 8 * i));
        nonce[NONCE - 1] = last;
        s->number++;
        ok = EVP_CipherInit_ex(s->cipher, NULL, NULL, NULL, nonce, -1);
        ok &= EVP_CipherUpdate(s->cipher, NULL, &n, s->head, STREAM_SEAL_HEAD);
        assert(ok == 1);
}

static void seal_chunk(struct stream_seal *s, const char *data, size_t len, bool last,
                       struct buf *out) {
        int n = 0, ok;

        begin_chunk(s, last);
        buf_reserve(out, len + TAG);
        ok = EVP_CipherUpdate(s->cipher, (uint8_t *)out->data + out->len, &n, (const uint8_t *)data,
                              (int)len);
        ok &= EVP_CipherFinal_ex(s->cipher, (uint8_t *)out->data + out->len + len, &n);
        ok &= EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_GCM_GET_TAG, TAG, out->data + out->len + len);
        assert(ok == 1);
        out->len += len + TAG;
        out->data[out->len] = '\0';
}

static int open_chunk(struct stream_seal *s, char *data, size_t len, bool last, struct buf *out,
                      struct err *err) {
        uint8_t tail[TAG];
        int n = 0, ok;

        if (len < TAG)
                return err_set(err, -EBADMSG, "what is sealed is cut off");
        len -= TAG;
        begin_chunk(s, last);
        buf_reserve(out, len);
        ok = EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_GCM_SET_TAG, TAG, data + len);
        ok &= EVP_CipherUpdate(s->cipher, (uint8_t *)out->data + out->len, &n, (uint8_t *)data,
                               (int)len);
        if (ok != 1 || EVP_CipherFinal_ex(s->cipher, tail, &n) != 1)
                return err_set(err, -EBADMSG,
                               s->number == 1 ? "the key is not the one that it was sealed with, "
                                                "or it was changed or cut off"
                               : last ? "what is sealed is cut off, or was changed at its end"
                                      : "what is sealed was changed");
        out->len += len;
        out->data[out->len] = '\0';
        return 0;
}

/* ---- all of them */

/* The opener has its head, whole. */
static int read_head(struct stream_seal *s, struct err *err) {
        const uint8_t *head = (const uint8_t *)s->held.data;

        if (memcmp(head, MAGIC, MAGIC_SIZE) != 0)
                return err_set(err, -EBADMSG, "this was not sealed by Mooring");
        if (get32(head + MAGIC_SIZE + 8) != STREAM_SEAL_CHUNK || !get32(head + MAGIC_SIZE + 4) ||
            get32(head + MAGIC_SIZE + 4) > ITERATIONS_MAX)
                return err_set(err, -EBADMSG, "the head of what is sealed is broken");
        memcpy(s->head, head, STREAM_SEAL_HEAD);
        buf_skip(&s->held, STREAM_SEAL_HEAD);
        begin_cipher(s);
        return 0;
}

static int begin(struct stream_seal *s, bool last, struct buf *out, struct err *err) {
        if (!s->opens) {
                begin_cipher(s);
                buf_add(out, s->head, STREAM_SEAL_HEAD);
                return 0;
        }
        if (s->held.len >= STREAM_SEAL_HEAD)
                return read_head(s, err);
        return last ? err_set(err, -EBADMSG, "what is sealed is cut off in its head") : 0;
}

int stream_seal_work(struct stream_seal *s, const void *in, size_t len, bool last, struct buf *out,
                     struct err *err) {
        size_t chunk = STREAM_SEAL_CHUNK + (s->opens ? TAG : 0);
        size_t at = 0;
        int r = 0;

        buf_add(&s->held, in, len);
        if (!s->begun)
                r = begin(s, last, out, err);
        while (r == 0 && s->begun && (s->held.len - at > chunk || last)) {
                size_t n = MIN_OF(s->held.len - at, chunk);
                bool end = s->held.len - at <= chunk;

                if (s->opens)
                        r = open_chunk(s, s->held.data + at, n, end, out, err);
                else
                        seal_chunk(s, s->held.data ? s->held.data + at : "", n, end, out);
                at += n;
                if (end)
                        break;
        }
        buf_skip(&s->held, at);
        return r;
}
