/* SPDX-License-Identifier: Apache-2.0 */
/* resource-load.c - reads all that one resource's handling needs, on the store's read thread
 *
 * Row, edges and wanters always; the documents, the field set and the values of the document's
 * secrets only when an operation may follow. Parsing happens here too: a large CRD would hold
 * the loop for longer than it may. */
#include "reconcile-internal.h"

#include "opener.h"
#include "queries.gen.h"
#include "tally.h"

#include <errno.h>
#include <stdlib.h>

#define FREE_HERE_MAX (64u << 10) /* bytes of documents */

struct resource_job *resource_job_new(struct reconcile *rec, int64_t id, bool docs) {
        struct resource_job *j = mem_new(struct resource_job);

        j->rec = rec;
        j->id = id;
        j->docs = docs;
        j->call.lane = STORE_LOOP;
        j->call.actor = "loop";
        j->call.arg = j;
        list_init(&j->link);
        list_append(&rec->jobs, &j->link);
        return j;
}

static void forget_read(struct resource_job *j) {
        free(take_ptr(j->type));
        free(take_ptr(j->path));
        free(take_ptr(j->token));
        world_needs_free(take_ptr(j->needs), j->need_count);
        free(take_ptr(j->wanters));
        free(take_ptr(j->fields_text));
        json_decref(take_ptr(j->document));
        json_decref(take_ptr(j->baseline));
        j->values = secret_values_free(j->values);
        json_decref(take_ptr(j->own));
        json_decref(take_ptr(j->kept_before));
        j->need_count = j->wanter_count = 0;
        j->text_len = 0;
        j->found = j->outputs_valid = false;
}

/* Large documents have ten thousands of pieces of memory: a thread gives them back. */
struct trash {
        struct job job;
        json_t *json[3];
};

static void trash_work(void *arg) {
        struct trash *t = arg;

        for (size_t i = 0; i < ARRAY_SIZE(t->json); i++)
                json_decref(t->json[i]);
}

static void trash_done(void *arg) {
        free(arg);
}

static void drop_documents(struct resource_job *j) {
        struct trash *t = mem_new(struct trash);

        t->json[0] = take_ptr(j->document);
        t->json[1] = take_ptr(j->baseline);
        t->json[2] = take_ptr(j->op.baseline);
        t->job = (struct job){ .loop = j->rec->options.loop,
                               .work = trash_work,
                               .done = trash_done,
                               .arg = t,
                               .name = "documents" };
        job_start(&t->job);
}

struct resource_job *resource_job_free(struct resource_job *j) {
        if (!j)
                return NULL;
        list_unlink(&j->link);
        if (j->text_len > FREE_HERE_MAX && !j->rec->stopping)
                drop_documents(j);
        forget_read(j);
        op_clear(&j->op);
        drift_list_free(&j->differences);
        json_decref(j->marks);
        world_see_free(j->see);
        free(j->fates);
        free(j->kept);
        json_decref(j->kept_names);
        json_decref(j->seen_found);
        free(j->removal);
        free(j->release);
        free(j->instead);
        free(j->left_model);
        free(j->left_by);
        free(j->left_why);
        free(j->next_why);
        free(j);
        return NULL;
}

/* A long-running operation ends with what it was begun with. */
static void copy_token(struct resource_job *j, const struct q_resource_row *row) {
        if (!row->token[0])
                return;
        j->row.running = str_eq(row->token_action, decide_action_name(ACTION_REMOVE))
                                 ? ACTION_REMOVE
                                 : ACTION_APPLY;
        j->generation = row->token_generation;
        j->outputs_valid = row->token_outputs_len == DIGEST_SIZE;
        if (j->outputs_valid)
                memcpy(j->outputs, row->token_outputs, DIGEST_SIZE);
}

static void copy_row(struct resource_job *j, const struct q_resource_row *row) {
        struct resource_row *to = &j->row;

        *to = (struct resource_row){
                .dying = str_eq(row->life, "dying"),
                .data = row->keep,
                .remake = row->remake,
                .wanted_generation = row->wanted_generation,
                .applied_generation = row->applied_generation,
                .made = row->made,
                .adopted = row->adopted,
                .recreate = row->recreate,
                .initialised = row->initialised_at_null ? 0 : row->initialised_at,
                .accepted_loss = row->accepted_loss,
                .lost = !row->lost_at_null,
                .outcome = outcome_find(row->outcome),
                .baseline_valid = row->baseline_len == DIGEST_SIZE,
                .applied_at = row->applied_at_null ? 0 : row->applied_at,
                .unwritten = row->unwritten,
        };
        if (row->release_len == DIGEST_SIZE && !row->release_until_null) {
                j->release = mem_new(struct world_release);
                j->release->until = row->release_until;
                memcpy(j->release->digest, row->release, DIGEST_SIZE);
        }
        str_copy(to->incarnation, sizeof(to->incarnation), row->incarnation);
        j->instead = row->found[0] ? str_dup(row->found) : NULL;
        to->outputs_valid = row->outputs_len == DIGEST_SIZE;
        if (to->outputs_valid)
                memcpy(to->outputs, row->outputs, DIGEST_SIZE);
        if (to->baseline_valid)
                memcpy(to->baseline, row->baseline, DIGEST_SIZE);
        j->wanted_valid = row->wanted_len == DIGEST_SIZE;
        if (j->wanted_valid)
                memcpy(j->wanted, row->wanted, DIGEST_SIZE);
        j->fields_valid = row->fields_len == DIGEST_SIZE;
        if (j->fields_valid)
                memcpy(j->fields, row->fields, DIGEST_SIZE);
        j->target = row->target_id;
        j->owner = row->owner_id_null ? 0 : row->owner_id;
        j->model = row->model_id_null ? 0 : row->model_id;
        j->type = str_dup(row->type);
        j->path = str_dup(row->path);
        j->token = str_dup(row->token);
        copy_token(j, row);
        if (!str_eq(row->kept, "[]"))
                json_parse(row->kept, strlen(row->kept), &j->kept_before, NULL);
        j->tries = row->tries;
}

static int read_edges(struct tx *tx, struct resource_job *j, struct err *err) {
        struct q_edge_row *edges;
        struct q_want_row *wants;
        size_t n;
        int r = q_edge_of(tx, &(struct q_edge_of_in){ .resource_id = j->id }, &edges, &n, err);

        if (r < 0)
                return r;
        j->needs = mem_array(struct world_need, n);
        for (size_t i = 0; i < n; i++) {
                enum need_kind kind = NEED_EXISTS;

                while (kind < NEED_VALUE && !str_eq(need_name(kind), edges[i].kind))
                        kind++;
                j->needs[j->need_count++] =
                        (struct world_need){ edges[i].needs_id, kind,
                                             kind == NEED_VALUE ? str_dup(edges[i].output) : NULL };
        }
        r = q_want_by_resource(tx, &(struct q_want_by_resource_in){ .resource_id = j->id }, &wants,
                               &n, err);
        if (r < 0)
                return r;
        j->wanters = mem_array(int64_t, n);
        for (size_t i = 0; i < n; i++)
                if (!i || wants[i].application_id != j->wanters[j->wanter_count - 1])
                        j->wanters[j->wanter_count++] = wants[i].application_id;
        return 0;
}

/* What a plan only keeps is in model.db too. */
static int get_text(struct tx *tx, const struct resource_job *j, const uint8_t *digest,
                    const char **ret, size_t *ret_len, struct err *err) {
        struct q_kept_document_get_in in = { .resource_id = j->id,
                                             .wanted = digest,
                                             .wanted_len = DIGEST_SIZE };
        struct q_kept_document_get_row *row;
        size_t n = 0;
        int r = tx_cache_get(tx, digest, ret, ret_len, err), k;

        if (r != -ENOENT)
                return r;
        k = q_kept_document_get(tx, &in, &row, &n, err);
        if (k < 0 || !n)
                return k < 0 ? k : r;
        *ret = row->body;
        *ret_len = strlen(row->body);
        return 0;
}

static int read_json(struct tx *tx, struct resource_job *j, const uint8_t *digest, json_t **ret,
                     struct err *err) {
        const char *text;
        size_t len;
        int r = get_text(tx, j, digest, &text, &len, err);

        if (r < 0)
                return r;
        j->text_len += len;
        return json_parse(text, len, ret, err);
}

static int read_documents(struct tx *tx, struct resource_job *j, const struct q_resource_row *row,
                          struct err *err) {
        const char *text;
        size_t len;
        int r;

        if (j->fields_valid && !j->fields_known &&
            tx_cache_get(tx, j->fields, &text, &len, NULL) == 0)
                j->fields_text = str_ndup(text, len);
        if (!j->docs)
                return 0;
        if (row->baseline_document_len == DIGEST_SIZE &&
            read_json(tx, j, row->baseline_document, &j->baseline, err) < 0)
                j->baseline = NULL; /* forgotten: the ledger says less, the repair is the same */
        if (!j->wanted_valid)
                return 0;
        r = read_json(tx, j, row->wanted, &j->document, err);
        if (r < 0)
                return r == -ENOENT ? 0 : r; /* forgotten: the application is planned again */
        j->values = secret_values_new();
        r = opener_open(tx, j->rec->options.sealer, str_eq(row->life, "dying") ? 0 : j->owner,
                        j->document, j->values, err);
        /* Of two applications that go together the one that made the secret may be gone first;
         * nothing is written any more, so its value is not missed. */
        if (r == -ENOKEY && str_eq(row->life, "dying")) {
                *err = (struct err){ 0 };
                return 0;
        }
        if (r >= 0 && !j->row.applied_generation && j->owner)
                r = opener_own(tx, j->owner, j->document, &j->own, err);
        return r;
}

static int read_row(struct tx *tx, struct resource_job *j, const struct q_resource_row *row,
                    struct err *err) {
        int r;

        j->found = true;
        copy_row(j, row);
        r = read_edges(tx, j, err);
        return r < 0 ? r : read_documents(tx, j, row, err);
}

static int read_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct resource_job *j = c->arg;
        struct q_resource_row *row;
        size_t n;
        int r;

        forget_read(j);
        r = q_resource_by_id(tx, &(struct q_resource_by_id_in){ .id = j->id }, &row, &n, err);
        return r < 0 || n == 0 ? r : read_row(tx, j, row, err);
}

int resource_read_row(struct tx *tx, struct resource_job *j, const struct q_resource_row *row,
                      struct err *err) {
        j->fields_known = true;
        return read_row(tx, j, row, err);
}

int resource_load_now(struct tx *tx, struct resource_job *j, const struct q_resource_row *row,
                      struct err *err) {
        j->fields_known =
                row->fields_len == DIGEST_SIZE && world_has_fields(&j->rec->world, row->fields);
        return read_row(tx, j, row, err);
}

void resource_marked(struct reconcile *rec, int64_t id) {
        struct world_resource *r = world_resource(&rec->world, id);

        if (r) {
                r->stale = true;
                tally_resource(&rec->world, r);
        }
        map_set_bytes(&rec->marked, &id, sizeof(id), rec);
}

void resource_load(struct resource_job *j,
                   void (*done)(struct store_call *c, int r, const struct err *err)) {
        map_remove_bytes(&j->rec->marked, &j->id, sizeof(j->id));
        j->call.name = "resource read";
        j->call.run = read_run;
        j->call.done = done;
        store_read(j->rec->options.store, &j->call);
}

/* What R stands on, or stood on, may have waited for its row. */
static void wake_dying(struct reconcile *rec, const struct world_resource *r) {
        for (size_t i = 0; i < r->need_count; i++) {
                const struct world_resource *n = world_resource(&rec->world, r->needs[i].id);

                if (n && n->row.dying)
                        queue_add(rec->queue, KEY_RESOURCE, n->id, QUEUE_CHANGE);
        }
}

/* A mark that came while the row was read may tell of what was written after it was. */
static void take_stale(struct reconcile *rec, struct world_resource *r) {
        bool before = r->stale;

        r->stale = map_find_bytes(&rec->marked, &r->id, sizeof(r->id)) != NULL;
        if (!before || r->stale)
                return;
        for (size_t i = 0; i < r->wanter_count; i++)
                application_seen(rec, r->wanters[i]); /* shown as changing until now */
}

struct world_resource *resource_take(struct resource_job *j, struct err *err) {
        struct world *w = &j->rec->world;
        struct world_application *a;
        struct world_resource *r;
        struct world_target *t;

        if (!j->found) {
                r = world_resource(w, j->id);
                if (r) {
                        r->row.dying = true; /* what it stood on may go now */
                        resource_changed(j->rec, r);
                        world_resource_drop(w, r);
                        application_conflicts_may_end(j->rec);
                }
                return NULL;
        }
        r = world_resource_get(w, j->id, j->target, j->type, j->path);
        r->reconcile = j->rec;
        /* What was seen before its loss was accepted says nothing of what it is now. */
        if (j->row.accepted_loss && !r->row.accepted_loss)
                resource_look_again(r);
        if (j->row.adopted && !r->row.adopted)
                r->retry_at = 0; /* what stood in the way is ours: not at the back-off's end */
        if (j->row.recreate != r->row.recreate)
                r->retry_at = 0;
        r->row = j->row;
        free(r->release);
        r->release = take_ptr(j->release);
        free(r->found);
        r->found = take_ptr(j->instead);
        a = world_application(w, j->owner);
        if (a && r->row.unwritten)
                a->noted = true;
        if (r->state == STATE_NEW && r->row.applied_generation)
                world_set_state(w, r, STATE_UNSEEN);
        resource_keep_filled(r);
        if (r->owner && r->owner != j->owner)
                application_touch(j->rec, r->owner); /* its removal may wait for this */
        if (r->wanter_count > j->wanter_count)
                application_conflicts_may_end(j->rec);
        r->owner = j->owner;
        r->model = j->model;
        r->wanted_valid = j->wanted_valid;
        memcpy(r->wanted, j->wanted, DIGEST_SIZE);
        r->tries = (int)j->tries;
        json_decref(r->kept);
        r->kept = take_ptr(j->kept_before);
        wake_dying(j->rec, r);
        world_set_needs(w, r, j->needs, j->need_count);
        wake_dying(j->rec, r);
        free(r->wanters);
        r->wanters = take_ptr(j->wanters);
        r->wanter_count = j->wanter_count;
        resource_see(j->rec, r);
        r->interest.baseline = r->row.baseline_valid ? r->row.baseline : NULL;
        t = world_target(w, r->target);
        if (j->fields_valid && t && t->provider &&
            (j->fields_text || world_has_fields(w, j->fields)) &&
            world_set_fields(w, r, t->provider, j->fields, j->fields_text, err) < 0)
                world_set_fields(w, r, t->provider, NULL, NULL, NULL);
        take_stale(j->rec, r);
        tally_resource(w, r);
        return r;
}
