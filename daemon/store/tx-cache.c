/* SPDX-License-Identifier: Apache-2.0 */
/* tx-cache.c - documents by hash inside a call, and the sweep of those that no row names any
 * more
 *
 * The sweep goes in rounds of short steps, its place kept in cache.db: all resources, all wants,
 * each document that they name marked with the round; then what carries an older mark is
 * dropped. What is put meanwhile carries the mark from the start. A row that takes over a digest
 * from a row further on may lose its document: then it is planned again, as after any loss of
 * cache.db. */
#include "store-private.h"

#include "cache.gen.h"
#include "log.h"
#include "queries.gen.h"

#include <errno.h>

#define SWEEP_STEP 500 /* rows or documents a step: a few milliseconds of the store thread */

/* The same call on the other database. */
static struct tx on_cache(struct tx *tx) {
        struct tx sub = *tx;

        sub.engine = &store_engine_sqlite;
        sub.connection = cache_connection(tx->cache);
        return sub;
}

static int try_put(struct tx *tx, const struct w_document_put_in *in, struct err *err) {
        struct tx sub;
        int r = cache_begin(tx->cache, err);

        if (r < 0)
                return r;
        sub = on_cache(tx);
        return w_document_put(&sub, in, err);
}

/* Each put is a statement, and thousands of objects may have the same field set. */
static bool was_put(const struct tx_group *g, const uint8_t sha256[DIGEST_SIZE]) {
        for (size_t i = 0; i < MIN_OF(g->n_put, (size_t)TX_PUT_MAX); i++)
                if (memcmp(g->put[i], sha256, DIGEST_SIZE) == 0)
                        return true;
        return false;
}

static void note_put(struct tx_group *g, const uint8_t sha256[DIGEST_SIZE]) {
        memcpy(g->put[g->n_put++ % TX_PUT_MAX], sha256, DIGEST_SIZE);
}

static int recreate(struct tx *tx, struct err *err) {
        log_plain(LOG_WARNING, "cache-made", "%s: made anew, empty", err_text(err));
        tx->group->n_put = 0;
        return cache_recreate(tx->cache, err);
}

int tx_cache_put(struct tx *tx, const void *data, size_t len, uint8_t ret_sha256[DIGEST_SIZE],
                 struct err *err) {
        struct w_document_put_in in = { .data = data ? data : "", .data_len = len };
        uint8_t sha256[DIGEST_SIZE];
        struct err own = {};
        int r;

        if (tx->lost || !tx->group)
                return tx_write(tx, &cache_statements[0], &in, err); /* tells why not */
        digest_sha256(data, len, sha256);
        memcpy(ret_sha256, sha256, DIGEST_SIZE);
        if (was_put(tx->group, sha256))
                return 0;
        in.sha256 = sha256;
        in.sha256_len = DIGEST_SIZE;
        err = err ? err : &own;
        r = try_put(tx, &in, err);
        if (r == -EUCLEAN) {
                r = recreate(tx, err);
                if (r == 0)
                        r = try_put(tx, &in, err);
        }
        if (r < 0)
                return tx_is_loss(r) ? tx_lose(tx, r, err) : r;
        note_put(tx->group, sha256);
        return 0;
}

/* The file is not checked when it is opened; each document is, when it is read. */
static bool is_whole(const struct q_document_get_row *row, const uint8_t sha256[DIGEST_SIZE]) {
        uint8_t found[DIGEST_SIZE];

        digest_sha256(row->data, row->data_len, found);
        return memcmp(found, sha256, DIGEST_SIZE) == 0;
}

int tx_cache_get(struct tx *tx, const uint8_t sha256[DIGEST_SIZE], const char **ret,
                 size_t *ret_len, struct err *err) {
        struct q_document_get_in in = { .sha256 = sha256, .sha256_len = DIGEST_SIZE };
        struct q_document_get_row *row;
        struct tx sub = on_cache(tx);
        struct err why = {};
        size_t n = 0;
        int r;

        if (sub.connection && !tx->group)
                cache_begin(tx->cache, &why); /* else each statement would take its own lock */
        if (tx->lost)
                return err_set(err, tx->lost, "%s", tx->lost_err.text);
        r = sub.connection ? q_document_get(&sub, &in, &row, &n, &why) : 0;
        if (r >= 0 && n && !is_whole(row, sha256))
                r = err_set(&why, -EUCLEAN, "cache.db: a document is not what its hash says");
        if (r < 0)
                log_plain(LOG_WARNING, "cache-unreadable", "%s", err_text(&why));
        if (r < 0 || n == 0)
                return err_set(err, -ENOENT, "the document is not in the cache");
        *ret = (const char *)row->data;
        *ret_len = row->data_len;
        return 0;
}

/* ---- sweep */

struct sweep {
        struct tx *tx, cache;
        struct q_sweep_get_row *at;
        struct err *err;
};

static int mark_seen(struct sweep *s, const uint8_t *sha256, size_t len) {
        struct w_document_seen_in in = { .sha256 = sha256,
                                         .sha256_len = len,
                                         .seen = s->at->round };

        return sha256 ? w_document_seen(&s->cache, &in, s->err) : 0;
}

static int save(struct sweep *s, const struct w_sweep_set_in *to) {
        int r = w_sweep_set(&s->cache, to, s->err);

        return r < 0 ? r : 1;
}

static int see_resources(struct sweep *s) {
        struct q_resource_digests_in in = { .after = s->at->resource_id, .max = SWEEP_STEP };
        struct w_sweep_set_in next = { .round = s->at->round, .resource_id = -1, .label = "" };
        struct q_resource_digests_row *rows;
        size_t n;
        int r = q_resource_digests(s->tx, &in, &rows, &n, s->err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = mark_seen(s, rows[i].wanted, rows[i].wanted_len);
                if (r >= 0)
                        r = mark_seen(s, rows[i].fields, rows[i].fields_len);
                if (r >= 0)
                        r = mark_seen(s, rows[i].baseline_document, rows[i].baseline_document_len);
        }
        if (r < 0)
                return r;
        if (n == SWEEP_STEP)
                next.resource_id = rows[n - 1].id;
        return save(s, &next);
}

static int see_wants(struct sweep *s) {
        struct q_want_list_in in = { .after_application = s->at->application_id,
                                     .after_label = s->at->label,
                                     .max = SWEEP_STEP };
        struct w_sweep_set_in next = {
                .round = s->at->round, .resource_id = -1, .application_id = -1, .label = ""
        };
        struct q_want_row *rows;
        size_t n;
        int r = q_want_list(s->tx, &in, &rows, &n, s->err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = mark_seen(s, rows[i].document, rows[i].document_len);
        if (r < 0)
                return r;
        if (n == SWEEP_STEP) {
                next.application_id = rows[n - 1].application_id;
                next.label = rows[n - 1].label;
        }
        return save(s, &next);
}

static int drop_unseen(struct sweep *s) {
        struct w_document_drop_in in = { .seen = s->at->round, .max = SWEEP_STEP };
        struct w_sweep_set_in next = { .round = s->at->round + 1, .label = "" };
        int r = w_document_drop(&s->cache, &in, s->err);

        if (r < 0 || r == SWEEP_STEP)
                return r < 0 ? r : 1;
        r = save(s, &next);
        return r < 0 ? r : 0;
}

int tx_cache_sweep(struct tx *tx, struct err *err) {
        struct err own = {};
        struct sweep s = { .tx = tx, .err = err ? err : &own };
        size_t n;
        int r;

        if (tx->lost || !tx->group)
                return err_set(err, tx->lost ? tx->lost : -EPERM, "not in a write");
        r = cache_begin(tx->cache, s.err);
        if (r == 0) {
                s.cache = on_cache(tx);
                r = q_sweep_get(&s.cache, &s.at, &n, s.err);
        }
        if (r == 0 && n == 0)
                r = err_set(s.err, -EUCLEAN, "cache.db has lost its sweep row");
        if (r == 0 && s.at->resource_id >= 0)
                r = see_resources(&s);
        else if (r == 0 && s.at->application_id >= 0)
                r = see_wants(&s);
        else if (r == 0)
                r = drop_unseen(&s);
        if (r == -EUCLEAN && !tx->lost)
                return recreate(tx, s.err);
        if (tx_is_loss(r))
                return tx_lose(tx, r, s.err);
        return r;
}
