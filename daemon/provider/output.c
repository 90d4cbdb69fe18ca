/* SPDX-License-Identifier: Apache-2.0 */
/* output.c - tokens of outputs and the values for them; see output.h */
#include "output.h"

#include <errno.h>

#define TOKEN_TAIL "}}"
/* Never in a pointer (charm_output refuses them), so that a token ends where it seems to, and
 * stands in JSON text as it is. */
#define NEVER_INSIDE "\"\\{}\n"
#define FORM_MAX 16

/* Copies up to the next ':' into TO. NULL: there is none, or no room. */
static const char *take_part(const char *p, const char *end, char *to, size_t size) {
        const char *colon = memchr(p, ':', (size_t)(end - p));

        if (!colon || colon == p || (size_t)(colon - p) >= size)
                return NULL;
        str_copy(to, (size_t)(colon - p) + 1, p);
        return strpbrk(to, NEVER_INSIDE) ? NULL : colon + 1;
}

/* Reads one token that begins at TEXT. False: it is none. */
static bool read_token(const char *text, struct output_ref *ret, size_t *ret_len) {
        const char *p = text + strlen(OUTPUT_TOKEN_HEAD);
        const char *end = strstr(p, TOKEN_TAIL);
        char form[FORM_MAX];
        int kind;

        if (!end)
                return false;
        p = take_part(p, end, ret->ref, sizeof(ret->ref));
        p = p ? take_part(p, end, ret->pointer, sizeof(ret->pointer)) : NULL;
        if (!p || ret->pointer[0] != '/' || (size_t)(end - p) >= sizeof(form))
                return false;
        str_copy(form, (size_t)(end - p) + 1, p);
        kind = secret_form_find(form);
        if (kind < 0)
                return false;
        ret->form = (enum secret_form)kind;
        *ret_len = (size_t)(end - text) + strlen(TOKEN_TAIL);
        return true;
}

bool output_token_next(const char *text, size_t from, struct output_ref *ret) {
        const char *p = text + from;
        size_t len;

        while ((p = strstr(p, OUTPUT_TOKEN_HEAD))) {
                if (read_token(p, ret, &len)) {
                        ret->start = (size_t)(p - text);
                        ret->end = ret->start + len;
                        return true;
                }
                p += strlen(OUTPUT_TOKEN_HEAD);
        }
        return false;
}

static int find_first(void *arg, const char *text, const char *pointer, bool in_name,
                      struct err *err) {
        struct output_ref ref;
        char **found = arg;

        if (!output_token_next(text, 0, &ref))
                return 0;
        *found = str_dup(pointer);
        return -EEXIST;
}

char *output_token_in(const json_t *j) {
        char *found = NULL;

        json_walk(j, find_first, &found, NULL);
        return found;
}

char *output_value(const json_t *output, const char *pointer) {
        const json_t *value = json_at(output, pointer);

        if (json_is_string(value))
                return *json_string_value(value) ? str_dup(json_string_value(value)) : NULL;
        return json_is_number(value) || json_is_boolean(value) ? json_text(value) : NULL;
}

void output_put(const struct output_ref *ref, const char *value, struct buf *out) {
        char token[SECRET_TOKEN_MAX];
        struct secret_ref secret;

        if (secret_token_next(value, 0, &secret))
                buf_puts(out, secret_token_write(secret.uri, secret.revision, ref->form, token));
        else
                secret_form_put(ref->form, value, strlen(value), out);
}
