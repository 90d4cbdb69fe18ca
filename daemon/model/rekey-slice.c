/* SPDX-License-Identifier: Apache-2.0 */
/* rekey-slice.c - one transaction of sealing again; see rekey.h
 *
 * One kind after the other, each in the order of its ids. */
#include "rekey.h"

#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>

#define PARTS "key-parts" /* setting: sealed, in hex */

typedef int slice_fn(struct tx *tx, struct rekey_run *run, size_t *ret_rows, struct err *err);

/* 1: SEALED was sealed under another key, and OUT is under the current one. */
static int seal_again(struct rekey_run *run, const struct seal_place *at, const void *sealed,
                      size_t len, struct buf *out, struct err *err) {
        cleanup_(secret_text_free) struct secret_text text = {};
        int r;

        if (!len || (!run->only_open && seal_is_current(run->sealer, sealed, len)))
                return 0;
        r = seal_open(run->sealer, at, sealed, len, &text, err);
        if (r >= 0 && run->only_open) {
                run->sealed++;
                return 0;
        }
        if (r >= 0)
                r = seal_value(run->sealer, at, text.data, text.len, out, err);
        if (r < 0)
                return r;
        run->sealed++;
        return 1;
}

static int slice_targets(struct tx *tx, struct rekey_run *run, size_t *ret_rows, struct err *err) {
        struct q_target_list_in in = { .after = run->from.id, .max = REKEY_SLICE };
        struct q_target_row *rows;
        int r = q_target_list(tx, &in, &rows, ret_rows, err);

        for (size_t i = 0; r >= 0 && i < *ret_rows; i++) {
                struct seal_place at = { "target", "credential", rows[i].name, 1 };
                cleanup_(buf_free) struct buf sealed = BUF_INIT;

                run->to.id = rows[i].id;
                r = seal_again(run, &at, rows[i].credential, rows[i].credential_len, &sealed, err);
                if (r > 0)
                        r = w_target_set_config(tx,
                                                &(struct w_target_set_config_in){
                                                        .id = rows[i].id,
                                                        .config = rows[i].config,
                                                        .credential = (const uint8_t *)sealed.data,
                                                        .credential_len = sealed.len },
                                                err);
        }
        return r;
}

static int slice_revisions(struct tx *tx, struct rekey_run *run, size_t *ret_rows,
                           struct err *err) {
        struct q_secret_revision_page_in in = { .after_id = run->from.id,
                                                .after_revision = run->from.revision,
                                                .max = REKEY_SLICE };
        struct q_secret_revision_page_row *rows;
        int r = q_secret_revision_page(tx, &in, &rows, ret_rows, err);

        for (size_t i = 0; r >= 0 && i < *ret_rows; i++) {
                struct seal_place at = { "secret_revision", "sealed", rows[i].uri,
                                         rows[i].revision };
                cleanup_(buf_free) struct buf sealed = BUF_INIT;

                run->to.id = rows[i].secret_id;
                run->to.revision = rows[i].revision;
                r = seal_again(run, &at, rows[i].sealed, rows[i].sealed_len, &sealed, err);
                if (r > 0)
                        r = w_secret_revision_seal(tx,
                                                   &(struct w_secret_revision_seal_in){
                                                           .sealed = (const uint8_t *)sealed.data,
                                                           .sealed_len = sealed.len,
                                                           .secret_id = rows[i].secret_id,
                                                           .revision = rows[i].revision },
                                                   err);
        }
        return r;
}

static int slice_shown(struct tx *tx, struct rekey_run *run, size_t *ret_rows, struct err *err) {
        struct q_shown_page_in in = { .after = run->from.id, .max = REKEY_SLICE };
        struct q_shown_row *rows;
        int r = q_shown_page(tx, &in, &rows, ret_rows, err);

        for (size_t i = 0; r >= 0 && i < *ret_rows; i++) {
                struct seal_place at = { "shown", "request", rows[i].name, 1 };
                cleanup_(buf_free) struct buf sealed = BUF_INIT;

                run->to.id = rows[i].id;
                r = seal_again(run, &at, rows[i].request, rows[i].request_len, &sealed, err);
                if (r > 0)
                        r = w_shown_seal(
                                tx,
                                &(struct w_shown_seal_in){ .request = (const uint8_t *)sealed.data,
                                                           .request_len = sealed.len,
                                                           .id = rows[i].id },
                                err);
        }
        return r;
}

/* ---- what outlives a key */

static const struct seal_place parts_place = { "setting", "value", PARTS, 1 };

static int write_parts(struct tx *tx, const struct sealer *s, struct err *err) {
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        cleanup_(buf_free) struct buf sealed = BUF_INIT;
        cleanup_(freep) char *hex = NULL;
        int r;

        seal_parts_write(s, &text);
        r = seal_value(s, &parts_place, buf_str(&text), text.len, &sealed, err);
        if (r < 0)
                return r;
        hex = mem_alloc(2 * sealed.len + 1);
        digest_hex((const uint8_t *)sealed.data, sealed.len, hex);
        return w_setting_set(tx, &(struct w_setting_set_in){ .name = PARTS, .value = hex }, err);
}

/* *RET NULL: there are none yet. The caller frees. */
static int read_parts(struct tx *tx, uint8_t **ret, size_t *ret_len, struct err *err) {
        struct q_setting_get_row *row;
        size_t n;
        int r = q_setting_get(tx, &(struct q_setting_get_in){ .name = PARTS }, &row, &n, err);

        *ret = NULL;
        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        *ret_len = strlen(row->value) / 2;
        *ret = mem_alloc(*ret_len + 1);
        if (digest_unhex(row->value, *ret, *ret_len))
                return 0;
        free(take_ptr(*ret));
        return err_set(err, -EBADMSG, "setting %s is damaged: restore a backup", PARTS);
}

static int slice_parts(struct tx *tx, struct rekey_run *run, size_t *ret_rows, struct err *err) {
        cleanup_(buf_free) struct buf unused = BUF_INIT;
        cleanup_(freep) uint8_t *sealed = NULL;
        size_t len = 0;
        int r = read_parts(tx, &sealed, &len, err);

        *ret_rows = 0;
        if (r < 0 || !sealed)
                return r;
        if (run->only_open)
                return seal_again(run, &parts_place, sealed, len, &unused, err);
        if (seal_is_current(run->sealer, sealed, len))
                return 0;
        run->sealed++;
        return write_parts(tx, run->sealer, err);
}

int rekey_parts(struct tx *tx, struct sealer *s, struct err *err) {
        cleanup_(secret_text_free) struct secret_text text = {};
        cleanup_(freep) uint8_t *sealed = NULL;
        bool whole = false;
        size_t len = 0;
        int r = read_parts(tx, &sealed, &len, err);

        if (r >= 0 && sealed)
                r = seal_open(s, &parts_place, sealed, len, &text, err);
        if (r >= 0 && sealed)
                r = seal_parts_read(s, text.data, text.len, &whole, err);
        return r < 0 || whole ? r : write_parts(tx, s, err);
}

/* ---- */

int rekey_slice(struct tx *tx, struct rekey_run *run, struct err *err) {
        static slice_fn *const kinds[] = { slice_targets, slice_revisions, slice_shown,
                                           slice_parts };
        size_t rows = 0;
        int r;

        run->to = run->from;
        run->sealed = 0;
        r = kinds[run->from.kind](tx, run, &rows, err);
        if (r >= 0 && rows < REKEY_SLICE)
                run->to = (struct rekey_at){ .kind = run->from.kind + 1 };
        run->over = run->to.kind == ARRAY_SIZE(kinds);
        return r < 0 ? r : 0;
}
