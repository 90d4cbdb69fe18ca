/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c - SHA-256, HMAC, hex and base64; see digest.h
 *
 * SHA-256 by OpenSSL's own functions of old, which 3.0 calls deprecated: they need no library
 * context, so a charm worker links just them (25 kB, where libcrypto and its start cost 700 kB
 * in each of forty workers), and short texts, which most of ours are, are hashed twice as fast.
 * HMAC is written over them: OpenSSL's own would bring all of libcrypto along, and looks its
 * algorithm up by name at each call, which takes several times what the hashing of a row does.
 *
 * Base64 is written here: OpenSSL's decoder takes padding in the middle and drops what follows,
 * and a value that decodes to something else than its writer meant would be compared, hashed and
 * repaired for ever. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "digest.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/random.h>

#define BLOCK_SIZE 64 /* of SHA-256 */

static const char base64_letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct digest_stream), "room for OpenSSL's state");

static SHA256_CTX *state_of(struct digest_stream *s) {
        return (SHA256_CTX *)(void *)s->private;
}

void digest_start(struct digest_stream *s) {
        SHA256_Init(state_of(s));
}

void digest_add(struct digest_stream *s, const void *data, size_t len) {
        if (len)
                SHA256_Update(state_of(s), data, len);
}

void digest_end(struct digest_stream *s, uint8_t ret[DIGEST_SIZE]) {
        SHA256_Final(ret, state_of(s));
}

void digest_sha256(const void *data, size_t len, uint8_t ret[DIGEST_SIZE]) {
        struct digest_stream s;

        digest_start(&s);
        digest_add(&s, data, len);
        digest_end(&s, ret);
}

/* One of the two passes of RFC 2104. */
static void keyed(const uint8_t key[BLOCK_SIZE], uint8_t pad, const void *data, size_t len,
                  uint8_t ret[DIGEST_SIZE]) {
        struct digest_stream s;
        uint8_t block[BLOCK_SIZE];

        for (size_t i = 0; i < BLOCK_SIZE; i++)
                block[i] = key[i] ^ pad;
        digest_start(&s);
        digest_add(&s, block, BLOCK_SIZE);
        digest_add(&s, data, len);
        digest_end(&s, ret);
        explicit_bzero(block, sizeof(block));
        explicit_bzero(&s, sizeof(s));
}

void digest_hmac(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t ret[DIGEST_SIZE]) {
        uint8_t block[BLOCK_SIZE] = {};
        uint8_t inner[DIGEST_SIZE];

        if (key_len > BLOCK_SIZE)
                digest_sha256(key, key_len, block);
        else if (key_len)
                memcpy(block, key, key_len);
        keyed(block, 0x36, data, len, inner);
        keyed(block, 0x5c, inner, sizeof(inner), ret);
        explicit_bzero(block, sizeof(block));
}

const char *digest_hex(const uint8_t *data, size_t len, char *ret) {
        static const char letters[] = "0123456789abcdef";

        for (size_t i = 0; i < len; i++) {
                ret[2 * i] = letters[data[i] >> 4];
                ret[2 * i + 1] = letters[data[i] & 15];
        }
        ret[2 * len] = '\0';
        return ret;
}

const char *digest_sha256_hex(const void *data, size_t len, char ret[DIGEST_HEX_SIZE]) {
        uint8_t digest[DIGEST_SIZE];

        digest_sha256(data, len, digest);
        return digest_hex(digest, DIGEST_SIZE, ret);
}

void digest_text(const uint8_t digest[DIGEST_SIZE], const char *alphabet, size_t len, char *ret) {
        size_t n = strlen(alphabet);

        for (size_t i = 0; i < len; i++)
                ret[i] = alphabet[digest[i] % n];
        ret[len] = '\0';
}

static int hex_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

bool digest_unhex(const char *hex, uint8_t *ret, size_t len) {
        if (strlen(hex) != 2 * len)
                return false;
        for (size_t i = 0; i < 2 * len; i++)
                if (hex_value(hex[i]) < 0)
                        return false;
        for (size_t i = 0; i < len; i++)
                ret[i] = (uint8_t)(hex_value(hex[2 * i]) << 4 | hex_value(hex[2 * i + 1]));
        return true;
}

void digest_base64(const void *data, size_t len, struct buf *out) {
        const uint8_t *p = data;

        buf_reserve(out, (len + 2) / 3 * 4);
        for (size_t i = 0; i < len; i += 3) {
                size_t left = len - i;
                uint32_t bits = (uint32_t)p[i] << 16;
                char four[4];

                if (left > 1)
                        bits |= (uint32_t)p[i + 1] << 8;
                if (left > 2)
                        bits |= p[i + 2];
                four[0] = base64_letters[bits >> 18];
                four[1] = base64_letters[bits >> 12 & 63];
                four[2] = left > 1 ? base64_letters[bits >> 6 & 63] : '=';
                four[3] = left > 2 ? base64_letters[bits & 63] : '=';
                buf_add(out, four, sizeof(four));
        }
}

static int base64_value(char c) {
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        if (c == '+')
                return 62;
        return c == '/' ? 63 : -1;
}

static void put_group(struct buf *out, uint32_t bits, size_t letters) {
        uint8_t three[3] = { (uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits };

        buf_add(out, three, letters - 1);
}

/* Takes one letter in. *COUNT letters of the group are in *BITS; *PADS were seen. */
static bool take_letter(char c, uint32_t *bits, size_t *count, size_t *pads) {
        int value = base64_value(c);

        if (c == '=') {
                /* Padding completes a group that has two letters at least. */
                (*pads)++;
                return *count >= 2 && *count + *pads <= 4;
        }
        if (value < 0 || *pads)
                return false;
        *bits |= (uint32_t)value << (18 - 6 * *count);
        (*count)++;
        return true;
}

int digest_unbase64(const char *text, size_t len, struct buf *out, struct err *err) {
        size_t before = out->len;
        uint32_t bits = 0;
        size_t count = 0;
        size_t pads = 0;

        for (size_t i = 0; i < len; i++) {
                if (memchr(" \t\r\n", text[i], 4))
                        continue;
                if (!take_letter(text[i], &bits, &count, &pads)) {
                        out->len = before;
                        return err_set(err, -EBADMSG, "not base64: byte %zu does not belong there",
                                       i + 1);
                }
                if (count == 4) {
                        put_group(out, bits, 4);
                        count = 0;
                        bits = 0;
                }
        }
        /* Missing padding is taken; a lone letter or half of the padding means that the end is
         * cut off. */
        if (count == 1 || (pads && count + pads != 4)) {
                out->len = before;
                return err_set(err, -EBADMSG, "not base64: the end is missing");
        }
        if (count)
                put_group(out, bits, count);
        return 0;
}

void digest_random(void *ret, size_t len) {
        uint8_t *p = ret;

        while (len) {
                ssize_t n = getrandom(p, len, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        abort();
                p += n;
                len -= (size_t)n;
        }
}

void digest_random_text(const char *alphabet, size_t len, char *ret) {
        size_t n = strlen(alphabet);
        size_t fair = n ? 256 - 256 % n : 0; /* bytes from here on would favour the first letters */
        size_t done = 0;

        if (!n || n > 256)
                abort();
        while (done < len) {
                uint8_t pool[64];

                digest_random(pool, sizeof(pool));
                for (size_t i = 0; i < sizeof(pool) && done < len; i++)
                        if (pool[i] < fair)
                                ret[done++] = alphabet[pool[i] % n];
                explicit_bzero(pool, sizeof(pool));
        }
        ret[len] = '\0';
}
