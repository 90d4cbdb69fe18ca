/* SPDX-License-Identifier: Apache-2.0 */
/* quick-key.c - what takes a key from a passphrase, without the quarter of a second (ten times that
 * with sanitizers): linked with --wrap=PKCS5_PBKDF2_HMAC. What is stored says the full number. */
#include "base.h"

#include <openssl/evp.h>

#define ITERATIONS 1000

int __real_PKCS5_PBKDF2_HMAC(const char *pass, int passlen, const unsigned char *salt, int saltlen,
                             int iter, const EVP_MD *digest, int keylen, unsigned char *out);
int __wrap_PKCS5_PBKDF2_HMAC(const char *pass, int passlen, const unsigned char *salt, int saltlen,
                             int iter, const EVP_MD *digest, int keylen, unsigned char *out);

int __wrap_PKCS5_PBKDF2_HMAC(const char *pass, int passlen, const unsigned char *salt, int saltlen,
                             int iter, const EVP_MD *digest, int keylen, unsigned char *out) {
        return __real_PKCS5_PBKDF2_HMAC(pass, passlen, salt, saltlen, MIN_OF(iter, ITERATIONS),
                                        digest, keylen, out);
}
