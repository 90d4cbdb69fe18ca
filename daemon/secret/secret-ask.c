/* SPDX-License-Identifier: Apache-2.0 */
/* secret-ask.c - see secret-ask.h */
#include "secret-ask.h"

#include <errno.h>

/* Where a value is put in: at WHERE and below it, or in what lies AMONG it ("/values/" of one of
 * the statements). What is in no row holds no token. */
static const struct place {
        const char *verb, *where, *among;
} verb_places[] = {
        { "exec", "/stdin", NULL },
        { "http", "/body", NULL },
        { "http", "/headers", NULL },
        { "sql", "/statements", "/values/" },
        { "sql", "/statements", "/params/" },
        { "stream", "/key", NULL },
        { "stream", "/from/stdin", NULL },
        { "stream", "/to/stdin", NULL },
        {},
}, kind_places[] = {
        { "new-secret", "/value", NULL },
        { "taken", "/token", NULL },
        { "use-secret", "/token", NULL },
        { "holders", "/token", NULL },
        { "config", "/options", NULL },
        {},
};

static bool is_below(const char *pointer, const char *top) {
        size_t n = strlen(top);

        return strncmp(pointer, top, n) == 0 && (!pointer[n] || pointer[n] == '/');
}

static bool is_place(const struct place *p, const char *name, const char *pointer) {
        for (; p->verb; p++)
                if (str_eq(p->verb, name) && is_below(pointer, p->where) &&
                    (!p->among || strstr(pointer, p->among)))
                        return true;
        return false;
}

bool secret_ask_verb(const char *verb, const char *pointer) {
        return is_place(verb_places, verb, pointer);
}

static bool may_hold(const json_t *ask, const char *pointer) {
        const char *kind = json_get_str(ask, "kind", "");

        if (!str_eq(kind, "verb"))
                return is_place(kind_places, kind, pointer);
        return str_starts(pointer, "/ask/") &&
               secret_ask_verb(json_get_str(ask, "verb", ""), pointer + strlen("/ask"));
}

static int on_token(void *arg, const struct secret_ref *ref, const char *pointer, bool in_name,
                    struct err *err) {
        const json_t *ask = arg;

        if (!in_name && may_hold(ask, pointer))
                return 0;
        return err_set(err, -EINVAL,
                       "%s: a secret at %s would be seen by others: it may not stand there",
                       json_get_str(ask, "verb", json_get_str(ask, "kind", "")), pointer);
}

int secret_ask_check(const json_t *ask, struct err *err) {
        return secret_token_walk(ask, on_token, (void *)ask, err);
}
