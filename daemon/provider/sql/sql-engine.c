/* SPDX-License-Identifier: Apache-2.0 */
/* sql-engine.c - what all engines share: failures, hashes, marks, sets; see sql-engine.h */
#include "sql-engine.h"

#include "digest.h"

#define MARK_HEAD "mooring "

static const struct sql_engine *const engines[SQL_ENGINE_MAX] = { &mysql_engine, &postgres_engine };

const struct sql_engine *sql_engine_of(enum sql_engine_kind k) {
        return engines[k];
}

int sql_fail(struct sql_task *t, enum outcome outcome, const char *fmt, ...) {
        va_list ap;

        t->outcome = outcome;
        t->err.code = -1;
        va_start(ap, fmt);
        vsnprintf(t->err.text, sizeof(t->err.text), fmt, ap);
        va_end(ap);
        return -1;
}

void sql_fail_login(const struct sql_config *c, struct sql_task *t) {
        sql_fail(t, OUTCOME_DENIED,
                 "%s: the administrator's password of user %s was changed outside: set it back in "
                 "the server to the one that `mooringctl secrets` lists and `mooringctl "
                 "show-secret --reveal` prints",
                 c->via ? c->via : c->host, c->user);
}

void sql_engine_hash(const struct sql_config *c, const char *user, const void *data, size_t len,
                     char ret[DIGEST_HEX_SIZE]) {
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        uint8_t digest[DIGEST_SIZE];

        buf_puts(&text, "sql user ");
        buf_puts(&text, user);
        buf_putc(&text, '\0'); /* so that no user's name and hash read as another's */
        buf_add(&text, data, len);
        digest_hmac(c->hash_key, sizeof(c->hash_key), text.data, text.len, digest);
        digest_hex(digest, sizeof(digest), ret);
}

void sql_engine_mark(const struct sql_task *t, const char *id, char *ret, size_t size) {
        snprintf(ret, size, MARK_HEAD "%s %s", t->mark, id);
}

bool sql_engine_marked(const struct sql_task *t, const char *text, bool *ret_ours,
                       char ret_id[64]) {
        size_t n = strlen(t->mark);
        const char *id;

        if (!text || !str_starts(text, MARK_HEAD))
                return false;
        text += strlen(MARK_HEAD);
        id = strrchr(text, ' ');
        if (!id || id == text)
                return false;
        str_copy(ret_id, 64, id + 1);
        *ret_ours = (size_t)(id - text) == n && strncmp(text, t->mark, n) == 0;
        return true;
}

static bool holds(const json_t *list, const char *text) {
        size_t i;
        json_t *item;

        json_array_foreach((json_t *)list, i, item)
                if (str_eq(json_string_value(item), text))
                        return true;
        return false;
}

json_t *sql_engine_missing(const json_t *a, const json_t *b) {
        json_t *out = json_array(), *item;
        size_t i;

        json_array_foreach((json_t *)a, i, item)
                if (!holds(b, json_string_value(item)))
                        json_array_append_new(out, json_string(json_string_value(item)));
        return out;
}

json_t *sql_engine_value(const char *data, size_t len, bool number) {
        struct buf base64 = BUF_INIT;
        int64_t n;
        json_t *j;

        if (!data)
                return json_null();
        if (number && str_to_int(data, &n))
                return json_integer(n);
        j = memchr(data, '\0', len) ? NULL : json_stringn(data, len);
        if (j)
                return j;
        digest_base64(data, len, &base64);
        j = json_pack("{s:s}", "base64", buf_str(&base64));
        buf_free(&base64);
        return j;
}

bool sql_engine_row(json_t *result, json_t *row, size_t row_bytes, size_t *bytes) {
        json_t *rows = json_get(result, "rows");

        *bytes += row_bytes;
        if (json_array_size(rows) < SQL_ROWS_MAX && *bytes <= SQL_RESULT_MAX) {
                json_array_append_new(rows, row);
                return true;
        }
        json_decref(row);
        json_object_set_new(result, "truncated", json_true());
        return false;
}
