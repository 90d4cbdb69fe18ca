/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - appends rows, cuts the oldest; see audit.h
 *
 * The hash covers every column but itself: texts with their length, so that nothing can move from
 * one column into the next. The head is read from the table for each row: a group of calls rolls
 * back one by one, and what it would remember could be a row that is not there. */
#include "audit.h"

#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>

#define ROW_BYTES 1024             /* of most rows */
#define FORM "mooring audit row 1" /* never changes: hashes in the store depend on it */

/* Eight bytes, the highest first. */
static void add_bytes(struct buf *out, uint64_t n) {
        uint8_t bytes[8];

        for (int i = 0; i < 8; i++)
                bytes[i] = (uint8_t)(n >> (56 - 8 * i));
        buf_add(out, bytes, sizeof(bytes));
}

static void add_text(struct buf *out, const char *text) {
        size_t len = strlen(text);

        add_bytes(out, len);
        buf_add(out, text, len);
}

static void add_number(struct buf *out, bool null, int64_t n) {
        buf_putc(out, null ? 'n' : 'i');
        add_bytes(out, null ? 0 : (uint64_t)n);
}

bool audit_row_hash(const struct sealer *s, const uint8_t before[DIGEST_SIZE],
                    const struct q_audit_row *row, uint8_t ret[DIGEST_SIZE]) {
        const char *const texts[] = { row->kind,    row->user_name, row->command, row->role,
                                      row->what,    row->route,     row->model,   row->application,
                                      row->subject, row->was,       row->became,  row->why,
                                      row->outcome, row->message };
        cleanup_(buf_free) struct buf all = BUF_INIT;

        buf_reserve(&all, ROW_BYTES);
        buf_add(&all, before, DIGEST_SIZE);
        add_text(&all, FORM);
        add_number(&all, false, row->id);
        add_number(&all, false, row->at);
        add_number(&all, row->user_id_null, row->user_id);
        add_number(&all, row->login_id_null, row->login_id);
        add_number(&all, row->pid_null, row->pid);
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                add_text(&all, texts[i]);
        return row->key_id_len == SEAL_ID_SIZE &&
               seal_chain_hash(s, row->key_id, all.data, all.len, ret);
}

int audit_last(struct tx *tx, struct audit_head *ret, struct err *err) {
        struct q_audit_last_row *row;
        size_t n;
        int r = q_audit_last(tx, &row, &n, err);

        *ret = (struct audit_head){};
        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        ret->id = row->id;
        /* A hash of another length was put there by somebody: audit_check tells it. */
        memcpy(ret->hash, row->hash, MIN_OF(row->hash_len, (size_t)DIGEST_SIZE));
        return 0;
}

bool audit_head_parse(const char *text, struct audit_head *ret) {
        const char *colon = strchr(text, ':');
        cleanup_(freep) char *number = colon ? str_ndup(text, (size_t)(colon - text)) : NULL;

        return number && str_to_int(number, &ret->id) && ret->id > 0 &&
               digest_unhex(colon + 1, ret->hash, DIGEST_SIZE);
}

/* ---- appending */

static const char *text_of(const char *text) {
        return text ? text : "";
}

/* What was sent may be as long as a request: kept up to a limit, whole letters. */
static const char *short_text(struct tx *tx, const char *text) {
        size_t n = AUDIT_TEXT_MAX;

        if (!text || strlen(text) <= n)
                return text_of(text);
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
                n--;
        return tx_format(tx, "%.*s...", (int)n, text);
}

static const char *json_of(struct tx *tx, const json_t *j) {
        cleanup_(freep) char *text = j ? json_text(j) : NULL;

        return text ? tx_format(tx, "%s", text) : "";
}

static int insert(struct tx *tx, const struct q_audit_row *row, struct err *err) {
        struct w_audit_insert_in in = { .id = row->id,
                                        .at = row->at,
                                        .kind = row->kind,
                                        .user_id = row->user_id,
                                        .user_id_null = row->user_id_null,
                                        .login_id = row->login_id,
                                        .login_id_null = row->login_id_null,
                                        .user_name = row->user_name,
                                        .pid = row->pid,
                                        .pid_null = row->pid_null,
                                        .command = row->command,
                                        .role = row->role,
                                        .what = row->what,
                                        .route = row->route,
                                        .model = row->model,
                                        .application = row->application,
                                        .subject = row->subject,
                                        .was = row->was,
                                        .became = row->became,
                                        .why = row->why,
                                        .outcome = row->outcome,
                                        .message = row->message,
                                        .key_id = row->key_id,
                                        .key_id_len = row->key_id_len,
                                        .hash = row->hash,
                                        .hash_len = row->hash_len };

        return w_audit_insert(tx, &in, err);
}

static int append(struct tx *tx, const struct audit *a, const struct audit_entry *e, int64_t *ret,
                  struct err *err) {
        struct audit_head head;
        uint8_t hash[DIGEST_SIZE];
        struct q_audit_row row = { .at = tx_now(tx),
                                   .kind = e->kind,
                                   .user_id = e->uid,
                                   .user_id_null = !e->has_user,
                                   .login_id = e->login,
                                   .login_id_null = !e->has_login,
                                   .user_name = text_of(e->user),
                                   .pid = e->pid,
                                   .pid_null = !e->has_pid,
                                   .command = text_of(e->command),
                                   .role = text_of(e->role),
                                   .what = text_of(e->what),
                                   .route = short_text(tx, e->route),
                                   .model = text_of(e->model),
                                   .application = text_of(e->application),
                                   .subject = short_text(tx, e->subject),
                                   .was = json_of(tx, e->was),
                                   .became = json_of(tx, e->became),
                                   .why = short_text(tx, e->why),
                                   .outcome = text_of(e->outcome),
                                   .message = short_text(tx, e->message),
                                   .key_id = seal_current_id(a->sealer),
                                   .key_id_len = SEAL_ID_SIZE,
                                   .hash = hash,
                                   .hash_len = DIGEST_SIZE };
        int r = audit_last(tx, &head, err);

        if (r < 0)
                return r;
        row.id = *ret = head.id + 1;
        if (!audit_row_hash(a->sealer, head.hash, &row, hash))
                return err_set(err, -ENOKEY, "there is no key for the audit");
        r = insert(tx, &row, err);
        return r < 0 ? r : 0;
}

static int append_start(struct tx *tx, const struct audit *a, struct err *err) {
        return append(tx, a,
                      &(struct audit_entry){ .kind = "daemon",
                                             .what = "start",
                                             .outcome = "done",
                                             .message = "mooringd " MOORING_VERSION },
                      a->start, err);
}

int audit_start(struct tx *tx, const struct audit *a, struct err *err) {
        struct audit_head head;
        int r = audit_last(tx, &head, err);

        return r < 0 || head.id ? r : append_start(tx, a, err);
}

/* A group that was rolled back took the row with it: then the newest has a lower number. */
static int tell_start(struct tx *tx, const struct audit *a, struct err *err) {
        struct audit_head head;
        int r = a->start ? audit_last(tx, &head, err) : 0;

        if (r < 0 || !a->start || (*a->start && head.id >= *a->start))
                return r;
        return append_start(tx, a, err);
}

int audit_append(struct tx *tx, const struct audit *a, const struct audit_entry *e,
                 struct err *err) {
        int64_t id;
        int r = a ? tell_start(tx, a, err) : 0;

        if (r >= 0 && a)
                r = append(tx, a, e, &id, err);
        if (r >= 0 && a && id % AUDIT_CUT_EVERY == 0)
                r = audit_cut(tx, a, err);
        return r < 0 ? r : 0;
}

/* Without writing it down: most are. */
static bool is_short(const json_t *value) {
        bool holds = json_is_object(value) || json_is_array(value);

        return !holds && (!json_is_string(value) || json_string_length(value) <= AUDIT_VALUE_MAX);
}

json_t *audit_value(const json_t *value) {
        cleanup_(freep) char *text = is_short(value) ? NULL : json_text(value);
        size_t len = text ? strlen(text) : 0;
        char hex[DIGEST_HEX_SIZE];
        cleanup_(freep) char *shown = NULL;

        if (len <= AUDIT_VALUE_MAX)
                return json_incref((json_t *)value);
        shown = str_format("(%zu bytes, sha256 %s)", len, digest_sha256_hex(text, len, hex));
        return json_string(shown);
}

/* ---- cutting */

bool audit_cut_parse(const char *became, struct audit_head *ret) {
        cleanup_(json_freep) json_t *j = NULL;

        if (json_parse(became, strlen(became), &j, NULL) < 0)
                return false;
        ret->id = json_get_int(j, "through", 0);
        return ret->id > 0 && digest_unhex(json_get_str(j, "hash", ""), ret->hash, DIGEST_SIZE);
}

static bool is_over(struct tx *tx, const struct audit *a, const struct q_audit_oldest_row *row,
                    int64_t last) {
        return row->at < tx_now(tx) - a->keep_ms || row->id <= last - a->keep_rows;
}

/* The last row that goes, 0: none. One row always stays. */
static int find_end(struct tx *tx, const struct audit *a, int64_t *ret_first, int64_t *ret,
                    struct err *err) {
        struct q_audit_oldest_row *rows;
        struct audit_head last;
        size_t n, old = 0;
        int r = audit_last(tx, &last, err);

        if (r >= 0)
                r = q_audit_oldest(tx, &(struct q_audit_oldest_in){ .max = AUDIT_CUT_SLICE }, &rows,
                                   &n, err);
        *ret = 0;
        if (r < 0 || n == 0)
                return r;
        while (old < n && rows[old].id < last.id && is_over(tx, a, &rows[old], last.id))
                old++;
        *ret_first = rows[0].id;
        if (old >= AUDIT_CUT_MIN)
                *ret = rows[old - 1].id;
        return 0;
}

static int tell_cut(struct tx *tx, const struct audit *a, int64_t first, int64_t through,
                    struct err *err) {
        cleanup_(json_freep) json_t *became = NULL;
        struct q_audit_hash_row *row;
        char hex[DIGEST_HEX_SIZE];
        int64_t id;
        size_t n;
        int r = q_audit_hash(tx, &(struct q_audit_hash_in){ .id = through }, &row, &n, err);

        if (r < 0 || n == 0 || row->hash_len != DIGEST_SIZE)
                return r < 0 ? r
                             : err_set(err, -EINVAL,
                                       "audit row %lld has no hash: nothing is "
                                       "cut; see mooringctl audit verify",
                                       (long long)through);
        became = json_pack("{s:I, s:s}", "through", (json_int_t)through, "hash",
                           digest_hex(row->hash, DIGEST_SIZE, hex));
        return append(
                tx, a,
                &(struct audit_entry){ .kind = "cut",
                                       .what = "cut",
                                       .subject = tx_format(tx, "rows %lld to %lld",
                                                            (long long)first, (long long)through),
                                       .became = became,
                                       .outcome = "done",
                                       .message = "older or more than is kept" },
                &id, err);
}

int audit_cut(struct tx *tx, const struct audit *a, struct err *err) {
        int64_t first = 0, through = 0;
        int r = find_end(tx, a, &first, &through, err);

        if (r < 0 || through == 0)
                return r < 0 ? r : 0;
        r = tell_cut(tx, a, first, through, err);
        if (r >= 0)
                r = w_audit_delete_through(tx, &(struct w_audit_delete_through_in){ .id = through },
                                           err);
        return r < 0 ? r : through - first + 1 >= AUDIT_CUT_SLICE;
}
