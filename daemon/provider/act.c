/* SPDX-License-Identifier: Apache-2.0 */
/* act.c - see act.h */
#include "act.h"

#include "digest.h"
#include "secret-ask.h"

#include <errno.h>

#define FILL_ROOM 4096 /* a password and what is around it */

static const struct act_verb *find(const struct act_verb *verbs, const char *name) {
        for (; verbs->name; verbs++)
                if (str_eq(verbs->name, name))
                        return verbs;
        return NULL;
}

/* ---- tokens */

struct looking {
        const struct act_verb *verb;
        const struct act_request *request;
};

static int on_token(void *arg, const struct secret_ref *ref, const char *pointer, bool in_name,
                    struct err *err) {
        const struct looking *l = arg;
        size_t len;

        if (in_name || !secret_ask_verb(l->verb->name, pointer))
                return err_set(err, -EINVAL,
                               "%s: a secret at %s would be seen by others: it may not stand there",
                               l->verb->name, pointer);
        if (!l->request->values ||
            !secret_values_get(l->request->values, ref->uri, ref->revision, &len))
                return err_set(err, -ENOKEY, "%s: %s: the secret %s has no revision %lld",
                               l->verb->name, pointer, ref->uri, (long long)ref->revision);
        return 0;
}

const struct act_verb *act_find(const struct act_verb *verbs, const struct act_request *r,
                                struct err *err) {
        struct looking l = { find(verbs, r->verb), r };

        if (!l.verb)
                err_set(err, -ENOTSUP, "%s: nothing of this target's can be done by that name",
                        r->verb);
        else if (!json_is_object(r->ask))
                err_set(err, -EINVAL, "%s: what is asked is no object", r->verb);
        else if (secret_token_walk(r->ask, on_token, &l, err) == 0)
                return l.verb;
        return NULL;
}

int act_fill(const struct act_request *r, const char *text, struct buf *out, struct err *err) {
        buf_reserve(out, strlen(text) + FILL_ROOM);
        if (r->values)
                return secret_values_fill(r->values, text, out, err);
        buf_puts(out, text);
        return 0;
}

/* ---- answers */

static void replace(struct buf *text, const char *value, size_t len) {
        struct buf out = BUF_INIT;
        size_t from = 0;
        const char *at;

        while ((at = memmem(text->data + from, text->len - from, value, len))) {
                buf_add(&out, text->data + from, (size_t)(at - text->data) - from);
                buf_puts(&out, "(hidden)");
                from = (size_t)(at - text->data) + len;
        }
        if (!from)
                return;
        buf_add(&out, text->data + from, text->len - from);
        buf_wipe(text);
        *text = out;
}

struct hiding {
        const struct act_request *request;
        struct buf *text;
};

static int hide_one(void *arg, const struct secret_ref *ref, const char *pointer, bool in_name,
                    struct err *err) {
        const struct hiding *h = arg;
        size_t len = 0;
        const char *value = secret_values_get(h->request->values, ref->uri, ref->revision, &len);

        if (value && len >= ACT_HIDE_MIN && h->text->len >= len)
                replace(h->text, value, len);
        return 0;
}

void act_hide(const struct act_request *r, struct buf *text) {
        struct hiding h = { r, text };

        if (r->values)
                secret_token_walk(r->ask, hide_one, &h, NULL);
}

static int hide_text(void *arg, const char *text, struct buf *out, struct err *err) {
        buf_puts(out, text);
        act_hide(arg, out);
        return 0;
}

json_t *act_hidden(const struct act_request *r, const json_t *told) {
        json_t *hidden = NULL;

        json_fill(told, hide_text, (void *)r, &hidden, NULL);
        return hidden;
}

void act_tell(json_t *told, const char *name, const struct buf *text, bool cut) {
        cleanup_(freep) char *other = NULL;
        struct buf base64 = BUF_INIT;
        json_t *value = NULL;

        if (!memchr(buf_str(text), '\0', text->len))
                for (size_t off = 0; off < (cut ? 4 : 1) && off <= text->len && !value; off++)
                        value = json_stringn(buf_str(text), text->len - off);
        if (value) {
                json_object_set_new(told, name, value);
                return;
        }
        digest_base64(text->data, text->len, &base64);
        other = str_format("%s-base64", name);
        json_object_set_new(told, other, json_string(buf_str(&base64)));
        buf_free(&base64);
}
