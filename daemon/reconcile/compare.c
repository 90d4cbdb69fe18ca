/* SPDX-License-Identifier: Apache-2.0 */
/* compare.c - values outside that are newer than ours, before a restored controller writes; see
 * reconcile.h
 *
 *      which objects hold secrets (rows) ──▶ each is read outside and compared (trial.h)
 *      ──▶ what differs becomes the next revision of ours (a transaction) ──▶ the next page
 *
 * A password that was rotated after the backup was made is known only where it was written to.
 * Taken in, it is in the plans that follow, so nothing puts the old one back. Only what our own
 * writes put there counts: what somebody else wrote is drift. Nothing is written outside. */
#include "trial.h"

#include "cert.h"
#include "command.h"
#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>

#define COMPARE_PAGE 200 /* below TRIAL_MAX: objects that are asked about within TRIAL_MS */

struct compared { /* an object whose values differ */
        struct list link;
        json_t *document;
        json_t *revisions; /* {URI: revision} of what is known to be newer; or NULL */
        int64_t owner;     /* application */
        struct secret_values *found;
};

struct compare {
        struct store_call call;
        struct reconcile *rec;
        int64_t after; /* the last object of the pages before */
        bool more;
        json_t *lines;
        struct list differ;
        size_t taken, pending, page_taken, page_pending;
        json_t *unread;
        json_t *foreign, *page_foreign; /* texts: certificates of an authority that is not known */
        void (*done)(void *arg, const struct reconcile_compared *c);
        void *arg;
};

static void next_page(struct compare *c);

static void drop_differing(struct compare *c) {
        for (struct list *link; (link = list_pop(&c->differ));) {
                struct compared *d = list_entry(link, struct compared, link);

                json_decref(d->document);
                json_decref(d->revisions);
                secret_values_free(d->found);
                free(d);
        }
}

static void finish(struct compare *c, int r, const struct err *err) {
        struct reconcile_compared told = { .result = r,
                                           .err = r < 0 ? err : NULL,
                                           .taken = c->taken,
                                           .pending = c->pending,
                                           .unread = c->unread,
                                           .foreign = c->foreign };

        c->done(c->arg, &told);
        drop_differing(c);
        json_decref(c->lines);
        json_decref(c->unread);
        json_decref(c->foreign);
        json_decref(c->page_foreign);
        free(c);
}

/* ---- what differs becomes ours */

struct taking {
        struct tx *tx;
        struct compare *compare;
        const struct compared *differs;
};

static int is_issued(const struct taking *t, const struct q_secret_row *s, const char *pem,
                     bool *ret, struct err *err) {
        struct q_authority_list_in in = { .model_id = s->model_id };
        struct q_authority_row *rows;
        size_t n, end;
        int r = q_authority_list(t->tx, &in, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n && !*ret; i++) {
                cleanup_(freep) char *chain = str_format("%s\n%s", pem, rows[i].certificate);

                *ret = cert_check_chain(chain, &end, NULL) >= 0;
        }
        return r < 0 ? r : 0;
}

/* S is the key or the certificate of a pair that an authority of the model's own signed, and none
 * that is known: who trusts what the backup knows would refuse it. */
static int is_foreign(const struct taking *t, const struct q_secret_row *s, bool *ret,
                      struct err *err) {
        struct q_secret_by_label_in in = { .application_id = s->application_id,
                                           .label = s->label,
                                           .field = "crt" };
        cleanup_(freep) char *pem = NULL;
        struct q_certificate_row *certificate;
        struct q_secret_row *crt;
        const void *value;
        size_t n, len;
        bool issued = false;
        int r = q_certificate_by_label(
                t->tx,
                &(struct q_certificate_by_label_in){ .application_id = s->application_id,
                                                     .label = s->label },
                &certificate, &n, err);

        if (r < 0 || n == 0 || certificate->authority_id_null)
                return r < 0 ? r : 0;
        r = q_secret_by_label(t->tx, &in, &crt, &n, err);
        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        value = secret_values_get(t->differs->found, crt->uri, crt->revision, &len);
        if (!value)
                return 0;
        pem = str_ndup(value, len);
        r = is_issued(t, s, pem, &issued, err);
        *ret = !issued;
        return r;
}

static void note_foreign(const struct taking *t, const struct q_secret_row *s) {
        const char *name = json_get_str(json_get(t->differs->document, "metadata"), "name", "");

        json_array_append_new(t->compare->page_foreign,
                              json_sprintf("Secret %s, %s/%s", name, s->label, s->field));
}

/* A token that is not the newest's: its application is planned again already. */
static int take_token(void *arg, const struct secret_ref *ref, const char *pointer, bool in_name,
                      struct err *err) {
        const struct taking *t = arg;
        struct q_secret_row *row;
        bool foreign = false;
        size_t n, len;
        const void *value = secret_values_get(t->differs->found, ref->uri, ref->revision, &len);
        int r;

        if (!value)
                return 0;
        r = q_secret_by_uri(t->tx, &(struct q_secret_by_uri_in){ .uri = ref->uri }, &row, &n, err);
        if (r < 0)
                return r;
        if (n == 0 || row->revision != ref->revision) {
                t->compare->page_pending++;
                return 0;
        }
        if (str_eq(row->purpose, "certificate") && !row->application_id_null)
                r = is_foreign(t, row, &foreign, err);
        if (r < 0)
                return r;
        if (foreign) {
                note_foreign(t, row);
                return 0;
        }
        t->compare->page_taken++;
        r = secret_take_value(t->tx, t->compare->rec, row,
                              json_get_int(t->differs->revisions, ref->uri, 0), value, len, err);
        if (r >= 0 && !row->application_id_null)
                tx_mark(t->tx, MARK_APPLICATION, row->application_id);
        if (r >= 0 && t->differs->owner)
                tx_mark(t->tx, MARK_APPLICATION, t->differs->owner);
        return r;
}

static int save_run(struct tx *tx, struct store_call *call, struct err *err) {
        struct compare *c = call->arg;
        int r = 0;

        c->page_taken = c->page_pending = 0;
        json_array_clear(c->page_foreign);
        list_each(link, &c->differ) {
                struct taking t = { tx, c, list_entry(link, struct compared, link) };

                if (r >= 0)
                        r = secret_token_walk(t.differs->document, take_token, &t, err);
        }
        return r < 0 ? r : 0;
}

static void saved(struct store_call *call, int r, const struct err *err) {
        struct compare *c = call->arg;

        if (r < 0 || c->rec->stopping)
                return finish(c, r < 0 ? r : -ESHUTDOWN, err);
        c->taken += c->page_taken;
        c->pending += c->page_pending;
        json_array_extend(c->foreign, c->page_foreign);
        drop_differing(c);
        next_page(c);
}

/* ---- one page */

static void differs(void *arg, const struct resource_job *j, struct secret_values *found) {
        struct compare *c = arg;
        struct compared *d = mem_new(struct compared);

        d->document = json_incref(j->document);
        d->revisions = json_incref(json_get(j->op.told, "revisions"));
        d->owner = j->owner;
        d->found = found;
        list_append(&c->differ, &d->link);
}

static void compared(void *arg) {
        struct compare *c = arg;
        const json_t *line;
        size_t i;

        json_array_foreach(c->lines, i, line)
                if (!str_eq(json_get_str(line, "server", ""), "accepts"))
                        json_array_append_new(
                                c->unread, json_sprintf("%s %s: %s", json_get_str(line, "type", ""),
                                                        json_get_str(line, "path", ""),
                                                        json_get_str(line, "server-why", "")));
        c->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "restore",
                                       .name = "secrets compared",
                                       .run = save_run,
                                       .done = saved,
                                       .arg = c };
        store_submit(c->rec->options.store, &c->call);
}

/* What cannot be asked without writing (a database's user) has its password in such an object too,
 * or is its server's administrator. */
static bool can_compare(struct reconcile *rec, const json_t *line) {
        const struct world_target *t = world_target(&rec->world, json_get_int(line, "target", 0));

        return t && t->provider && t->provider->can & PROVIDER_DRY_RUN;
}

/* As it was when the backup was made, or gone: nothing newer is in it. */
static bool is_unchanged(struct reconcile *rec, const json_t *line) {
        const struct world_resource *r =
                world_resource(&rec->world, json_get_int(line, "resource", 0));

        if (!r || r->seen.presence == PRESENCE_ABSENT)
                return true;
        return r->seen.presence == PRESENCE_PRESENT && r->row.baseline_valid &&
               r->seen.digest_valid && memcmp(r->seen.digest, r->row.baseline, DIGEST_SIZE) == 0;
}

static int read_run(struct tx *tx, struct store_call *call, struct err *err) {
        struct compare *c = call->arg;
        struct q_secret_use_objects_in in = { .after = c->after, .max = COMPARE_PAGE };
        struct q_secret_use_objects_row *rows;
        size_t n;
        int r = q_secret_use_objects(tx, &in, &rows, &n, err);

        json_decref(c->lines);
        c->lines = json_array();
        for (size_t i = 0; r >= 0 && i < n; i++)
                json_array_append_new(c->lines, json_pack("{s:I, s:I, s:s, s:s}", "resource",
                                                          (json_int_t)rows[i].id, "target",
                                                          (json_int_t)rows[i].target_id, "type",
                                                          rows[i].type, "path", rows[i].path));
        return r < 0 ? r : 0;
}

static void read_done(struct store_call *call, int r, const struct err *err) {
        struct compare *c = call->arg;
        size_t n = json_array_size(c->lines);
        struct trial *t;

        if (r < 0 || c->rec->stopping)
                return finish(c, r < 0 ? r : -ESHUTDOWN, err);
        if (n == 0)
                return finish(c, 0, NULL);
        c->after = json_get_int(json_array_get(c->lines, n - 1), "resource", 0);
        c->more = n == COMPARE_PAGE;
        for (size_t i = n; i-- > 0;)
                if (!can_compare(c->rec, json_array_get(c->lines, i)) ||
                    is_unchanged(c->rec, json_array_get(c->lines, i)))
                        json_array_remove(c->lines, i);
        t = trial_new(c->rec);
        for (size_t i = 0; i < json_array_size(c->lines); i++) {
                json_t *line = json_array_get(c->lines, i);

                trial_add(t, &(struct trial_object){
                                     .line = line, .resource = json_get_int(line, "resource", 0) });
        }
        trial_compare(t, differs, c);
        trial_start(t, compared, c);
}

static void next_page(struct compare *c) {
        if (c->after && !c->more)
                return finish(c, 0, NULL);
        c->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "restore",
                                       .name = "secrets outside",
                                       .run = read_run,
                                       .done = read_done,
                                       .arg = c };
        store_read(c->rec->options.store, &c->call);
}

void reconcile_compare_secrets(struct reconcile *rec,
                               void (*done)(void *arg, const struct reconcile_compared *c),
                               void *arg) {
        struct compare *c = mem_new(struct compare);

        c->rec = rec;
        c->done = done;
        c->arg = arg;
        c->unread = json_array();
        c->foreign = json_array();
        c->page_foreign = json_array();
        list_init(&c->differ);
        next_page(c);
}
