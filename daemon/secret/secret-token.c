/* SPDX-License-Identifier: Apache-2.0 */
/* secret-token.c - tokens in documents; secret-values.c puts values in; see secret-token.h
 *
 * A token is recognised by its exact grammar only. Text that begins like a token but is none
 * stays text: it opens nothing, so nothing can leak through it. */
#include "secret-token.h"

#define TOKEN_HEAD "{{secret:"
#define TOKEN_TAIL "}}"

static const char *const form_names[] = {
        "plain", "base64", "url", "yaml", "bcrypt", "pem-bundle"
};
_Static_assert(ARRAY_SIZE(form_names) == SECRET_FORM_MAX, "a form without a name");

const char *secret_form_name(enum secret_form f) {
        return form_names[f];
}

int secret_form_find(const char *name) {
        for (int i = 0; i < SECRET_FORM_MAX; i++)
                if (str_eq(name, form_names[i]))
                        return i;
        return -1;
}

const char *secret_token_write(const char *uri, int64_t revision, enum secret_form form,
                               char *ret) {
        snprintf(ret, SECRET_TOKEN_MAX, TOKEN_HEAD "%s:%lld:%s" TOKEN_TAIL, uri,
                 (long long)revision, form_names[form]);
        return ret;
}

/* Reads one token that begins at TEXT. False: it is none. */
static bool read_token(const char *text, struct secret_ref *ret, size_t *ret_len) {
        const char *p = text + strlen(TOKEN_HEAD);
        const char *end = strstr(p, TOKEN_TAIL);
        char body[SECRET_TOKEN_MAX];
        char *revision, *form;
        int kind;

        if (!end || (size_t)(end - p) >= sizeof(body))
                return false;
        str_copy(body, (size_t)(end - p) + 1, p);
        revision = strchr(body, ':');
        form = revision ? strchr(revision + 1, ':') : NULL;
        if (!form)
                return false;
        *revision++ = *form++ = '\0';
        kind = secret_form_find(form);
        if (kind < 0 || strlen(body) != SECRET_URI_SIZE - 1 ||
            !str_to_int(revision, &ret->revision))
                return false;
        str_copy(ret->uri, sizeof(ret->uri), body);
        ret->form = (enum secret_form)kind;
        *ret_len = (size_t)(end - text) + strlen(TOKEN_TAIL);
        return true;
}

bool secret_token_next(const char *text, size_t from, struct secret_ref *ret) {
        const char *p = text + from;
        struct secret_ref ref;
        size_t len;

        while ((p = strstr(p, TOKEN_HEAD))) {
                if (read_token(p, &ref, &len)) {
                        ref.start = (size_t)(p - text);
                        ref.end = ref.start + len;
                        *ret = ref;
                        return true;
                }
                p += strlen(TOKEN_HEAD);
        }
        return false;
}

bool secret_token_in(const char *text) {
        struct secret_ref ref;

        return secret_token_next(text, 0, &ref);
}

struct walk {
        int (*fn)(void *arg, const struct secret_ref *r, const char *pointer, bool in_name,
                  struct err *err);
        void *arg;
};

static int walk_text(void *arg, const char *text, const char *pointer, bool in_name,
                     struct err *err) {
        struct walk *w = arg;
        struct secret_ref ref;
        size_t from = 0;

        while (secret_token_next(text, from, &ref)) {
                int r = w->fn(w->arg, &ref, pointer, in_name, err);

                if (r < 0)
                        return r;
                from = ref.end;
        }
        return 0;
}

int secret_token_walk(const json_t *j,
                      int (*fn)(void *arg, const struct secret_ref *r, const char *pointer,
                                bool in_name, struct err *err),
                      void *arg, struct err *err) {
        struct walk w = { .fn = fn, .arg = arg };

        return json_walk(j, walk_text, &w, err);
}
