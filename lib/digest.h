/* SPDX-License-Identifier: Apache-2.0 */
/* digest.h - SHA-256, HMAC, hex and base64, over OpenSSL */
#pragma once

#include "buf.h"
#include "err.h"

#define DIGEST_SIZE 32
#define DIGEST_HEX_SIZE 65 /* with NUL */

void digest_sha256(const void *data, size_t len, uint8_t ret[DIGEST_SIZE]);
/* The same piece by piece. */
struct digest_stream {
        uint64_t private[16];
};
void digest_start(struct digest_stream *s);
void digest_add(struct digest_stream *s, const void *data, size_t len);
void digest_end(struct digest_stream *s, uint8_t ret[DIGEST_SIZE]);
void digest_hmac(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t ret[DIGEST_SIZE]);
/* Lower-case hex with NUL; RET holds 2*LEN+1. Returns RET. */
const char *digest_hex(const uint8_t *data, size_t len, char *ret);
/* Of the SHA-256 of DATA. Returns RET. */
const char *digest_sha256_hex(const void *data, size_t len, char ret[DIGEST_HEX_SIZE]);
bool digest_unhex(const char *hex, uint8_t *ret, size_t len); /* exactly LEN bytes */
void digest_base64(const void *data, size_t len, struct buf *out);
/* -EBADMSG: not base64. Blanks and newlines are skipped. */
int digest_unbase64(const char *text, size_t len, struct buf *out, struct err *err);
/* One letter of ALPHABET for each of the first LEN bytes (at most all) of DIGEST, and a NUL. */
#define DIGEST_BASE32 "abcdefghijklmnopqrstuvwxyz234567"
#define DIGEST_READABLE "bcdfghjkmnpqrstvwxz23456789" /* no words; nothing that looks alike */
void digest_text(const uint8_t digest[DIGEST_SIZE], const char *alphabet, size_t len, char *ret);
/* Random bytes from the kernel; aborts when there are none. */
void digest_random(void *ret, size_t len);
/* LEN characters of ALPHABET (at most 256), each equally likely, and a NUL. */
void digest_random_text(const char *alphabet, size_t len, char *ret);
