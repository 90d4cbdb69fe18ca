/* SPDX-License-Identifier: Apache-2.0 */
/* backups.c - backups of the controller, and the end of a restore's freeze
 *
 * The row in the audit is written before anything is made or looked at. The key of a request comes
 * as base64 of the bytes of a file, and is in no answer, row or log. */
#include "admin-internal.h"
#include "routes.h"

#include "command.h"
#include "log.h"
#include "restored.h"

#include <errno.h>
#include <stdlib.h>

#define AT(member) offsetof(struct backups_body, member)
const struct json_field backups_fields[] = {
        { "path", JSON_FIELD_STRING, AT(path), JSON_NULL_OK, 1, 4000, NULL },
        { "folder", JSON_FIELD_STRING, AT(folder), JSON_NULL_OK, 1, 4000, NULL },
        { "key", JSON_FIELD_STRING, AT(key), JSON_NULL_OK | JSON_SECRET, 1, BACKUPS_KEY_MAX, NULL },
        {}
};
#undef AT
#define AT(member) offsetof(struct backups_schedule_body, member)
const struct json_field backups_schedule_fields[] = {
        { "cron", JSON_FIELD_STRING, AT(cron), JSON_REQUIRED, 1, 200, NULL },
        { "zone", JSON_FIELD_STRING, AT(zone), JSON_NULL_OK, 1, 100, NULL },
        { "folder", JSON_FIELD_STRING, AT(folder), JSON_NULL_OK, 1, 4000, NULL },
        { "keep", JSON_FIELD_INT, AT(keep), 0, 0, BACKUP_KEEP_MAX, NULL },
        {}
};

static struct backup_keeper *keeper_of(const struct request *q) {
        return q->admin->options.backups;
}

/* A daemon of the tests' has none. */
static bool has_keeper(struct request *q) {
        struct err err = { 0 };

        if (keeper_of(q))
                return true;
        request_fail(q, err_set(&err, -ENOTSUP, "this daemon makes no backups"), &err);
        return false;
}

/* ---- what there is */

static void done(void *arg, int r, json_t *found, const struct err *err) {
        struct request *q = arg;

        if (r < 0)
                request_fail(q, r, err);
        else
                request_reply(q, 200, found);
        request_unref(q);
}

static int read_list(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        return backup_keeper_list(tx, keeper_of(q), request_query(q, "folder"), ret, err);
}

static void listed(struct request *q, json_t *json) {
        if (json_get(json, "backups"))
                return request_reply(q, 200, json);
        backup_keeper_list_place(keeper_of(q), json, done, request_ref(q));
}

void backups_list(struct request *q) {
        if (has_keeper(q))
                request_read(q, read_list, listed);
}

/* ---- one is made or verified */

int backups_key(const char *text, struct buf *ret, struct err *err) {
        int r = text ? digest_unbase64(text, strlen(text), ret, err) : 0;

        return r < 0 ? err_add(err, r, "key") : 0;
}

typedef int ask_fn(struct backup_keeper *k, const struct backup_ask *ask, struct err *err);

static void ask(struct request *q, ask_fn *fn) {
        const struct backups_body *b = q->data;
        cleanup_(buf_wipe) struct buf key = BUF_INIT;
        struct backup_ask a = { .path = b->path, .folder = b->folder, .done = done, .arg = q };
        struct err err = { 0 };
        int r = backups_key(b->key, &key, &err);

        a.key = b->key ? buf_str(&key) : NULL;
        a.key_len = key.len;
        request_ref(q);
        if (r >= 0)
                r = fn(keeper_of(q), &a, &err);
        if (r >= 0)
                return;
        request_fail(q, r, &err);
        request_unref(q);
}

static void create(struct request *q, json_t *json) {
        ask(q, backup_keeper_create);
}

void backups_create(struct request *q) {
        if (has_keeper(q))
                request_read(q, request_read_nothing, create);
}

static void verify(struct request *q, json_t *json) {
        ask(q, backup_keeper_verify);
}

void backups_verify(struct request *q) {
        const struct backups_body *b = q->data;
        struct err err = { 0 };

        if (!b->path)
                return request_fail(q, err_set(&err, -EINVAL, "path: which backup is missing"),
                                    &err);
        if (has_keeper(q))
                request_read(q, request_read_nothing, verify);
}

/* ---- at times */

static int set(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        const struct backups_schedule_body *b = q->data;
        cleanup_(json_freep) json_t *schedule =
                json_pack("{s:s, s:s, s:s*}", "cron", b->cron, "zone", b->zone ? b->zone : "UTC",
                          "folder", b->folder);
        int r;

        if (b->keep)
                json_object_set_new(schedule, "keep", json_integer(b->keep));
        r = backup_keeper_set_schedule(tx, schedule, err);
        return r < 0 ? r : backup_keeper_facts(tx, ret, err);
}

static int unset(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        int r = backup_keeper_set_schedule(tx, NULL, err);

        return r < 0 ? r : backup_keeper_facts(tx, ret, err);
}

static void scheduled(struct request *q, json_t *json) {
        backup_keeper_changed(keeper_of(q));
        request_reply(q, 200, json);
}

void backups_schedule(struct request *q) {
        if (has_keeper(q))
                request_read(q, set, scheduled);
}

void backups_unschedule(struct request *q) {
        if (has_keeper(q))
                request_read(q, unset, scheduled);
}

/* ---- after a restore */

static void confirm(struct request *q) {
        struct command *c = mem_new(struct command);

        c->run = command_restored_confirm;
        c->dry_run = request_query_bool(q, "dry-run");
        request_command(q, c, NULL);
}

static int refuse_unread(const json_t *unread, struct err *err) {
        return err_set(err, -EBUSY,
                       "not to be read, of what holds secrets: %zu; what is in them may be newer "
                       "than what "
                       "was restored: %s. --force goes on without them",
                       json_array_size(unread), json_string_value(json_array_get(unread, 0)));
}

static int refuse_foreign(const json_t *foreign, struct err *err) {
        return err_set(
                err, -EBUSY,
                "the CA was replaced after the backup was made (rotate-ca), and its key is lost: "
                "%zu values outside are of certificates that it issued: %s. --force puts those of "
                "the backup's CA back, with its bundle; rotate-ca afterwards",
                json_array_size(foreign), json_string_value(json_array_get(foreign, 0)));
}

/* Whoever asks again finds them in the plans, and nothing that differs any more. */
static int refuse_newer(const struct reconcile_compared *c, struct err *err) {
        return err_set(err, -EBUSY,
                       "newer outside than in the backup: %zu %s. They are taken in, and being "
                       "planned with; confirm again when `mooringctl plan` has them",
                       c->taken + c->pending, c->taken + c->pending == 1 ? "secret" : "secrets");
}

static void compared(void *arg, const struct reconcile_compared *c) {
        struct request *q = arg;
        struct err err = { 0 };

        if (c->taken)
                log_plain(LOG_NOTICE, "secret-kept",
                          "%zu secrets outside are newer than the restored ones, and ours now",
                          c->taken);
        if (q->gone)
                ; /* the daemon may be stopping */
        else if (c->result < 0)
                request_fail(q, c->result, c->err);
        else if (c->taken || c->pending)
                request_fail(q, refuse_newer(c, &err), &err);
        else if (json_array_size(c->unread) && !request_query_bool(q, "force"))
                request_fail(q, refuse_unread(c->unread, &err), &err);
        else if (json_array_size(c->foreign) && !request_query_bool(q, "force"))
                request_fail(q, refuse_foreign(c->foreign, &err), &err);
        else
                confirm(q);
        request_unref(q);
}

static int read_restored(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        return restored_read(tx, ret, err);
}

/* Before anything is written again: what was rotated since the backup is known outside only. */
static void look(struct request *q, json_t *restored) {
        bool is_restored = restored != NULL;

        json_decref(restored);
        if (!is_restored || request_query_bool(q, "dry-run"))
                return confirm(q);
        reconcile_compare_secrets(q->admin->options.reconcile, compared, request_ref(q));
}

void backups_confirm(struct request *q) {
        request_look(q, read_restored, look);
}
