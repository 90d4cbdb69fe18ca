/* SPDX-License-Identifier: Apache-2.0 */
/* secret-values.c - the values that tokens stand for, put in at the last moment; see
 * secret-token.h */
#include "secret-token.h"

#include "arena.h"
#include "digest.h"
#include "map.h"

#include <crypt.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define BCRYPT_COST 10 /* what dex and htpasswd use; about 50 ms once a revision */

struct secret_values {
        struct map by_key; /* "URI:REVISION" -> struct secret_text in the arena */
};

static const char *key_of(const char *uri, int64_t revision, char key[64]) {
        snprintf(key, 64, "%s:%lld", uri, (long long)revision);
        return key;
}

static void free_text(void *p) {
        struct secret_text *t = p;

        secret_text_free(t);
        free(t);
}

struct secret_values *secret_values_new(void) {
        return mem_new(struct secret_values);
}

struct secret_values *secret_values_free(struct secret_values *v) {
        if (v)
                map_free_with(&v->by_key, free_text);
        free(v);
        return NULL;
}

void secret_values_add(struct secret_values *v, const char *uri, int64_t revision, const void *data,
                       size_t len) {
        struct secret_text *t = mem_new(struct secret_text);
        struct secret_text *old;
        char key[64];

        secret_text_set(t, data, len);
        old = map_set(&v->by_key, key_of(uri, revision, key), t);
        if (old)
                free_text(old);
}

const void *secret_values_get(const struct secret_values *v, const char *uri, int64_t revision,
                              size_t *ret_len) {
        const struct secret_text *t;
        char key[64];

        if (!v)
                return NULL;
        t = map_find(&v->by_key, key_of(uri, revision, key));
        if (!t)
                return NULL;
        *ret_len = t->len;
        return t->data;
}

static void add_url(struct buf *out, const unsigned char *p, size_t n) {
        for (size_t i = 0; i < n; i++) {
                if ((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'A' && p[i] <= 'Z') ||
                    (p[i] >= 'a' && p[i] <= 'z') || (p[i] && strchr("-._~", p[i])))
                        buf_putc(out, (char)p[i]);
                else
                        buf_printf(out, "%%%02X", p[i]);
        }
}

static void add_yaml(struct buf *out, const unsigned char *p, size_t n) {
        buf_putc(out, '"');
        for (size_t i = 0; i < n; i++) {
                if (p[i] == '"' || p[i] == '\\')
                        buf_printf(out, "\\%c", p[i]);
                else if (p[i] < 0x20 || p[i] == 0x7f)
                        buf_printf(out, "\\x%02X", p[i]);
                else
                        buf_putc(out, (char)p[i]);
        }
        buf_putc(out, '"');
}

/* The salt comes from the token, so that the same revision gives the same hash and no document
 * changes by itself. */
static int make_bcrypt(struct buf *out, const struct secret_ref *ref, const char *value, size_t len,
                       struct err *err) {
        cleanup_(freep) struct crypt_data *data = mem_new(struct crypt_data);
        cleanup_(freep) char *text = str_ndup(value, len);
        uint8_t seed[DIGEST_SIZE];
        char salt[CRYPT_GENSALT_OUTPUT_SIZE];
        char key[64];
        const char *hash;

        key_of(ref->uri, ref->revision, key);
        digest_sha256(key, strlen(key), seed);
        if (!crypt_gensalt_rn("$2b$", BCRYPT_COST, (const char *)seed, 16, salt, sizeof(salt)))
                return err_set(err, -EINVAL, "secret %s: no bcrypt salt: %s", ref->uri,
                               strerror(errno));
        hash = crypt_rn(text, salt, data, sizeof(*data));
        explicit_bzero(text, len);
        if (!hash)
                return err_set(err, -EINVAL, "secret %s: bcrypt: %s", ref->uri, strerror(errno));
        buf_puts(out, hash);
        explicit_bzero(data, sizeof(*data));
        return 0;
}

/* Beside the values: no revision has this name. */
static const char *bcrypt_name(const struct secret_ref *ref, char name[64]) {
        snprintf(name, 64, "%s/bcrypt", ref->uri);
        return name;
}

int secret_values_form(struct secret_values *v, const struct secret_ref *ref, struct err *err) {
        cleanup_(buf_wipe) struct buf hash = BUF_INIT;
        char name[64];
        const void *value;
        size_t len;
        int r;

        bcrypt_name(ref, name);
        if (ref->form != SECRET_BCRYPT || secret_values_get(v, name, ref->revision, &len))
                return 0;
        value = secret_values_get(v, ref->uri, ref->revision, &len);
        assert(value);
        r = make_bcrypt(&hash, ref, value, len, err);
        if (r == 0)
                secret_values_add(v, name, ref->revision, buf_str(&hash), hash.len);
        return r;
}

static int add_bcrypt(const struct secret_values *v, struct buf *out, const struct secret_ref *ref,
                      struct err *err) {
        char name[64];
        size_t len;
        const void *hash = secret_values_get(v, bcrypt_name(ref, name), ref->revision, &len);

        if (!hash)
                return err_set(err, -ENOKEY, "secret %s revision %lld was not hashed", ref->uri,
                               (long long)ref->revision);
        buf_add(out, hash, len);
        return 0;
}

void secret_form_put(enum secret_form form, const void *value, size_t len, struct buf *out) {
        switch (form) {
        case SECRET_BASE64:
                return digest_base64(value, len, out);
        case SECRET_URL:
                return add_url(out, value, len);
        case SECRET_YAML:
                return add_yaml(out, value, len);
        case SECRET_BCRYPT: /* made off the loop, never here: it would be the value itself */
                assert(form != SECRET_BCRYPT);
                break;
        case SECRET_PLAIN:
        case SECRET_PEM_BUNDLE:
        case SECRET_FORM_MAX:
                break;
        }
        buf_add(out, value, len);
}

static int add_value(const struct secret_values *v, const struct secret_ref *ref, struct buf *out,
                     struct err *err) {
        size_t len = 0;
        const void *value = secret_values_get(v, ref->uri, ref->revision, &len);

        if (!value)
                return err_set(err, -ENOKEY, "secret %s revision %lld has no value here", ref->uri,
                               (long long)ref->revision);
        if (ref->form == SECRET_BCRYPT)
                return add_bcrypt(v, out, ref, err);
        secret_form_put(ref->form, value, len, out);
        return 0;
}

int secret_values_fill(const struct secret_values *v, const char *text, struct buf *out,
                       struct err *err) {
        struct secret_ref ref;
        size_t from = 0;

        while (secret_token_next(text, from, &ref)) {
                int r;

                buf_add(out, text + from, ref.start - from);
                r = add_value(v, &ref, out, err);
                if (r < 0)
                        return r;
                from = ref.end;
        }
        buf_puts(out, text + from);
        return 0;
}
