/* SPDX-License-Identifier: Apache-2.0 */
/* verb-stream.c - a stream that a step of an action asks for, between ends that are the
 * application's own; see verb.h
 *
 * Files lie below the state folder, in a folder of the application's own; what makes them is what
 * removes them. */
#include "verb.h"

#include "secret-ask.h"

#include <errno.h>
#include <stdlib.h>

static int only_there(void *arg, const struct secret_ref *ref, const char *pointer, bool in_name,
                      struct err *err) {
        return !in_name && secret_ask_verb("stream", pointer)
                       ? 0
                       : err_set(err, -EINVAL, "stream: a secret at %s would be seen by others",
                                 pointer);
}

/* "backups/MODEL/APPLICATION/NAME", or NULL. */
static char *file_of(const json_t *end, const struct world_application *a,
                     const struct world_model *m) {
        const char *name = json_get_str(end, "file", NULL);

        return name ? str_format("backups/%s/%s/%s", m->name, a->name, name) : NULL;
}

/* False: V ended. */
static bool fill_end(struct verb *v, json_t *ask, const struct world_application *a,
                     const struct world_model *m, const char *file, struct stream_end *ret,
                     int64_t *ret_target) {
        const char *label = json_get_str(ask, "target", NULL);
        struct world_target *t;

        ret->file = file;
        if (file || !ask)
                return true;
        t = verb_target(v, m, label);
        if (!t || (!label && !verb_pod(v, ask, a, m)))
                return false;
        *ret = (struct stream_end){ .provider = t->provider,
                                    .target = t->open,
                                    .verb = label ? "object" : "exec",
                                    .ask = ask,
                                    .values = v->values };
        *ret_target = t->id;
        return true;
}

static int fill_key(struct verb *v, struct err *err) {
        const char *key = json_get_str(v->ask, "key", NULL);

        if (!key)
                return 0;
        if (!secret_token_in(key))
                return err_set(err, -EINVAL, "stream: key: a secret's token");
        buf_reserve(&v->key, 4096); /* so that no growing leaves a piece behind */
        return secret_values_fill(v->values, key, &v->key, err);
}

static void send(struct verb *v, const struct stream_request *r) {
        v->op = (struct op){ .loop = v->rec->options.loop, .done = verb_done, .arg = v };
        v->streams = v->out = true;
        stream_start(r, &v->op);
}

void verb_stream_start(struct verb *v, const struct world_application *a,
                       const struct world_model *m) {
        json_t *from = json_get(v->ask, "from"), *to = json_get(v->ask, "to");
        struct stream_request r = {
                .loop = v->rec->options.loop,
                .folder = v->rec->options.state_dir,
                .sha256 = json_get_str(v->ask, "sha256", NULL),
                .how = { .undo = json_get_bool(v->ask, "undo", false),
                         .gzip = json_get_bool(v->ask, "gzip", false) },
                .within_ms = v->what.within_ms,
        };
        struct err err = { 0 };

        v->from_file = file_of(from, a, m);
        v->to_file = file_of(to, a, m);
        if (!from)
                err_set(&err, -EINVAL, "stream: no \"from\"");
        else if (secret_token_walk(v->ask, only_there, NULL, &err) == 0)
                fill_key(v, &err);
        if (err.code)
                return verb_end(v, OUTCOME_REFUSED, "%s", err_text(&err));
        r.how.key = v->key.len ? v->key.data : NULL;
        r.how.key_len = v->key.len;
        if (fill_end(v, from, a, m, v->from_file, &r.from, &v->target) &&
            fill_end(v, to, a, m, v->to_file, &r.to, &v->other))
                send(v, &r);
}
