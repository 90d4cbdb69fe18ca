/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_plan.c - what a worker may send: plans come out the same in one piece and in small ones,
 * every document is exactly what json_canonical would write, and limits hold */
#include "plan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_doc(const struct plan *p, const struct plan_doc *d) {
        cleanup_(json_freep) json_t *j = NULL;
        cleanup_(buf_free) struct buf again = BUF_INIT;

        if (!plan_label_valid(d->label) || (d->target && !json_object_get(p->targets, d->target)))
                abort();
        if (json_parse(d->text, d->len, &j, NULL) < 0 || !json_is_object(j))
                abort();
        json_canonical(j, &again);
        if (again.len != d->len || memcmp(again.data, d->text, d->len) != 0)
                abort();
}

/* Reads on to the reader's last word; counts what came out. */
static int take_all(struct plan_reader *r, size_t *plans, size_t *docs) {
        struct plan *p = NULL;
        int e;

        while ((e = plan_reader_next(r, &p, NULL)) > 0) {
                if (e != PLAN_WHOLE)
                        continue;
                for (size_t i = 0; i < p->doc_count; i++)
                        check_doc(p, &p->docs[i]);
                ++*plans;
                *docs += p->doc_count;
                p = plan_free(p);
        }
        return e;
}

/* The checker alone: both ways to say whether a text is canonical agree. */
static void check_canonical(const char *text, size_t size) {
        cleanup_(json_freep) json_t *j = NULL;
        cleanup_(buf_free) struct buf again = BUF_INIT;
        bool same = false;

        if (json_parse(text, size, &j, NULL) >= 0) {
                json_canonical(j, &again);
                same = again.len == size && memcmp(again.data, text, size) == 0;
        }
        if (same != (plan_canonical(text, size, NULL) >= 0))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t plans[2] = { 0 }, docs[2] = { 0 };
        struct plan_reader whole, slow;
        int a, b = 0;

        check_canonical((const char *)data, size);
        plan_reader_init(&whole);
        plan_reader_init(&slow);
        plan_reader_feed(&whole, data, size);
        a = take_all(&whole, &plans[0], &docs[0]);
        for (size_t i = 0; i < size && b == 0; i++) {
                plan_reader_feed(&slow, data + i, 1);
                b = take_all(&slow, &plans[1], &docs[1]);
        }
        if (a != b || plans[0] != plans[1] || docs[0] != docs[1])
                abort();
        plan_reader_deinit(&whole);
        plan_reader_deinit(&slow);
        return 0;
}
