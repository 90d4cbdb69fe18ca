/* SPDX-License-Identifier: Apache-2.0 */
/* application-stage.c - what a refresh in stages wants of an application's workloads
 *
 * A hold is put into the document where it is made ready, behind the charm's back: what is wanted
 * in a stage is what is applied, and what is repaired. Only a document that is other than the one
 * that is in place is held: a refresh that changes a Service touches no workload. */
#include "application.h"

#include "queries.gen.h"

#include <stdlib.h>

static json_t *json_of(const char *text) {
        json_t *j = NULL;

        return json_parse(text, strlen(text), &j, NULL) >= 0 ? j : json_object();
}

static char *content_text(struct tx *tx, const char *sha256, struct err *err) {
        struct q_charm_row *row;
        size_t n = 0;
        int r = q_charm_by_sha256(tx, &(struct q_charm_by_sha256_in){ .sha256 = sha256 }, &row, &n,
                                  err);

        return str_format("revision %lld (content %.12s)",
                          r >= 0 && n ? (long long)row->revision : 0, sha256);
}

int application_stage_read(struct tx *tx, struct application_work *w, struct err *err) {
        struct q_refresh_row *row;
        struct world_refresh *f;
        const char *check_text = NULL;
        int r = refresh_find(tx, w->id, &row, err);

        if (r < 0 || !row || refresh_is_over(refresh_stage_find(row->stage)))
                return r;
        w->refresh = f = mem_new(struct world_refresh);
        f->stage = refresh_stage_find(row->stage);
        f->turn = row->turn;
        f->stage_at = row->stage_at;
        f->well_at = row->well_at_null ? 0 : row->well_at;
        f->paused = str_dup(row->paused);
        f->units = json_of(row->units);
        f->holds = json_of(row->holds);
        f->was_active = row->was_active;
        f->to = content_text(tx, f->stage == REFRESH_ROLLBACK ? row->from_sha256 : row->to_sha256,
                             err);
        r = refresh_check_look(tx, row, &f->check, &check_text, err);
        f->check_text = str_dup(check_text);
        return r;
}

static struct world_refresh *copy(const struct world_refresh *f) {
        struct world_refresh *c = mem_new(struct world_refresh);

        *c = *f;
        c->paused = str_dup(f->paused);
        c->units = json_incref(f->units);
        c->holds = json_incref(f->holds);
        c->to = str_dup(f->to);
        c->check_text = str_dup(f->check_text);
        c->waits = str_dup(f->waits);
        return c;
}

/* What this process has seen of the same stage goes on. */
void application_stage_take(struct application_work *w, struct world_application *a) {
        struct world_refresh *old = a->refresh, *f = w->refresh ? copy(w->refresh) : NULL;

        if (f && old && old->turn > f->turn) { /* what was read is older than what is known */
                world_refresh_free(f);
                return;
        }
        if (f && old && old->stage == f->stage && !old->paused == !f->paused) {
                f->since = old->since;
                f->broken_since = old->broken_since;
                f->moving = old->moving && old->turn == f->turn;
                f->waits = take_ptr(old->waits);
        }
        a->refresh = f;
        world_refresh_free(old);
}

/* ---- holds */

static json_t *hold_of(const struct application_work *w, const char *label) {
        const struct world_refresh *f = w->refresh;
        const json_t *updated = json_get(f->holds, label);
        json_t *hold = NULL;

        if (f->stage == REFRESH_CANARY)
                hold = json_pack("{s:s}", "stage", "canary");
        else if (f->stage == REFRESH_REST && f->paused && updated)
                hold = json_pack("{s:s, s:I}", "stage", "stop", "updated",
                                 (json_int_t)json_integer_value(updated));
        if (hold)
                json_object_set(hold, "scale", json_get(w->view, "scale"));
        return hold;
}

/* Not what was seen of it: after a start that is not known yet, and nothing may be let go then. */
static bool can_be_held(struct reconcile *rec, const struct world_want *want) {
        const struct world_resource *r = world_resource(&rec->world, want->resource);
        const struct world_target *t = r ? world_target(&rec->world, r->target) : NULL;
        const struct provider *p = t ? t->provider : NULL;

        return p && p->hold && p->runs && p->runs(r->type) && r->row.applied_generation;
}

void application_stage_hold(struct application_work *w) {
        json_decref(take_ptr(w->holds));
        for (size_t i = 0; w->refresh && i < w->want_count; i++) {
                const struct world_want *want = &w->wants[i];
                json_t *hold = can_be_held(w->rec, want) ? hold_of(w, want->label) : NULL;

                if (!hold)
                        continue;
                if (!w->holds)
                        w->holds = json_object();
                json_object_set_new(w->holds, want->label, hold);
        }
}

void application_stage_digest(const struct application_work *w, struct buf *b) {
        if (w->holds)
                json_canonical(w->holds, b);
}

void application_stage_free(struct application_work *w) {
        json_decref(w->holds);
        world_refresh_free(w->refresh);
}

const json_t *application_stage_mark(const struct application_work *w, struct prepared *d) {
        const struct world_want *want = world_want_in(w->wants, w->want_count, d->label);
        const json_t *hold = json_get(w->holds, d->label);
        cleanup_(buf_free) struct buf b = BUF_INIT;

        if (!hold || !want ||
            (str_eq(json_get_str(hold, "stage", ""), "canary") &&
             memcmp(want->document, d->mark, DIGEST_SIZE) == 0))
                return NULL;
        buf_add(&b, d->mark, DIGEST_SIZE);
        json_canonical(hold, &b);
        digest_sha256(b.data, b.len, d->mark);
        return hold;
}
