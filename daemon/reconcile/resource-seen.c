/* SPDX-License-Identifier: Apache-2.0 */
/* resource-seen.c - what was seen of a resource: by its provider, by a look, in an apply's answer
 *
 * The newest wins. An absence has no order, so where one meets the answer of an operation that was
 * out meanwhile, nobody can tell which is newer: it is looked at again. Data that was seen filled
 * is remembered in its row, and from then on never begun anew without a person. */
#include "reconcile-internal.h"

#include "command.h"

#include "tally.h"

#include "clock.h"
#include "log.h"
#include "queries.gen.h"

#include <stdlib.h>

static bool looks_same(const struct observation *a, const struct observation *b) {
        return a->presence == b->presence && a->ready == b->ready && a->ours == b->ours &&
               a->foreign == b->foreign && a->filled == b->filled &&
               a->digest_valid == b->digest_valid &&
               memcmp(a->digest, b->digest, DIGEST_SIZE) == 0 &&
               str_eq(a->incarnation, b->incarnation) && str_eq(a->reason, b->reason) &&
               json_equal(a->seen, b->seen) && json_equal(a->output, b->output);
}

/* json_equal does not take two NULLs as equal. */
static bool same(const struct observation *a, const struct observation *b) {
        struct observation x = *a, y = *b;

        if (!x.seen && !y.seen)
                x.seen = y.seen = json_null();
        if (!x.output && !y.output)
                x.output = y.output = json_null();
        return looks_same(&x, &y);
}

void resource_observed(struct reconcile *rec, struct world_target *t, const char *type,
                       const char *path, struct observation *o) {
        struct world_resource *r = world_resource_at(&rec->world, t->id, type, path);
        bool changed;

        if (!r) {
                observation_clear(o);
                return;
        }
        /* Older than our own last write, or than what was there before an etcd was restored: a list
         * that ends with it has it looked at. */
        if (o->order && r->seen.order > o->order && str_eq(o->incarnation, r->seen.incarnation)) {
                observation_clear(o);
                return;
        }
        r->news = r->listed = true;
        changed = !same(&r->seen, o);
        observation_move(&r->seen, o);
        resource_let_found_go(rec, r);
        if (!changed)
                return;
        resource_mark_filled(rec, r); /* the next news may be that it is gone */
        queue_add(rec->queue, KEY_RESOURCE, r->id, QUEUE_DRIFT);
        resource_changed(rec, r);
}

/* ---- answers */

bool resource_overtaken(const struct world_resource *r, const struct op *op) {
        if (!r->news || (r->seen.presence == PRESENCE_ABSENT && op->outcome == OUTCOME_GONE))
                return false;
        if (r->seen.order && op->seen.order)
                return r->seen.order > op->seen.order;
        return true;
}

void resource_look_again(struct world_resource *r) {
        r->seen.presence = PRESENCE_UNKNOWN;
        r->look_again = true;
        tally_resource(&r->reconcile->world, r);
}

void resource_take_look(struct resource_job *j, struct world_resource *r) {
        struct op *op = &j->op;
        bool overtaken = resource_overtaken(r, op), changed;

        if (op->outcome == OUTCOME_GONE)
                op->seen.presence = PRESENCE_ABSENT;
        r->look_again = false;
        r->untold |= r->tries > 0;
        r->tries = 0;
        r->retry_at = 0;
        if (r->row.applied_generation == r->row.wanted_generation && r->row.running == ACTION_NONE)
                r->row.outcome = OUTCOME_DONE;
        if (overtaken && r->seen.order && op->seen.order)
                return;
        changed = !same(&r->seen, &op->seen);
        observation_move(&r->seen, &op->seen);
        resource_mark_filled(j->rec, r);
        if (overtaken || world_see_more(r, j->see))
                resource_look_again(r);
        if (changed)
                resource_changed(j->rec, r);
}

/* What stands on a thing that was made anew may have gone with the one before, as a grant goes
 * with its user. Nobody tells of that where there is no watch. */
void resource_doubt_dependants(struct reconcile *rec, const struct world_resource *r) {
        const struct world_ids *l = world_needed_by(&rec->world, r->id);

        for (size_t i = 0; l && i < l->count; i++) {
                struct world_resource *d = world_resource(&rec->world, l->ids[i]);

                if (d)
                        d->seen.as_of = 0; /* too long ago: it is looked at */
        }
}

/* ---- data */

bool resource_made_again(const struct resource_job *j) {
        return j->op.created && !j->request.first && decide_is_sacred(&j->row);
}

struct filled {
        struct store_call call;
        struct reconcile *rec;
        int64_t id;
};

static int filled_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct filled *f = c->arg;
        int r = w_resource_set_filled(
                tx, &(struct w_resource_set_filled_in){ .id = f->id, .at = tx_now(tx) }, err);

        tx_mark(tx, MARK_RESOURCE, f->id);
        return r < 0 ? r : 0;
}

static void filled_done(struct store_call *c, int k, const struct err *err) {
        struct filled *f = c->arg;
        struct world_resource *r = world_resource(&f->rec->world, f->id);

        if (k < 0)
                log_plain(LOG_WARNING, "filled", "resource %lld: %s", (long long)f->id,
                          err_text(err));
        if (r)
                r->filling = false;
        if (r && k < 0) {
                r->stale = true; /* tried again with what its row says, and what is seen then */
                tally_resource(&f->rec->world, r);
                queue_add(f->rec->queue, KEY_RESOURCE, f->id, QUEUE_CHANGE);
        }
        free(f);
}

void resource_keep_filled(struct world_resource *r) {
        if (!r->filling)
                return;
        r->row.initialised = r->row.initialised ? r->row.initialised : clock_wall();
        r->row.lost = r->row.accepted_loss = false;
}

void resource_mark_filled(struct reconcile *rec, struct world_resource *r) {
        struct filled *f;
        bool known = r->row.initialised && !r->row.lost && !r->row.accepted_loss;

        if (!r->row.data || known || !r->seen.filled || r->seen.presence != PRESENCE_PRESENT ||
            !str_eq(r->seen.incarnation, r->row.incarnation))
                return;
        if (r->row.lost && !decide_is_back(&r->row, &r->seen))
                return;
        r->filling = true;
        resource_keep_filled(r);
        f = mem_new(struct filled);
        f->rec = rec;
        f->id = r->id;
        f->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .run = filled_run,
                                       .done = filled_done,
                                       .arg = f };
        store_submit(rec->options.store, &f->call);
}

char *resource_seen_text(const struct world_resource *r) {
        cleanup_(buf_free) struct buf b = BUF_INIT;
        char hex[DIGEST_HEX_SIZE] = "";
        uint8_t digest[DIGEST_SIZE];

        if (r->seen.presence != PRESENCE_PRESENT)
                return str_dup(presence_name(r->seen.presence));
        buf_puts(&b, r->seen.incarnation);
        if (r->seen.digest_valid)
                buf_add(&b, r->seen.digest, DIGEST_SIZE);
        digest_sha256(buf_str(&b), b.len, digest);
        digest_hex(digest, DIGEST_SIZE / 4, hex);
        return str_format("%s %s", presence_name(r->seen.presence), hex);
}

const char *resource_content_text(const struct world_resource *r, char ret[DIGEST_HEX_SIZE]) {
        if (!r->wanted_valid)
                return "";
        return digest_hex(r->wanted, DIGEST_SIZE, ret);
}

bool resource_released(const struct world_resource *r) {
        cleanup_(freep) char *seen = NULL;
        char hex[DIGEST_HEX_SIZE];
        uint8_t digest[DIGEST_SIZE];

        if (!r->release || r->release->until <= clock_wall())
                return false;
        seen = resource_seen_text(r);
        command_release_digest(resource_content_text(r, hex), seen, digest);
        return memcmp(digest, r->release->digest, DIGEST_SIZE) == 0;
}
