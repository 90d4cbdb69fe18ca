/* SPDX-License-Identifier: Apache-2.0 */
/* audit-check.c - is the audit as it was written: each row against its hash, all against what was
 * cut and against heads that were kept elsewhere; see audit.h
 *
 * The walk begins at the newest cut, whose own row it reaches later: one that is not ours is found
 * then. */
#include "audit.h"

#include "queries.gen.h"

#include <errno.h>

#define STEP 1000 /* rows at once: what one read holds in memory */

const char *const audit_fault_names[] = {
        [AUDIT_INTACT] = "intact",   [AUDIT_CHANGED] = "changed",
        [AUDIT_MISSING] = "missing", [AUDIT_OTHER_KEY] = "other-key",
        [AUDIT_CUT_OFF] = "cut-off", [AUDIT_OTHER_HEAD] = "other-head",
};
_Static_assert(ARRAY_SIZE(audit_fault_names) == AUDIT_FAULT_MAX, "a fault without a name");

static void found(struct audit_check *c, enum audit_fault fault, int64_t row, const char *fmt, ...)
        printf_(4, 5);
static void found(struct audit_check *c, enum audit_fault fault, int64_t row, const char *fmt,
                  ...) {
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        c->fault = fault;
        c->row = row;
        str_copy(c->text, sizeof(c->text), text);
}

/* What was cut since the last step is not asked for any more. */
static int begin_after_cut(struct tx *tx, struct audit_check *c, struct err *err) {
        struct q_audit_newest_cut_row *row;
        struct audit_head cut;
        size_t n;
        int r = q_audit_newest_cut(tx, &row, &n, err);

        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        if (!audit_cut_parse(row->became, &cut))
                found(c, AUDIT_CHANGED, row->id, "row %lld, which tells of a cut, was changed",
                      (long long)row->id);
        else if (cut.id > c->last.id)
                c->last = cut;
        return 0;
}

/* Heads of numbers that are there. */
static void compare_heads(struct audit_check *c) {
        while (c->head < c->head_count && c->heads[c->head].id <= c->last.id) {
                const struct audit_head *h = &c->heads[c->head++];

                if (h->id < c->last.id) /* it was cut */
                        continue;
                c->compared++;
                if (memcmp(h->hash, c->last.hash, DIGEST_SIZE) != 0)
                        return found(c, AUDIT_OTHER_HEAD, h->id,
                                     "row %lld is not the one that was there when its head was "
                                     "kept: the rows from some point before it on were written "
                                     "anew, or an older state was restored",
                                     (long long)h->id);
                c->proven = h->id;
        }
}

static void check_row(const struct sealer *s, struct audit_check *c,
                      const struct q_audit_row *row) {
        uint8_t hash[DIGEST_SIZE];
        char id[2 * SEAL_ID_SIZE + 1];

        if (row->id > c->last.id + 1)
                return found(c, AUDIT_MISSING, c->last.id + 1, "rows %lld to %lld are missing",
                             (long long)c->last.id + 1, (long long)row->id - 1);
        if (!audit_row_hash(s, c->last.hash, row, hash))
                return found(
                        c, AUDIT_OTHER_KEY, row->id,
                        "row %lld was written under key %s, which is not in the key file: it "
                        "is not ours, or that key was taken out",
                        (long long)row->id,
                        digest_hex(row->key_id, MIN_OF(row->key_id_len, (size_t)SEAL_ID_SIZE), id));
        if (row->hash_len != DIGEST_SIZE || memcmp(hash, row->hash, DIGEST_SIZE) != 0)
                return found(c, AUDIT_CHANGED, row->id,
                             "row %lld is not what was written there: it, its hash or the row "
                             "before it was changed",
                             (long long)row->id);
        c->first = c->first ? c->first : row->id;
        c->rows++;
        c->last.id = row->id;
        memcpy(c->last.hash, hash, DIGEST_SIZE);
        compare_heads(c);
}

/* More may be gone than what is not there: rows that came after the cut have numbers of some. */
static void cut_off(struct audit_check *c, int64_t newest) {
        int64_t proven = c->proven + 1;
        cleanup_(freep) char *anew =
                proven > c->last.id
                        ? str_dup("")
                        : str_format("; rows %lld to %lld are there, and may have been written "
                                     "anew: no head of one of them was given",
                                     (long long)MAX_OF(proven, c->first), (long long)c->last.id);

        found(c, AUDIT_CUT_OFF, c->last.id + 1,
              "rows %lld to %lld are missing from the end: a head knows row %lld%s",
              (long long)c->last.id + 1, (long long)newest, (long long)newest, anew);
}

static void check_end(struct audit_check *c) {
        const struct audit_head *newest = c->head_count ? &c->heads[c->head_count - 1] : NULL;

        if (c->fault)
                return;
        if (newest && newest->id > c->last.id)
                cut_off(c, newest->id);
        else if (c->rows == 0)
                found(c, AUDIT_MISSING, c->last.id + 1,
                      "row %lld is missing, and all that came after it", (long long)c->last.id + 1);
}

int audit_check_step(struct tx *tx, const struct sealer *s, struct audit_check *c,
                     struct err *err) {
        struct q_audit_page_in in = { .max = STEP };
        struct q_audit_row *rows;
        size_t n;
        int r = begin_after_cut(tx, c, err);

        if (r < 0 || c->fault)
                return r;
        if (!c->begun)
                compare_heads(c);
        c->begun = true;
        in.after = c->last.id;
        r = q_audit_page(tx, &in, &rows, &n, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n && !c->fault; i++)
                check_row(s, c, &rows[i]);
        if (c->fault || n == STEP)
                return !c->fault;
        check_end(c);
        return 0;
}
