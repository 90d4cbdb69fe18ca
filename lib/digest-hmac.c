/* SPDX-License-Identifier: Apache-2.0 */
/* digest-hmac.c - digest_hmac, see digest.h: apart, because it needs all of libcrypto */
#include "digest.h"

#include <openssl/hmac.h>
#include <stdlib.h>

void digest_hmac(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t ret[DIGEST_SIZE]) {
        unsigned n = DIGEST_SIZE;

        /* OpenSSL reads a NULL key as "the one before". */
        if (!HMAC(EVP_sha256(), key_len ? key : "", (int)key_len, data ? data : "", len, ret, &n))
                abort();
}
