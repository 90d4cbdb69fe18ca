/* SPDX-License-Identifier: Apache-2.0 */
/* kept.c - detached storage is looked at: nobody uses it, so nobody else would notice its end
 *
 * Each round (every `poll-period`, and soon after a target answers) reads the rows and looks at
 * each by its name, some at a time; after a command only at those that are new. One that is
 * gone, is another one or is marked for deletion is said in its row, in one commit with a line
 * of drift, and in the log and the events. Nothing outside is written. What cannot be read stays
 * as it was last. */
#include "reconcile-internal.h"

#include "clock.h"
#include "log.h"
#include "queries.gen.h"

#include <stdlib.h>

#define KEPT_EVERY_MS 30000 /* as what is polled */
#define KEPT_AT_ONCE 4      /* looks: they are in no hurry, and others want the servers too */
#define KEPT_PAGE 500

struct kept_row {
        struct reconcile *rec;
        int64_t id, model, target, resource, initialised;
        char *application, *type, *path, *incarnation;
        char *trouble; /* as its row says: "lost", "destroying" or "" */
        char *message;
        bool unknown; /* it could not be looked at: MESSAGE says why */
        bool listed, busy;
        struct list due; /* in the list of those that are to be looked at */
        json_t *marks;
        struct apply_request request;
        struct op op;
};

struct kept {
        struct reconcile *rec;
        struct map rows; /* id -> struct kept_row */
        struct list due;
        int64_t all_at; /* clock_mono: from then on a round looks at all, */
        bool all;       /* as this one does */
        struct timer timer;
        struct store_call call;
        bool reading, again; /* AGAIN: a round was asked for while one reads */
        int64_t after;
        struct kept_row *page; /* read, of the round that is under way */
        size_t page_count;
        size_t busy;    /* looks */
        size_t telling; /* commits */
};

static void next_look(struct kept *k);

/* ---- rows */

static void row_deinit(struct kept_row *r) {
        free(r->application);
        free(r->type);
        free(r->path);
        free(r->incarnation);
        free(r->trouble);
        free(r->message);
        json_decref(r->marks);
}

static void stop_look(struct kept_row *r) {
        const struct world_target *t = world_target(&r->rec->world, r->target);

        if (!r->busy)
                return;
        t->provider->cancel(&r->op);
        op_clear(&r->op);
        r->busy = false;
        r->rec->kept->busy--;
}

static void row_free(struct kept_row *r) {
        stop_look(r);
        list_unlink(&r->due);
        row_deinit(r);
        free(r);
}

static void page_free(struct kept *k) {
        for (size_t i = 0; i < k->page_count; i++)
                row_deinit(&k->page[i]);
        free(take_ptr(k->page));
        k->page_count = 0;
}

/* ---- what is told */

struct telling {
        struct store_call call;
        struct reconcile *rec;
        int64_t id;
        enum drift_kind drift; /* DRIFT_NONE: it is there again */
        bool told;             /* it was news to the row */
        char *trouble, *message;
};

static enum drift_kind drift_of(const char *trouble) {
        if (str_eq(trouble, "lost"))
                return DRIFT_DATA_LOST;
        return *trouble ? DRIFT_LEAVING : DRIFT_NONE;
}

static int insert_line(struct tx *tx, const struct telling *t, const struct q_detached_row *row,
                       struct err *err) {
        return w_drift_insert(
                tx,
                &(struct w_drift_insert_in){
                        .id = tx_id(tx, "drift"),
                        .model_id = row->model_id,
                        .application = row->application,
                        .resource_id = row->resource_id,
                        .type = row->type,
                        .path = row->path,
                        .fields = tx_format(tx, "[{\"what\":\"%s\"}]", ledger_word(t->drift)),
                        .who = DRIFT_WHO_UNKNOWN,
                        .changed_at_null = true,
                        .seen_at = tx_now(tx),
                        .detected_ms_null = true,
                        .action = "report",
                        .outcome = drift_outcome_name(DRIFT_OPEN) },
                err);
}

static int tell_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct telling *t = c->arg;
        struct q_detached_row *row;
        size_t n;
        int r = q_detached_by_id(tx, &(struct q_detached_by_id_in){ .id = t->id }, &row, &n, err);

        t->told = r >= 0 && n && !str_eq(row->trouble, t->trouble);
        if (!t->told)
                return r;
        r = w_drift_close_open(
                tx,
                &(struct w_drift_close_open_in){
                        .resource_id = row->resource_id,
                        .outcome = drift_outcome_name(t->drift ? DRIFT_SUPERSEDED : DRIFT_UNDONE),
                        .repaired_at = tx_now(tx) },
                err);
        if (r >= 0)
                r = w_detached_set_trouble(
                        tx,
                        &(struct w_detached_set_trouble_in){ .trouble = t->trouble, .id = t->id },
                        err);
        return r < 0 || !t->drift ? r : insert_line(tx, t, row, err);
}

static void announce(const struct telling *t, struct kept_row *r) {
        const struct world_model *m = world_model(&t->rec->world, r->model);

        if (t->drift)
                ledger_count(t->drift, r->type, DRIFT_WHO_UNKNOWN);
        log_event(t->drift ? LOG_ERR : LOG_NOTICE, "storage",
                  (struct log_field[]){ { "MODEL", m ? m->name : NULL },
                                        { "APPLICATION", r->application },
                                        { "RESOURCE", r->path },
                                        {} },
                  "%s %s, kept of %s: %s", r->type, r->path, r->application,
                  t->drift ? t->message : "it is there again");
        reconcile_event(t->rec, "storage", m ? m->name : "", r->path,
                        t->drift ? t->trouble : "detached");
}

static void tell_done(struct store_call *c, int k, const struct err *err) {
        struct telling *t = c->arg;
        struct kept_row *r = map_find_bytes(&t->rec->kept->rows, &t->id, sizeof(t->id));

        t->rec->kept->telling--;
        if (k < 0)
                log_plain(LOG_WARNING, "storage", "detached %lld: %s", (long long)t->id,
                          err_text(err));
        if (k >= 0 && r)
                str_set(&r->trouble, t->trouble);
        if (k >= 0 && r && t->told)
                announce(t, r);
        free(t->trouble);
        free(t->message);
        free(t);
}

static void tell(struct kept_row *r, const char *trouble) {
        struct telling *t = mem_new(struct telling);

        t->rec = r->rec;
        t->id = r->id;
        t->drift = drift_of(trouble);
        t->trouble = str_dup(trouble);
        t->message = str_dup(r->message ? r->message : "");
        t->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .name = "kept storage",
                                       .run = tell_run,
                                       .done = tell_done,
                                       .arg = t };
        r->rec->kept->telling++;
        store_submit(r->rec->options.store, &t->call);
}

/* ---- judging */

static bool is_another(const struct kept_row *r, const struct observation *o) {
        return r->incarnation[0] && o->incarnation[0] && !str_eq(r->incarnation, o->incarnation) &&
               (str_eq(r->trouble, "lost") || !o->counted || !o->filled);
}

static char *lost_text(const struct kept_row *r, const struct observation *o) {
        cleanup_(freep) char *another = decide_another(o);
        char since[CLOCK_TEXT_MAX];
        const char *then = another ? another : "restore it under that name";

        if (!r->initialised)
                return str_format("is gone; nothing was seen in it: %s", then);
        return str_format("is gone, and held data since %s: %s",
                          clock_iso(r->initialised, false, since), then);
}

static const char *judge(struct kept_row *r, const struct observation *o) {
        free(take_ptr(r->message));
        if (o->presence == PRESENCE_ABSENT || is_another(r, o)) {
                r->message = lost_text(r, o);
                return "lost";
        }
        if (o->presence != PRESENCE_LEAVING)
                return "";
        r->message = str_format("%s: copy the data, or set its volume to Retain, before it is gone",
                                o->reason ? o->reason : "it is being deleted");
        return "destroying";
}

static void on_look(struct op *op) {
        struct kept_row *r = op->arg;
        const char *trouble;

        r->busy = false;
        r->rec->kept->busy--;
        if (op->outcome == OUTCOME_GONE)
                op->seen.presence = PRESENCE_ABSENT;
        r->unknown = op->outcome != OUTCOME_DONE && op->outcome != OUTCOME_GONE;
        if (r->unknown) {
                str_set(&r->message, err_text(&op->err));
        } else {
                trouble = judge(r, &op->seen);
                if (!str_eq(trouble, r->trouble))
                        tell(r, trouble);
        }
        op_clear(op);
        next_look(r->rec->kept);
}

/* ---- looking */

/* Why it cannot be looked at now; NULL: it can. */
static const char *find_away(struct kept_row *r, char *text, size_t size) {
        struct world *w = &r->rec->world;
        const struct world_model *m = world_model(w, r->model);
        const struct world_target *t = world_target(w, r->target);

        if (!t || !t->open || !t->provider)
                return t && t->reach_why ? t->reach_why : "its server is not open";
        if ((t->provider->can & PROVIDER_WATCHES) && !t->reachable)
                return t->reach_why ? t->reach_why : "no answer yet";
        return m ? scope_elsewhere(r->rec, m, text, size) : NULL;
}

static void start_look(struct kept_row *r) {
        const struct world_target *t = world_target(&r->rec->world, r->target);
        const struct world_model *m = world_model(&r->rec->world, r->model);
        char text[400];
        const char *away = find_away(r, text, sizeof(text));

        r->unknown = away != NULL;
        if (away) {
                str_set(&r->message, away);
                return;
        }
        json_decref(r->marks);
        r->marks = json_pack("{s:s, s:s, s:s, s:s}", "controller", r->rec->controller, "model",
                             m ? m->name : "", "model-uuid", m ? m->uuid : "", "application",
                             r->application);
        r->request = (struct apply_request){ .type = r->type,
                                             .path = r->path,
                                             .marks = r->marks,
                                             .incarnation = r->incarnation,
                                             .token = "" };
        r->op = (struct op){ .loop = r->rec->options.loop, .done = on_look, .arg = r };
        r->busy = true;
        r->rec->kept->busy++;
        t->provider->look(t->open, &r->request, &r->op);
}

static void next_look(struct kept *k) {
        list_each(link, &k->due) {
                struct kept_row *r = list_entry(link, struct kept_row, due);

                if (k->busy == KEPT_AT_ONCE)
                        return;
                if (r->busy)
                        continue;
                list_unlink(&r->due);
                start_look(r);
        }
}

/* ---- reading */

static void copy_row(struct kept *k, struct kept_row *to, const struct q_detached_row *row) {
        *to = (struct kept_row){
                .rec = k->rec,
                .id = row->id,
                .model = row->model_id,
                .target = row->target_id,
                .resource = row->resource_id,
                .initialised = row->initialised_at_null ? 0 : row->initialised_at,
                .application = str_dup(row->application),
                .type = str_dup(row->type),
                .path = str_dup(row->path),
                .incarnation = str_dup(row->incarnation),
                .trouble = str_dup(row->trouble),
        };
}

static int read_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct kept *k = c->arg;
        struct q_detached_row *rows;
        size_t n;
        int r = q_detached_page(tx,
                                &(struct q_detached_page_in){ .after = k->after, .max = KEPT_PAGE },
                                &rows, &n, err);

        page_free(k);
        k->page = mem_array(struct kept_row, r >= 0 ? n : 0);
        for (; r >= 0 && k->page_count < n; k->page_count++)
                copy_row(k, &k->page[k->page_count], &rows[k->page_count]);
        return r < 0 ? r : 0;
}

/* What was seen of it last stays. */
static void merge(struct kept *k, struct kept_row *from) {
        struct kept_row *r = map_find_bytes(&k->rows, &from->id, sizeof(from->id));

        if (!r) {
                r = mem_new(struct kept_row);
                *r = *from;
                *from = (struct kept_row){ 0 };
                map_set_bytes(&k->rows, &r->id, sizeof(r->id), r);
                list_append(&k->due, &r->due);
        }
        r->listed = true;
        if (k->all && !list_linked(&r->due))
                list_append(&k->due, &r->due);
}

static void drop_ended(struct kept *k) {
        int64_t *ids = mem_array(int64_t, k->rows.count);
        struct map_entry *e;
        size_t n = 0;

        for (size_t i = 0; (e = map_next(&k->rows, &i));) {
                struct kept_row *r = e->value;

                if (!r->listed)
                        ids[n++] = r->id;
                r->listed = false;
        }
        while (n--)
                row_free(map_remove_bytes(&k->rows, &ids[n], sizeof(ids[n])));
        free(ids);
}

static void read_page(struct kept *k);

static void on_read(struct store_call *c, int r, const struct err *err) {
        struct kept *k = c->arg;
        bool more = r >= 0 && k->page_count == KEPT_PAGE && !k->rec->stopping;

        if (r < 0)
                log_plain(LOG_WARNING, "storage", "%s", err_text(err));
        for (size_t i = 0; r >= 0 && i < k->page_count; i++) {
                k->after = k->page[i].id;
                merge(k, &k->page[i]);
        }
        page_free(k);
        if (more)
                return read_page(k);
        k->reading = false;
        if (k->rec->stopping)
                return;
        if (r >= 0)
                drop_ended(k);
        timer_set(&k->timer, k->again ? clock_mono() : k->all_at);
        k->again = false;
        next_look(k);
}

static void read_page(struct kept *k) {
        k->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .name = "kept storage",
                                       .run = read_run,
                                       .done = on_read,
                                       .arg = k };
        store_read(k->rec->options.store, &k->call);
}

static void on_round(void *arg) {
        struct kept *k = arg;
        int64_t every = k->rec->options.poll_ms;

        k->all = clock_mono() >= k->all_at;
        if (k->all)
                k->all_at = clock_mono() + (every ? every : KEPT_EVERY_MS);
        k->reading = true;
        k->after = 0;
        read_page(k);
}

void kept_soon(struct reconcile *rec) {
        rec->kept->all_at = 0;
        kept_added(rec);
}

void kept_added(struct reconcile *rec) {
        if (rec->kept->reading)
                rec->kept->again = true;
        else if (rec->started && !rec->stopping)
                timer_after(&rec->kept->timer, 0);
}

bool kept_idle(const struct reconcile *rec) {
        return !rec->kept->reading && rec->kept->telling == 0;
}

/* ---- life */

struct kept *kept_new(struct reconcile *rec) {
        struct kept *k = mem_new(struct kept);

        k->rec = rec;
        list_init(&k->due);
        timer_init(&k->timer, rec->options.loop, "kept", on_round, k);
        return k;
}

void kept_target_closes(struct reconcile *rec, int64_t target) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->kept->rows, &i));) {
                struct kept_row *r = e->value;

                if (r->target == target)
                        stop_look(r);
        }
}

void kept_stop(struct reconcile *rec) {
        struct map_entry *e;

        timer_cancel(&rec->kept->timer);
        for (size_t i = 0; (e = map_next(&rec->kept->rows, &i));)
                stop_look(e->value);
}

static void free_row(void *row) {
        row_free(row);
}

struct kept *kept_free(struct kept *k) {
        page_free(k);
        map_free_with(&k->rows, free_row);
        free(k);
        return NULL;
}

json_t *reconcile_kept(struct reconcile *rec, const char *model) {
        const struct world_model *m = world_model_named(&rec->world, model);
        json_t *out = json_object();
        struct map_entry *e;

        for (size_t i = 0; m && (e = map_next(&rec->kept->rows, &i));) {
                const struct kept_row *r = e->value;
                const char *word = r->trouble[0] ? r->trouble : r->unknown ? "unknown" : "detached";
                char id[32];

                snprintf(id, sizeof(id), "%lld", (long long)r->id);
                if (r->model == m->id && !str_eq(word, "detached"))
                        json_object_set_new(out, id,
                                            json_pack("{s:s, s:s}", "current", word, "message",
                                                      r->message ? r->message : ""));
        }
        return out;
}

json_t *kept_troubles(struct reconcile *rec) {
        json_t *out = json_array();
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->kept->rows, &i));) {
                const struct kept_row *r = e->value;
                const struct world_model *m = world_model(&rec->world, r->model);

                if (m && r->trouble[0])
                        json_array_append_new(
                                out, json_pack("{s:s, s:s, s:s, s:o}", "model", m->name, "name",
                                               r->application, "trouble", r->trouble, "lost",
                                               json_sprintf("%s %s, kept as detached storage: %s",
                                                            r->type, r->path,
                                                            r->message ? r->message : r->trouble)));
        }
        return out;
}
