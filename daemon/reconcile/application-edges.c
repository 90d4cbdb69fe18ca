/* SPDX-License-Identifier: Apache-2.0 */
/* application-edges.c - what the documents of a plan need of each other, as rows
 *
 * Edges come from what identify found in a document (a pod's Secret), from the charm's word
 * (charm_needs), and from tokens of outputs: an edge of kind value, and in the text the label
 * becomes the resource's id, so that it means the same whoever wants the document. Needs that go
 * in a circle would wait for each other for ever: the plan fails, and the circle is printed.
 * Runs on the store thread, inside the save. */
#include "application.h"

#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>

static int by_label(const void *a, const void *b) {
        return strcmp(((const struct prepared *)a)->label, ((const struct prepared *)b)->label);
}

void application_sort_docs(struct application_work *w) {
        if (w->doc_count)
                qsort(w->docs, w->doc_count, sizeof(*w->docs), by_label);
}

struct prepared *application_doc(const struct application_work *w, const char *label) {
        struct prepared key = { .label = label };

        return w->doc_count ? bsearch(&key, w->docs, w->doc_count, sizeof(*w->docs), by_label)
                            : NULL;
}

/* The row that a document of this plan stands for; 0: none yet. */
static int64_t resource_of(const struct application_work *w, const struct prepared *d) {
        const struct world_want *want;

        if (!d || d->resource)
                return d ? d->resource : 0;
        want = world_want_in(w->wants, w->want_count, d->label);
        return want ? want->resource : 0;
}

/* ---- outputs */

static int check_secret(struct tx *tx, const struct prepared *d, const struct prepared_output *o,
                        int64_t resource, struct err *err) {
        const struct provider *provider;
        struct q_resource_row *row;
        struct q_target_row *target;
        size_t n;
        int r = q_resource_by_id(tx, &(struct q_resource_by_id_in){ .id = resource }, &row, &n,
                                 err);

        if (r < 0 || n == 0)
                return r;
        r = q_target_by_id(tx, &(struct q_target_by_id_in){ .id = row->target_id }, &target, &n,
                           err);
        if (r < 0 || n == 0)
                return r;
        provider = provider_find(target->provider);
        if (o->secret_place || !provider || !provider->secret_output ||
            !provider->secret_output(row->type, o->pointer))
                return 0;
        return err_set(err, -EPERM,
                       "%s: the secret output %s of %s stands at %s, where no secret "
                       "may",
                       d->label, o->pointer, o->label, o->place);
}

static const struct prepared_output *output_named(const struct prepared *d, const char *label) {
        for (size_t i = 0; i < d->output_count; i++)
                if (str_eq(d->outputs[i].label, label))
                        return &d->outputs[i];
        return NULL;
}

static void put_ids(const struct prepared *d, struct buf *out) {
        struct output_ref ref;
        size_t from = 0;

        while (output_token_next(d->text, from, &ref)) {
                buf_add(out, d->text + from, ref.start - from);
                buf_printf(out, OUTPUT_TOKEN_HEAD "%lld:%s:%s}}",
                           (long long)output_named(d, ref.ref)->resource, ref.pointer,
                           secret_form_name(ref.form));
                from = ref.end;
        }
        buf_puts(out, d->text + from);
}

int application_outputs_text(struct tx *tx, struct application_work *w, struct prepared *d,
                             struct buf *out, struct err *err) {
        for (size_t i = 0; i < d->output_count; i++) {
                struct prepared_output *o = &d->outputs[i];
                int r;

                o->resource = resource_of(w, application_doc(w, o->label));
                if (!o->resource)
                        return err_set(err, -ENOENT,
                                       "%s: takes %s of %s, which the plan does not want", d->label,
                                       o->pointer, o->label);
                r = check_secret(tx, d, o, o->resource, err);
                if (r < 0)
                        return r;
        }
        put_ids(d, out);
        return 0;
}

/* Whether the rows that D takes values from are known. */
bool application_outputs_placed(const struct application_work *w, const struct prepared *d) {
        for (size_t i = 0; i < d->output_count; i++) {
                const struct prepared *on = application_doc(w, d->outputs[i].label);

                if (on && !on->unchanged && !on->saved)
                        return false;
        }
        return true;
}

static const struct prepared *next_unplaced(const struct application_work *w,
                                            const struct prepared *d) {
        for (size_t i = 0; i < d->output_count; i++) {
                const struct prepared *on = application_doc(w, d->outputs[i].label);

                if (on && !on->unchanged && !on->saved)
                        return on;
        }
        return d;
}

/* None of those that are left can be placed: following what each waits for comes round. */
int application_outputs_circle(const struct application_work *w, struct err *err) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        const struct prepared *d = w->docs, *start;

        while (d->unchanged || d->saved)
                d++;
        for (size_t i = 0; i < w->doc_count; i++)
                d = next_unplaced(w, d);
        start = d;
        do {
                buf_printf(&text, "%s takes from ", d->label);
                d = next_unplaced(w, d);
        } while (d != start);
        return err_set(err, -ELOOP, "outputs go in a circle: %s%s", buf_str(&text), start->label);
}

/* ---- edges */

static int add_edge(struct tx *tx, struct application_work *w, int64_t from, int64_t to,
                    enum need_kind kind, const char *output, struct err *err) {
        int r;

        if (!from || !to || from == to)
                return 0;
        r = w_edge_insert(tx,
                          &(struct w_edge_insert_in){ .resource_id = from,
                                                      .needs_id = to,
                                                      .kind = need_name(kind),
                                                      .output = output },
                          err);
        if (r > 0) {
                w->edges_to = mem_grow(w->edges_to, &w->edge_room, w->edge_count + 1,
                                       sizeof(*w->edges_to));
                w->edges_to[w->edge_count++] = to;
        }
        return r;
}

static int save_found(struct tx *tx, struct application_work *w, struct prepared *d,
                      struct err *err) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < d->identity.count; i++) {
                const struct need *need = &d->identity.needs[i];
                struct q_resource_row *row;
                size_t n;

                r = q_resource_by_identity(
                        tx,
                        &(struct q_resource_by_identity_in){
                                .target_id = d->target_id, .type = need->type, .path = need->path },
                        &row, &n, err);
                if (r >= 0 && n)
                        r = add_edge(tx, w, d->resource, row->id, need->kind, "", err);
        }
        return r;
}

static int save_edges(struct tx *tx, struct application_work *w, struct prepared *d,
                      struct err *err) {
        int r = 0;

        if (!d->fresh)
                r = w_edge_delete_of(
                        tx, &(struct w_edge_delete_of_in){ .resource_id = d->resource }, err);
        if (r >= 0)
                r = save_found(tx, w, d, err);
        for (size_t i = 0; r >= 0 && i < d->output_count; i++)
                r = add_edge(tx, w, d->resource, d->outputs[i].resource, NEED_VALUE,
                             d->outputs[i].pointer, err);
        return r;
}

/* D's own edges are written anew with it. Where only the label that it needs stands for another
 * resource now, the one to the resource before goes. */
static int save_need(struct tx *tx, struct application_work *w, const struct prepared *d,
                     int64_t from, const char *on, int64_t to, enum need_kind kind,
                     struct err *err) {
        const struct world_want *was = world_want_in(w->wants, w->want_count, on);
        int r = 0;

        if (d->unchanged && was && was->resource != to)
                r = w_edge_delete_one(tx,
                                      &(struct w_edge_delete_one_in){ .resource_id = from,
                                                                      .needs_id = was->resource,
                                                                      .kind = need_name(kind) },
                                      err);
        if (r > 0)
                tx_mark(tx, MARK_RESOURCE, from);
        if (r >= 0)
                r = add_edge(tx, w, from, to, kind, "", err);
        if (r > 0 && d->unchanged)
                tx_mark(tx, MARK_RESOURCE, from);
        return r;
}

static int save_needs(struct tx *tx, struct application_work *w, struct err *err) {
        size_t i;
        json_t *need;

        json_array_foreach(w->plan->needs, i, need) {
                const char *label = json_get_str(need, "label", "");
                const char *on = json_get_str(need, "on", "");
                const char *kind = json_get_str(need, "kind", "");
                const struct prepared *d = application_doc(w, label);
                int64_t from = resource_of(w, d);
                int64_t to = resource_of(w, application_doc(w, on));
                bool ready = str_eq(kind, need_name(NEED_READY));
                int r;

                /* Of values the tokens themselves say more. */
                if (str_eq(kind, need_name(NEED_VALUE)) || (d && d->conflict))
                        continue;
                if (!from || !to)
                        return err_set(err, -ENOENT, "charm_needs: no document has the label %s",
                                       from ? on : label);
                r = save_need(tx, w, d, from, on, to, ready ? NEED_READY : NEED_EXISTS, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- circles */

struct visit { /* a resource whose needs are being followed */
        int64_t id;
        struct q_edge_row *edges;
        size_t count, next;
};

struct search {
        struct tx *tx;
        struct visit *path;
        size_t depth, room;
        struct map state; /* id -> ON_PATH or DONE */
};

#define ON_PATH ((void *)1)
#define DONE ((void *)2)

static int enter(struct search *s, int64_t id, struct err *err) {
        struct visit *v;

        s->path = mem_grow(s->path, &s->room, s->depth + 1, sizeof(*s->path));
        v = &s->path[s->depth++];
        *v = (struct visit){ .id = id };
        map_set_bytes(&s->state, &id, sizeof(id), ON_PATH);
        return q_edge_of(s->tx, &(struct q_edge_of_in){ .resource_id = id }, &v->edges, &v->count,
                         err);
}

static int print_circle(struct search *s, int64_t id, struct err *err) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        size_t from = s->depth;

        while (s->path[--from].id != id)
                continue;
        for (size_t i = from; i <= s->depth; i++) {
                int64_t at = i < s->depth ? s->path[i].id : id;
                struct q_resource_row *row;
                size_t n;
                int r = q_resource_by_id(s->tx, &(struct q_resource_by_id_in){ .id = at }, &row, &n,
                                         err);

                if (r < 0)
                        return r;
                buf_printf(&text, "%s%s %s", i > from ? " needs " : "", n ? row->type : "?",
                           n ? row->path : "?");
        }
        return err_set(err, -ELOOP, "needs go in a circle: %s", buf_str(&text));
}

static int follow(struct search *s, int64_t id, struct err *err) {
        int r = map_find_bytes(&s->state, &id, sizeof(id)) ? 0 : enter(s, id, err);

        while (r >= 0 && s->depth) {
                struct visit *v = &s->path[s->depth - 1];
                int64_t next = v->next < v->count ? v->edges[v->next].needs_id : 0;
                void *state = map_find_bytes(&s->state, &next, sizeof(next));

                v->next++;
                if (!next) {
                        map_set_bytes(&s->state, &v->id, sizeof(v->id), DONE);
                        s->depth--;
                } else if (state == ON_PATH) {
                        r = print_circle(s, next, err);
                } else if (!state) {
                        r = enter(s, next, err);
                }
        }
        return r < 0 ? r : 0;
}

/* A new circle goes through a new edge, so it is met from where that leads to. */
static int check_circles(struct tx *tx, const struct application_work *w, struct err *err) {
        struct search s = { .tx = tx };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < w->edge_count; i++)
                r = follow(&s, w->edges_to[i], err);
        map_free(&s.state);
        free(s.path);
        return r;
}

int application_save_edges(struct tx *tx, struct application_work *w, struct err *err) {
        int r = 0;

        w->edge_count = 0;
        for (size_t i = 0; r >= 0 && i < w->doc_count; i++)
                if (w->docs[i].resource && !w->docs[i].conflict)
                        r = save_edges(tx, w, &w->docs[i], err);
        if (r >= 0)
                r = save_needs(tx, w, err);
        return r < 0 ? r : check_circles(tx, w, err);
}
