/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade-release.c - another release in our place, and the confirmation that it stays (upgrade.h,
 * upgraded.h)
 *
 * The row in the audit is written before anything is made; a try that is only looked at has none.
 */
#include "admin-internal.h"
#include "routes.h"

#include "command.h"
#include "upgrade.h"
#include "upgraded.h"

#include <errno.h>
#include <stdlib.h>

#define AT(member) offsetof(struct upgrade_body, member)
const struct json_field upgrade_fields[] = {
        { "folder", JSON_FIELD_STRING, AT(folder), JSON_NULL_OK, 1, 4000, NULL },
        { "key", JSON_FIELD_STRING, AT(key), JSON_NULL_OK | JSON_SECRET, 1, BACKUPS_KEY_MAX, NULL },
        {}
};

static struct upgrade *upgrade_of(const struct request *q) {
        return q->admin->options.upgrade;
}

/* A daemon of the tests' has none. */
static bool has_upgrade(struct request *q) {
        struct err err = { 0 };

        if (upgrade_of(q))
                return true;
        request_fail(q, err_set(&err, -ENOTSUP, "this daemon is not upgraded"), &err);
        return false;
}

/* ---- how it stands */

static int read_upgraded(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        json_t *waits;
        int r = upgraded_read(tx, &waits, err);

        if (r < 0)
                return r;
        *ret = upgrade_json(upgrade_of(q));
        json_object_set_new(*ret, "unconfirmed", waits ? waits : json_null());
        return 0;
}

void upgrade_show(struct request *q) {
        if (has_upgrade(q))
                request_read(q, read_upgraded, NULL);
}

/* ---- another release */

static void tried(void *arg, int r, json_t *plan, const struct err *err) {
        struct request *q = arg;

        if (r < 0)
                request_fail(q, r, err);
        else
                request_reply(q, 200, plan);
        if (r >= 0 && !request_query_bool(q, "dry-run"))
                upgrade_go(upgrade_of(q));
        request_unref(q);
}

static void try(struct request *q, json_t *json) {
        const struct upgrade_body *b = q->data;
        cleanup_(buf_wipe) struct buf key = BUF_INIT;
        struct upgrade_ask ask = { .folder = b->folder,
                                   .try_only = request_query_bool(q, "dry-run"),
                                   .force = request_query_bool(q, "force"),
                                   .done = tried,
                                   .arg = q };
        struct err err = { 0 };
        int r = backups_key(b->key, &key, &err);

        ask.key = b->key ? buf_str(&key) : NULL;
        ask.key_len = key.len;
        request_ref(q);
        if (r >= 0)
                r = upgrade_try(upgrade_of(q), &ask, &err);
        if (r >= 0)
                return;
        request_fail(q, r, &err);
        request_unref(q);
}

void upgrade_begin(struct request *q) {
        if (!has_upgrade(q))
                return;
        if (request_query_bool(q, "dry-run"))
                request_look(q, request_read_nothing, try);
        else
                request_read(q, request_read_nothing, try);
}

/* ---- it stays */

/* A release that does not know all of the store would lock itself out; and what gave its place back
 * is not there to stay. */
static int check_known(const struct request *q, struct err *err) {
        const char *failed = upgrade_failed(upgrade_of(q));
        struct store_schema h;

        if (failed)
                return err_set(err, -EBUSY,
                               "the release that was to take over does not run, there is nothing "
                               "to stay with: %s",
                               failed);
        store_schema(q->admin->options.store, &h);
        if (h.number <= h.known)
                return 0;
        return err_set(err, -EBUSY,
                       "this is the release of before (%s, schema %d), and the state has schema "
                       "%d: confirm when the newer one runs",
                       MOORING_VERSION, h.known, h.number);
}

void upgrade_confirm(struct request *q) {
        struct command *c;
        struct err err = { 0 };

        if (check_known(q, &err) < 0)
                return request_fail(q, err.code, &err);
        c = mem_new(struct command);
        c->run = command_upgraded_confirm;
        c->dry_run = request_query_bool(q, "dry-run");
        /* Before it is committed: the release before could not open what is confirmed. */
        if (!c->dry_run)
                upgrade_stays(upgrade_of(q));
        request_command(q, c, NULL);
}
