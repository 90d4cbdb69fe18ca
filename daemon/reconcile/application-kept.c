/* SPDX-License-Identifier: Apache-2.0 */
/* application-kept.c - what a plan keeps as it was is put where it is not lost
 *
 * Other documents are planned again when cache.db is gone. A charm that says charm_keep could not
 * make its document now: without it nothing of it would be put right until it can. */
#include "application.h"

#include "queries.gen.h"

static int save_one(struct tx *tx, int64_t id, struct err *err) {
        struct q_resource_row *row;
        const char *text;
        size_t n, len;
        int r = q_resource_by_id(tx, &(struct q_resource_by_id_in){ .id = id }, &row, &n, err);

        if (r < 0 || !n || row->wanted_len != DIGEST_SIZE)
                return r;
        if (tx_cache_get(tx, row->wanted, &text, &len, NULL) < 0)
                return 0; /* lost before: there is nothing better than what may be kept already */
        r = w_kept_document_put(
                tx,
                &(struct w_kept_document_put_in){ .resource_id = id,
                                                  .wanted = row->wanted,
                                                  .wanted_len = DIGEST_SIZE,
                                                  .body = tx_format(tx, "%.*s", (int)len, text) },
                err);
        return r < 0 ? r : 0;
}

int application_save_kept(struct tx *tx, struct application_work *w, struct err *err) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < w->doc_count; i++) {
                const struct prepared *d = &w->docs[i];
                const struct world_want *want =
                        d->kept ? world_want_in(w->wants, w->want_count, d->label) : NULL;

                if (want)
                        r = save_one(tx, want->resource, err);
        }
        return r;
}
