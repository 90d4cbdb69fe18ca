/* SPDX-License-Identifier: Apache-2.0 */
/* s3-seal.c - PBKDF2 and AES-256-GCM, one fragment; see s3-seal.h
 *
 *      salt (32) | 0x02 | nonce (8) | ciphertext | tag (16)
 *
 * The key comes from the administrator's secret key by PBKDF2-HMAC-SHA256, 8192 rounds (0x02
 * says so; the server would also take Argon2). Each fragment's nonce is the stream's and a
 * counter, little-endian, from 1. Counter 0 seals the stream's associated data, of which there
 * is none: its tag, behind 0x80 for "last fragment", is what each fragment is bound to. */
#include "s3-seal.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#define KIND_PBKDF2 0x02
#define ROUNDS 8192
#define TAG 16

static void seal(const uint8_t key[32], const uint8_t nonce[S3_SEAL_NONCE], uint32_t counter,
                 const uint8_t *aad, size_t aad_len, const char *text, size_t len,
                 uint8_t *ret_text, uint8_t ret_tag[TAG]) {
        EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
        uint8_t iv[12];
        int n = 0, ok;

        memcpy(iv, nonce, S3_SEAL_NONCE);
        for (int i = 0; i < 4; i++)
                iv[S3_SEAL_NONCE + i] = (uint8_t)(counter >> (8 * i));
        ok = c && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, iv) == 1;
        if (aad_len)
                ok = ok && EVP_EncryptUpdate(c, NULL, &n, aad, (int)aad_len) == 1;
        if (len)
                ok = ok && EVP_EncryptUpdate(c, ret_text, &n, (const uint8_t *)text, (int)len) == 1;
        ok = ok && EVP_EncryptFinal_ex(c, ret_text, &n) == 1 &&
             EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, ret_tag) == 1;
        assert(ok); /* fixed sizes: only fails without memory */
        EVP_CIPHER_CTX_free(c);
}

void s3_seal_derive(const char *secret_key, struct s3_seal_key *k) {
        int ok = PKCS5_PBKDF2_HMAC(secret_key, (int)strlen(secret_key), k->salt, S3_SEAL_SALT,
                                   ROUNDS, EVP_sha256(), S3_SEAL_KEY, k->key);

        assert(ok == 1);
}

void s3_seal(const struct s3_seal_key *k, const uint8_t nonce[S3_SEAL_NONCE], const char *text,
             struct buf *out) {
        uint8_t aad[1 + TAG] = { 0x80 }, none[1];
        size_t len = strlen(text);

        assert(len <= S3_SEAL_TEXT_MAX);
        seal(k->key, nonce, 0, NULL, 0, NULL, 0, none, aad + 1);
        buf_add(out, k->salt, S3_SEAL_SALT);
        buf_putc(out, KIND_PBKDF2);
        buf_add(out, nonce, S3_SEAL_NONCE);
        buf_reserve(out, len + TAG);
        seal(k->key, nonce, 1, aad, sizeof(aad), text, len, (uint8_t *)out->data + out->len,
             (uint8_t *)out->data + out->len + len);
        out->len += len + TAG;
        out->data[out->len] = '\0';
}
