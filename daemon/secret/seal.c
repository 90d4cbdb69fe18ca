/* SPDX-License-Identifier: Apache-2.0 */
/* seal.c - AES-256-GCM over OpenSSL, keys from a file; see seal.h
 *
 * Layout of a sealed value: format (1 byte) · key id (8) · nonce (12) · data · tag (16). A key file holds 32-byte keys one
 * after the other: the first seals. Nonces are random: with fewer than 2^32 values under one key their repeat is
 * out of reach (NIST SP 800-38D). */
#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT 1
#define ID_SIZE 8
#define NONCE_SIZE 12
#define TAG_SIZE 16
#define HEAD_SIZE (1 + ID_SIZE + NONCE_SIZE)

struct key {
        uint8_t id[ID_SIZE];
        uint8_t *bytes; /* in the arena */
};

struct sealer {
        struct key keys[SEAL_KEYS_MAX];
        size_t count;
        uint8_t *hash_key; /* in the arena */
};

static void add_key(struct sealer *s, const uint8_t *bytes) {
        struct key *k = &s->keys[s->count++];
        uint8_t digest[DIGEST_SIZE];

        k->bytes = arena_alloc(SEAL_KEY_SIZE);
        memcpy(k->bytes, bytes, SEAL_KEY_SIZE);
        digest_sha256(bytes, SEAL_KEY_SIZE, digest);
        memcpy(k->id, digest, ID_SIZE);
}

static int read_keys(struct sealer *s, int fd, const char *path, struct err *err) {
        uint8_t bytes[SEAL_KEYS_MAX * SEAL_KEY_SIZE + 1];
        ssize_t n = read(fd, bytes, sizeof(bytes));
        int r = 0;

        if (n < 0)
                r = err_set(err, -errno, "key file %s: %s", path, strerror(errno));
        else if (n == 0 || n % SEAL_KEY_SIZE || n > SEAL_KEYS_MAX * SEAL_KEY_SIZE)
                r = err_set(err, -EBADMSG, "key file %s: has %zd bytes, wants 1 to %d keys of %d bytes", path, n,
                            SEAL_KEYS_MAX, SEAL_KEY_SIZE);
        for (ssize_t i = 0; r == 0 && i < n; i += SEAL_KEY_SIZE)
                add_key(s, bytes + i);
        explicit_bzero(bytes, sizeof(bytes));
        return r;
}

static int check_mode(int fd, const char *path, struct err *err) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return err_set(err, -errno, "key file %s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode) || (st.st_mode & 077))
                return err_set(err, -EPERM, "key file %s: others may read it; chmod 0600 it", path);
        return 0;
}

static int make_key(struct sealer *s, const char *path, struct err *err) {
        cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        uint8_t bytes[SEAL_KEY_SIZE];
        int r = 0;

        if (fd < 0)
                return err_set(err, -errno, "key file %s: %s", path, strerror(errno));
        digest_random(bytes, sizeof(bytes));
        if (write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes) || fsync(fd) < 0) {
                r = err_set(err, -EIO, "key file %s: cannot be written: %s", path, strerror(errno));
                unlink(path);
        } else {
                add_key(s, bytes);
        }
        explicit_bzero(bytes, sizeof(bytes));
        return r;
}

/* The systemd credential, the option, or the state folder's file. *RET_FIXED: it must be there, we make none. */
static char *find_path(const struct seal_options *o, bool *ret_fixed) {
        const char *credentials = getenv("CREDENTIALS_DIRECTORY");
        char *path;

        *ret_fixed = true;
        if (credentials) {
                path = str_format("%s/mooring-key", credentials);
                if (access(path, F_OK) == 0)
                        return path;
                free(path);
        }
        *ret_fixed = o->must_exist;
        return o->key_file ? str_dup(o->key_file) : str_format("%s/key", o->state_dir);
}

static int load_keys(struct sealer *s, const struct seal_options *o, char **ret_made, struct err *err) {
        bool fixed;
        cleanup_(freep) char *path = find_path(o, &fixed);
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        int r;

        if (fd < 0 && errno != ENOENT)
                return err_set(err, -errno, "key file %s: %s", path, strerror(errno));
        if (fd < 0 && fixed)
                return err_set(err, -ENOKEY,
                               "key file %s is missing, and this state holds sealed secrets: put the key back (--key-file names "
                               "another place); nothing was changed",
                               path);
        if (fd < 0) {
                r = make_key(s, path, err);
                if (r == 0 && ret_made)
                        *ret_made = take_ptr(path);
                return r;
        }
        r = getenv("CREDENTIALS_DIRECTORY") && str_starts(path, getenv("CREDENTIALS_DIRECTORY")) ? 0 : check_mode(fd, path, err);
        return r < 0 ? r : read_keys(s, fd, path, err);
}

int seal_new(const struct seal_options *o, struct sealer **ret, char **ret_made, struct err *err) {
        static const char label[] = "mooring keyed hash";
        struct sealer *s = mem_new(struct sealer);
        int r;

        if (ret_made)
                *ret_made = NULL;
        r = load_keys(s, o, ret_made, err);
        if (r < 0) {
                seal_free(s);
                return r;
        }
        s->hash_key = arena_alloc(DIGEST_SIZE);
        digest_hmac(s->keys[0].bytes, SEAL_KEY_SIZE, label, sizeof(label), s->hash_key);
        *ret = s;
        return 0;
}

struct sealer *seal_free(struct sealer *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->count; i++)
                arena_free(s->keys[i].bytes, SEAL_KEY_SIZE);
        arena_free(s->hash_key, DIGEST_SIZE);
        free(s);
        return NULL;
}

const uint8_t *seal_hash_key(const struct sealer *s) {
        return s->hash_key;
}

static void associated(const struct seal_place *at, struct buf *out) {
        buf_add(out, at->table, strlen(at->table) + 1);
        buf_add(out, at->column, strlen(at->column) + 1);
        buf_add(out, at->key, strlen(at->key) + 1);
        buf_printf(out, "%lld", (long long)at->revision);
}

static void cipher_freep(EVP_CIPHER_CTX **c) {
        EVP_CIPHER_CTX_free(*c);
}

static int failed(const struct seal_place *at, struct err *err) {
        return err_set(err, -EBADMSG, "%s %s: the sealed value is damaged or belongs to another row", at->table, at->key);
}

int seal_value(const struct sealer *s, const struct seal_place *at, const void *data, size_t len, struct buf *out,
               struct err *err) {
        cleanup_(cipher_freep) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
        cleanup_(buf_free) struct buf aad = BUF_INIT;
        const struct key *k = &s->keys[0];
        uint8_t head[HEAD_SIZE] = { FORMAT };
        uint8_t tag[TAG_SIZE];
        size_t start = out->len;
        int n;

        memcpy(head + 1, k->id, ID_SIZE);
        digest_random(head + 1 + ID_SIZE, NONCE_SIZE);
        associated(at, &aad);
        buf_add(out, head, sizeof(head));
        buf_reserve(out, len + TAG_SIZE);
        if (!c || EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, k->bytes, head + 1 + ID_SIZE) != 1 ||
            EVP_EncryptUpdate(c, NULL, &n, (const uint8_t *)aad.data, (int)aad.len) != 1 ||
            EVP_EncryptUpdate(c, (uint8_t *)out->data + out->len, &n, data, (int)len) != 1 ||
            EVP_EncryptFinal_ex(c, (uint8_t *)out->data + out->len + n, &n) != 1 ||
            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, tag) != 1) {
                out->len = start;
                return err_set(err, -EIO, "%s %s: could not be sealed", at->table, at->key);
        }
        out->len += len;
        buf_add(out, tag, sizeof(tag));
        return 0;
}

static const struct key *find_key(const struct sealer *s, const uint8_t *id) {
        for (size_t i = 0; i < s->count; i++)
                if (memcmp(s->keys[i].id, id, ID_SIZE) == 0)
                        return &s->keys[i];
        return NULL;
}

int seal_open(const struct sealer *s, const struct seal_place *at, const void *sealed, size_t len,
              struct secret_text *ret, struct err *err) {
        cleanup_(cipher_freep) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
        cleanup_(buf_free) struct buf aad = BUF_INIT;
        cleanup_(secret_text_free) struct secret_text text = { 0 };
        const uint8_t *in = sealed;
        const struct key *k;
        char id[2 * ID_SIZE + 1];
        uint8_t tag[TAG_SIZE];
        int n = 0, last = 0;
        size_t size;

        if (len < HEAD_SIZE + TAG_SIZE || in[0] != FORMAT)
                return failed(at, err);
        k = find_key(s, in + 1);
        if (!k)
                return err_set(err, -ENOKEY, "%s %s: sealed under key %s, which is not in the key file", at->table, at->key,
                               digest_hex(in + 1, ID_SIZE, id));
        size = len - HEAD_SIZE - TAG_SIZE;
        memcpy(tag, in + len - TAG_SIZE, TAG_SIZE);
        associated(at, &aad);
        text.data = arena_alloc(size + 1);
        text.len = size;
        if (!c || EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, k->bytes, in + 1 + ID_SIZE) != 1 ||
            EVP_DecryptUpdate(c, NULL, &n, (const uint8_t *)aad.data, (int)aad.len) != 1 ||
            EVP_DecryptUpdate(c, (uint8_t *)text.data, &n, in + HEAD_SIZE, (int)size) != 1 ||
            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag) != 1 ||
            EVP_DecryptFinal_ex(c, (uint8_t *)text.data + n, &last) != 1)
                return failed(at, err);
        secret_text_free(ret);
        *ret = text;
        text = (struct secret_text){ 0 };
        return 0;
}
