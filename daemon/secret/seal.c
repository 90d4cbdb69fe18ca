/* SPDX-License-Identifier: Apache-2.0 */
/* seal.c - AES-256-GCM by OpenSSL; see seal.h for the form
 *
 * Keys and what is opened lie in the arena. The nonce is random: with 96 bits, 2^32 values may be
 * sealed under one key before two nonces are likely to meet; rotation writes a few a day. */
#include "seal.h"

#include "json.h"
#include "seal-key.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>

#define FORMAT 1
#define NONCE_SIZE 12
#define TAG_SIZE 16
#define SEAL_CHAINS_MAX 256 /* keys that went, whose rows of the audit may still be there */
#define HEAD_SIZE (1 + SEAL_ID_SIZE + NONCE_SIZE)
#define HASH_LABEL "mooring keyed hash 1"   /* never changes: hashes in the store depend on it */
#define CHAIN_LABEL "mooring audit chain 1" /* nor does this */
_Static_assert(HEAD_SIZE + TAG_SIZE == SEAL_OVERHEAD, "seal.h tells another size");

struct key {
        uint8_t bytes[SEAL_KEY_SIZE];
        uint8_t id[SEAL_ID_SIZE];
        uint8_t chain_key[DIGEST_SIZE];
};

struct chain { /* of a key that went */
        uint8_t id[SEAL_ID_SIZE];
        uint8_t key[DIGEST_SIZE];
};

struct sealer { /* in the arena */
        struct key keys[SEAL_KEYS_MAX];
        size_t n, current; /* only raised and set when what they count is complete: atomic */
        uint8_t hash_key[DIGEST_SIZE];
        struct chain chains[SEAL_CHAINS_MAX];
        size_t chain_count;
};

static const struct key *current_key(const struct sealer *s) {
        return &s->keys[__atomic_load_n(&s->current, __ATOMIC_ACQUIRE)];
}

size_t seal_key_count(const struct sealer *s) {
        return __atomic_load_n(&s->n, __ATOMIC_ACQUIRE);
}

/* ---- keys */

static int derive(const uint8_t key[SEAL_KEY_SIZE], const char *label, uint8_t ret[DIGEST_SIZE]) {
        EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
        EVP_KDF_CTX *c = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
        OSSL_PARAM params[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key, SEAL_KEY_SIZE),
                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)label,
                                                  strlen(label)),
                OSSL_PARAM_construct_end(),
        };
        int r = c && EVP_KDF_derive(c, ret, DIGEST_SIZE, params) == 1 ? 0 : -EIO;

        EVP_KDF_CTX_free(c);
        EVP_KDF_free(kdf);
        return r;
}

static int add_key(struct sealer *s, const uint8_t *bytes) {
        struct key *k = &s->keys[s->n];
        uint8_t digest[DIGEST_SIZE];
        int r;

        memcpy(k->bytes, bytes, SEAL_KEY_SIZE);
        digest_sha256(k->bytes, SEAL_KEY_SIZE, digest);
        memcpy(k->id, digest, SEAL_ID_SIZE);
        r = derive(k->bytes, CHAIN_LABEL, k->chain_key);
        __atomic_store_n(&s->n, s->n + 1, __ATOMIC_RELEASE);
        return r;
}

int seal_new(const struct seal_options *o, struct sealer **ret, char **ret_made, struct err *err) {
        cleanup_(secret_text_free) struct secret_text keys = {};
        cleanup_(freep) char *made = NULL;
        struct sealer *s;
        int r = seal_key_load(o, &keys, &made, err);

        if (r < 0)
                return r;
        s = arena_alloc(sizeof(*s));
        for (size_t i = 0; r >= 0 && i < keys.len; i += SEAL_KEY_SIZE)
                r = add_key(s, (const uint8_t *)keys.data + i);
        if (r >= 0)
                r = derive(s->keys[0].bytes, HASH_LABEL, s->hash_key);
        if (r < 0) {
                seal_free(s);
                return err_set(err, r, "no key could be derived");
        }
        *ret = s;
        if (ret_made)
                *ret_made = take_ptr(made);
        return 0;
}

struct sealer *seal_free(struct sealer *s) {
        arena_free(s, sizeof(*s));
        return NULL;
}

static const struct key *find_key(const struct sealer *s, const uint8_t id[SEAL_ID_SIZE]) {
        for (size_t i = 0; i < seal_key_count(s); i++) {
                if (memcmp(s->keys[i].id, id, SEAL_ID_SIZE) == 0)
                        return &s->keys[i];
        }
        return NULL;
}

/* ---- sealing and opening */

static void place_bytes(const struct seal_place *at, struct buf *ret) {
        buf_add(ret, at->table, strlen(at->table) + 1);
        buf_add(ret, at->column, strlen(at->column) + 1);
        buf_add(ret, at->key, strlen(at->key) + 1);
        buf_printf(ret, "%lld", (long long)at->revision);
}

static void free_contextp(EVP_CIPHER_CTX **c) {
        EVP_CIPHER_CTX_free(*c);
}

/* Key, nonce and associated data are set; data may follow. */
static bool start_cipher(EVP_CIPHER_CTX *c, const struct key *k, const uint8_t *nonce,
                         const struct seal_place *at, bool encrypt) {
        cleanup_(buf_free) struct buf place = BUF_INIT;
        int n;

        place_bytes(at, &place);
        return EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, k->bytes, nonce, encrypt) == 1 &&
               EVP_CipherUpdate(c, NULL, &n, (const uint8_t *)place.data, place.len) == 1;
}

int seal_value(const struct sealer *s, const struct seal_place *at, const void *data, size_t len,
               struct buf *out, struct err *err) {
        cleanup_(free_contextp) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
        const struct key *k = current_key(s);
        uint8_t nonce[NONCE_SIZE], last[16];
        size_t before = out->len;
        uint8_t *to;
        int n = 0;

        if (len > INT32_MAX)
                return err_set(err, -E2BIG, "a value of %zu bytes cannot be sealed", len);
        digest_random(nonce, sizeof(nonce));
        buf_reserve(out, SEAL_OVERHEAD + len);
        buf_putc(out, FORMAT);
        buf_add(out, k->id, SEAL_ID_SIZE);
        buf_add(out, nonce, sizeof(nonce));
        to = (uint8_t *)out->data + out->len;
        if (!c || !start_cipher(c, k, nonce, at, true) ||
            (len && EVP_CipherUpdate(c, to, &n, data, len) != 1) || (size_t)n != len ||
            EVP_CipherFinal_ex(c, last, &n) != 1 ||
            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, to + len) != 1) {
                out->len = before;
                return err_set(err, -EIO, "a value could not be sealed");
        }
        out->len += len + TAG_SIZE;
        out->data[out->len] = '\0';
        return 0;
}

static int unseal(const struct key *k, const struct seal_place *at, const uint8_t *sealed,
                  size_t len, struct secret_text *ret) {
        cleanup_(free_contextp) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
        const uint8_t *data = sealed + HEAD_SIZE;
        size_t data_len = len - SEAL_OVERHEAD;
        uint8_t last[16];
        int n = 0;

        ret->data = arena_alloc(data_len + 1);
        ret->len = data_len;
        if (c && start_cipher(c, k, sealed + 1 + SEAL_ID_SIZE, at, false) &&
            (!data_len || EVP_CipherUpdate(c, (uint8_t *)ret->data, &n, data, data_len) == 1) &&
            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, (void *)(data + data_len)) ==
                    1 &&
            EVP_CipherFinal_ex(c, last, &n) == 1)
                return 0;
        secret_text_free(ret);
        return -EBADMSG;
}

int seal_open(const struct sealer *s, const struct seal_place *at, const void *sealed, size_t len,
              struct secret_text *ret, struct err *err) {
        const uint8_t *bytes = sealed;
        struct secret_text text = {};
        const struct key *k;
        char id[2 * SEAL_ID_SIZE + 1];

        if (len < SEAL_OVERHEAD || len > INT32_MAX || bytes[0] != FORMAT)
                return err_set(err, -EBADMSG, "%s.%s of %s: not a sealed value", at->table,
                               at->column, at->key);
        k = find_key(s, bytes + 1);
        if (!k)
                return err_set(err, -ENOKEY,
                               "%s.%s of %s is sealed under key %s, which is not in the key file: "
                               "add that key to its end",
                               at->table, at->column, at->key,
                               digest_hex(bytes + 1, SEAL_ID_SIZE, id));
        if (unseal(k, at, bytes, len, &text) < 0)
                return err_set(
                        err, -EBADMSG,
                        "%s.%s of %s revision %lld is damaged, or was moved here from another "
                        "row: restore a backup",
                        at->table, at->column, at->key, (long long)at->revision);
        secret_text_free(ret);
        *ret = text;
        return 0;
}

bool seal_has_key(const struct sealer *s, const uint8_t id[SEAL_ID_SIZE]) {
        return find_key(s, id) != NULL;
}

bool seal_is_current(const struct sealer *s, const void *sealed, size_t len) {
        return len >= SEAL_OVERHEAD &&
               memcmp((const uint8_t *)sealed + 1, current_key(s)->id, SEAL_ID_SIZE) == 0;
}

const uint8_t *seal_hash_key(const struct sealer *s) {
        return s->hash_key;
}

void seal_keyed_hash(const struct sealer *s, const void *data, size_t len,
                     uint8_t ret[DIGEST_SIZE]) {
        digest_hmac(s->hash_key, DIGEST_SIZE, data, len, ret);
}

const uint8_t *seal_current_id(const struct sealer *s) {
        return current_key(s)->id;
}

bool seal_chain_hash(const struct sealer *s, const uint8_t id[SEAL_ID_SIZE], const void *data,
                     size_t len, uint8_t ret[DIGEST_SIZE]) {
        const struct key *k = find_key(s, id);
        const uint8_t *key = k ? k->chain_key : NULL;

        for (size_t i = 0; !key && i < s->chain_count; i++)
                if (memcmp(s->chains[i].id, id, SEAL_ID_SIZE) == 0)
                        key = s->chains[i].key;
        if (key)
                digest_hmac(key, DIGEST_SIZE, data, len, ret);
        return key != NULL;
}

char *seal_where(const struct seal_options *o, bool *ret_credential) {
        return seal_key_path(o, ret_credential);
}

/* ---- another key */

static int use_key(struct sealer *s, const uint8_t *bytes, struct err *err) {
        if (seal_key_count(s) == SEAL_KEYS_MAX)
                return err_set(err, -ENOSPC,
                               "%d keys were in use since the daemon was started: restart it first",
                               SEAL_KEYS_MAX);
        if (add_key(s, bytes) < 0)
                return err_set(err, -EIO, "no key could be derived");
        __atomic_store_n(&s->current, seal_key_count(s) - 1, __ATOMIC_RELEASE);
        return 1;
}

/* FIRST, or none, and the key that seals. */
static void keys_text(const struct sealer *s, const uint8_t *first, struct secret_text *ret) {
        size_t at = first ? SEAL_KEY_SIZE : 0;

        ret->len = at + SEAL_KEY_SIZE;
        ret->data = arena_alloc(ret->len + 1);
        if (first)
                memcpy(ret->data, first, SEAL_KEY_SIZE);
        memcpy(ret->data + at, current_key(s)->bytes, SEAL_KEY_SIZE);
}

int seal_file_begin(const struct seal_options *o, struct sealer *s, struct err *err) {
        cleanup_(secret_text_free) struct secret_text fresh = {}, keys = {};
        bool credential;
        cleanup_(freep) char *path = seal_key_path(o, &credential);
        uint8_t *bytes;
        int r;

        if (seal_key_count(s) == SEAL_KEYS_MAX)
                return use_key(s, NULL, err);
        fresh.len = SEAL_KEY_SIZE;
        fresh.data = arena_alloc(SEAL_KEY_SIZE + 1);
        bytes = (uint8_t *)fresh.data;
        digest_random(bytes, SEAL_KEY_SIZE);
        keys_text(s, bytes, &keys);
        r = seal_key_replace(path, &keys, false, err);
        return r < 0 ? r : use_key(s, bytes, err);
}

int seal_file_again(const struct seal_options *o, struct sealer *s, struct err *err) {
        cleanup_(secret_text_free) struct secret_text keys = {};
        bool credential, known = false;
        cleanup_(freep) char *path = seal_key_path(o, &credential);
        int r = seal_key_read(path, credential, &keys, err);

        if (r < 0 || memcmp(keys.data, current_key(s)->bytes, SEAL_KEY_SIZE) == 0)
                return r;
        for (size_t i = 0; i < keys.len; i += SEAL_KEY_SIZE)
                known |= memcmp(keys.data + i, current_key(s)->bytes, SEAL_KEY_SIZE) == 0;
        if (!known)
                return err_set(err, -ENOKEY,
                               "the key that is in use is not in %s any more: put it back behind "
                               "the new one, until all is sealed anew",
                               path);
        return use_key(s, (const uint8_t *)keys.data, err);
}

int seal_file_settle(const struct seal_options *o, struct sealer *s, struct err *err) {
        cleanup_(secret_text_free) struct secret_text keys = {};
        bool credential;
        cleanup_(freep) char *path = seal_key_path(o, &credential);

        keys_text(s, NULL, &keys);
        return seal_key_replace(path, &keys, true, err);
}

/* ---- what outlives a key */

static void put_chain(json_t *chains, const uint8_t id[SEAL_ID_SIZE],
                      const uint8_t key[DIGEST_SIZE]) {
        char name[2 * SEAL_ID_SIZE + 1], hex[DIGEST_HEX_SIZE];

        json_object_set_new(chains, digest_hex(id, SEAL_ID_SIZE, name),
                            json_string(digest_hex(key, DIGEST_SIZE, hex)));
        explicit_bzero(hex, sizeof(hex));
}

void seal_parts_write(const struct sealer *s, struct buf *out) {
        char hex[DIGEST_HEX_SIZE];
        json_t *chains = json_object();
        json_t *parts = json_pack("{s:s, s:o}", "hash", digest_hex(s->hash_key, DIGEST_SIZE, hex),
                                  "chains", chains);

        for (size_t i = 0; i < s->chain_count; i++)
                put_chain(chains, s->chains[i].id, s->chains[i].key);
        for (size_t i = 0; i < seal_key_count(s); i++)
                put_chain(chains, s->keys[i].id, s->keys[i].chain_key);
        json_canonical(parts, out);
        json_wipe(parts);
        explicit_bzero(hex, sizeof(hex));
}

static bool read_chain(struct sealer *s, const char *name, const char *hex) {
        struct chain *c = &s->chains[s->chain_count];

        if (s->chain_count == SEAL_CHAINS_MAX || !digest_unhex(name, c->id, SEAL_ID_SIZE) ||
            !digest_unhex(hex, c->key, DIGEST_SIZE))
                return false;
        s->chain_count += !find_key(s, c->id);
        return true;
}

int seal_parts_read(struct sealer *s, const char *text, size_t len, bool *ret_whole,
                    struct err *err) {
        json_t *parts = NULL, *value;
        const char *name;
        size_t known = 0;
        int r = json_parse(text, len, &parts, err);
        bool right =
                r == 0 && digest_unhex(json_get_str(parts, "hash", ""), s->hash_key, DIGEST_SIZE);

        s->chain_count = 0;
        json_object_foreach(json_get(parts, "chains"), name, value)
                right = right && read_chain(s, name, json_string_value(value));
        known = json_object_size(json_get(parts, "chains")) - s->chain_count;
        if (parts)
                json_wipe(parts);
        *ret_whole = known == seal_key_count(s);
        return right ? 0 : err_set(err, -EBADMSG, "what was kept of keys is damaged");
}
