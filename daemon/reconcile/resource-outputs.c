/* SPDX-License-Identifier: Apache-2.0 */
/* resource-outputs.c - values of other resources, put into a document just before it is written
 *
 * What stands in a stored document is a token (output.h). The values come from the newest
 * observations of the others; a digest of those that were filled in is saved with the accepted
 * apply, so that another value, also one that came while nobody looked, is written again. A
 * secret value stays a token here too: the provider puts it in. */
#include "reconcile-internal.h"

#include "output.h"

#include <errno.h>
#include <stdlib.h>

/* The text is names in the order of the needs, which is that of the rows: needs_id, output. */
static bool digest_values(struct reconcile *rec, const struct world_resource *r,
                          uint8_t ret[DIGEST_SIZE]) {
        cleanup_(buf_free) struct buf text = BUF_INIT;

        for (size_t i = 0; i < r->need_count; i++) {
                const struct world_need *need = &r->needs[i];
                const struct world_resource *n = world_resource(&rec->world, need->id);
                cleanup_(freep) char *value = NULL;

                if (need->kind != NEED_VALUE)
                        continue;
                value = n ? output_value(n->seen.output, need->output) : NULL;
                if (!value)
                        return false;
                buf_printf(&text, "%lld %s %zu %s\n", (long long)need->id, need->output,
                           strlen(value), value);
        }
        if (!text.len)
                return false;
        digest_sha256(text.data, text.len, ret);
        return true;
}

bool resource_outputs_same(struct reconcile *rec, const struct world_resource *r, bool valid,
                           const uint8_t *digest) {
        uint8_t now[DIGEST_SIZE];

        return !digest_values(rec, r, now) || (valid && memcmp(now, digest, DIGEST_SIZE) == 0);
}

/* ---- filling */

struct filling {
        struct resource_job *job;
        bool secret; /* one of the values is */
};

static int put_one(struct filling *f, const struct output_ref *ref, struct buf *out,
                   struct err *err) {
        struct world *w = &f->job->rec->world;
        const struct world_resource *n;
        cleanup_(freep) char *value = NULL;
        struct secret_ref secret;
        const void *data;
        int64_t id;
        size_t len;

        if (ref->form == SECRET_BCRYPT) /* of an older program's plan */
                return err_set(err, -EINVAL, "%s: an output has no form bcrypt", ref->pointer);
        n = str_to_int(ref->ref, &id) ? world_resource(w, id) : NULL;
        value = n ? output_value(n->seen.output, ref->pointer) : NULL;
        if (!value)
                return err_set(err, -EAGAIN, "%s of %s %s is not known", ref->pointer,
                               n ? n->type : "resource", n ? n->path : ref->ref);
        if (secret_token_next(value, 0, &secret)) {
                data = secret_values_get(n->seen.hidden, secret.uri, secret.revision, &len);
                if (!data)
                        return err_set(err, -EAGAIN, "%s of %s %s is not known", ref->pointer,
                                       n->type, n->path);
                secret_values_add(f->job->values, secret.uri, secret.revision, data, len);
                f->secret = true;
        }
        output_put(ref, value, out);
        return 0;
}

static int fill_text(void *arg, const char *text, struct buf *out, struct err *err) {
        struct output_ref ref;
        size_t from = 0;

        while (output_token_next(text, from, &ref)) {
                int r;

                buf_add(out, text + from, ref.start - from);
                r = put_one(arg, &ref, out, err);
                if (r < 0)
                        return r;
                from = ref.end;
        }
        buf_puts(out, text + from);
        return 0;
}

struct place_check {
        const struct provider *provider;
        const json_t *document;
};

/* The plan was checked too; but whether an output is secret, only the value itself says for
 * sure. */
static int check_place(void *arg, const struct secret_ref *ref, const char *pointer, bool in_name,
                       struct err *err) {
        const struct place_check *c = arg;

        if (!in_name && c->provider->secret_place &&
            c->provider->secret_place(c->document, pointer))
                return 0;
        return err_set(err, -EPERM, "a secret output stands at %s, where no secret may", pointer);
}

int resource_fill_outputs(struct resource_job *j, const struct world_resource *r, struct err *err) {
        const struct world_target *t = world_target(&j->rec->world, r->target);
        struct filling f = { .job = j };
        json_t *filled = NULL;
        int k;

        if (!j->document || !digest_values(j->rec, r, j->outputs))
                return 0;
        k = json_fill(j->document, fill_text, &f, &filled, err);
        if (k < 0)
                return k;
        if (f.secret) {
                struct place_check check = { t->provider, filled };

                k = secret_token_walk(filled, check_place, &check, err);
        }
        if (k < 0) {
                json_decref(filled);
                return k;
        }
        json_decref(j->document);
        j->document = filled;
        j->outputs_valid = true;
        return 0;
}
