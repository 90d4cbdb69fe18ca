/* SPDX-License-Identifier: Apache-2.0 */
/* secret-take.c - values that were outside before us become revisions of our own secrets
 *
 * A password that was found in a Secret which is taken over may be the only one that opens the
 * data beside it. It gets the next revision; the application's next plan has its token in all
 * places, and the apply then finds in the Secret what it would write. */
#include "reconcile-internal.h"

#include "command.h"
#include "log.h"
#include "queries.gen.h"

struct taking {
        struct tx *tx;
        struct resource_job *job;
};

int secret_take_value(struct tx *tx, struct reconcile *rec, const struct q_secret_row *s,
                      int64_t at_least, const void *value, size_t len, struct err *err) {
        struct secret_revision next = { s->id, s->uri, MAX_OF(s->revision + 1, at_least) };
        int r = secret_revision_add(tx, rec->options.sealer, &next, value, len, err);

        if (r >= 0)
                r = w_secret_set_revision(tx,
                                          &(struct w_secret_set_revision_in){
                                                  .id = s->id, .revision = next.revision },
                                          err);
        if (r >= 0 && str_eq(s->purpose, "option"))
                r = application_row_follow(tx, s, next.revision, err);
        return r < 0 ? r : 0;
}

static int take_token(void *arg, const struct secret_ref *ref, const char *pointer, bool in_name,
                      struct err *err) {
        const struct taking *t = arg;
        struct q_secret_row *row;
        size_t n, len;
        const void *value = secret_values_get(t->job->op.kept, ref->uri, ref->revision, &len);
        int r;

        if (!value)
                return 0;
        r = q_secret_by_uri(t->tx, &(struct q_secret_by_uri_in){ .uri = ref->uri }, &row, &n, err);
        if (r < 0 || n == 0 || row->revision != ref->revision)
                return r < 0 ? r : 0;
        return secret_take_value(t->tx, t->job->rec, row, 0, value, len, err);
}

static int run(struct tx *tx, struct store_call *c, struct err *err) {
        struct resource_job *j = c->arg;
        struct taking t = { tx, j };
        int r = secret_token_walk(j->document, take_token, &t, err);

        if (r < 0)
                return r;
        tx_mark(tx, MARK_APPLICATION, j->owner);
        return resource_save_run(tx, c, err);
}

void secret_take(struct resource_job *j) {
        const struct world_resource *r = world_resource(&j->rec->world, j->id);

        reconcile_log(LOG_NOTICE, "secret-kept", j->rec, r,
                      "%s %s: the values that were in it before are kept, as ours", r->type,
                      r->path);
        j->call.run = run;
}
