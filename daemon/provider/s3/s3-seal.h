/* SPDX-License-Identifier: Apache-2.0 */
/* s3-seal.h - the encrypted body that MinIO's admin API wants around a new user's secret key */
#pragma once

#include "buf.h"

#define S3_SEAL_SALT 32
#define S3_SEAL_NONCE 8
#define S3_SEAL_TEXT_MAX 16384 /* one fragment of the format; a user's body has 100 bytes */

#define S3_SEAL_KEY 32

struct s3_seal_key {
        uint8_t salt[S3_SEAL_SALT], key[S3_SEAL_KEY];
};
/* Takes 5 to 15 ms: not on the loop. The salt is the caller's. */
void s3_seal_derive(const char *secret_key, struct s3_seal_key *k);
/* Appends salt, kind, nonce, ciphertext and tag. A nonce is used once with a key. */
void s3_seal(const struct s3_seal_key *k, const uint8_t nonce[S3_SEAL_NONCE], const char *text,
             struct buf *out);
