/* SPDX-License-Identifier: Apache-2.0 */
/* backup-look.c - unpacks a backup aside and opens it as a start of the daemon would; see backup.h
 *
 * Its store is migrated to this program's schema, in the copy: what cannot be is told now, and not
 * on the day of the restore. */
#include "backup.h"

#include "audit.h"
#include "archive.h"
#include "charm-load.h"
#include "charm-pin.h"
#include "clock.h"
#include "loop.h"
#include "queries.gen.h"
#include "rekey.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHARMS_PAGE 100

struct looking {
        const struct backup_look *look;
        json_t *found;
        struct loop *loop;
        struct store *store;
        struct sealer *sealer;
        struct rekey_run secrets;
        size_t opened;
        struct audit_check audit;
        char last[DIGEST_HEX_SIZE]; /* charm looked at */
        size_t charms, missing;
        json_t *refused; /* borrowed from FOUND; NULL: not tried */
};

typedef int step_fn(struct tx *tx, struct looking *l, struct err *err);

struct look_step {
        struct store_call call;
        struct looking *looking;
        step_fn *fn;
};

static int run_step(struct tx *tx, struct store_call *call, struct err *err) {
        struct look_step *s = call->arg;

        return s->fn(tx, s->looking, err);
}

/* Until FN says 0: each round is a transaction of its own. */
static int rounds(struct looking *l, step_fn *fn, struct err *err) {
        struct look_step s = { .looking = l, .fn = fn };
        int r;

        s.call = (struct store_call){
                .lane = STORE_COMMAND, .actor = "backup", .run = run_step, .arg = &s
        };
        do {
                r = store_now(l->store, &s.call, err);
        } while (r > 0);
        return r;
}

/* ---- what is looked at */

static int count(struct tx *tx, struct looking *l, struct err *err) {
        struct q_backup_counts_row *row;
        size_t n;
        int r = q_backup_counts(tx, &row, &n, err);

        if (r < 0)
                return r;
        json_object_set_new(l->found, "models", json_integer(row->models));
        json_object_set_new(l->found, "applications", json_integer(row->applications));
        json_object_set_new(l->found, "clusters", json_integer(row->targets));
        return 0;
}

static int read_parts(struct tx *tx, struct looking *l, struct err *err) {
        return rekey_parts(tx, l->sealer, err);
}

static int open_secrets(struct tx *tx, struct looking *l, struct err *err) {
        int r;

        l->secrets.sealer = l->sealer;
        l->secrets.only_open = true;
        r = rekey_slice(tx, &l->secrets, err);
        if (r < 0)
                return r;
        l->opened += l->secrets.sealed;
        l->secrets.from = l->secrets.to;
        return !l->secrets.over;
}

static int check_audit(struct tx *tx, struct looking *l, struct err *err) {
        int r = audit_check_step(tx, l->sealer, &l->audit, err);

        if (r == 0 && l->audit.fault)
                return err_set(err, -EBADMSG, "the audit in it is not what was written: %s",
                               l->audit.text);
        return r;
}

static void check_charm(struct looking *l, const struct q_application_charms_row *row) {
        cleanup_(freep) char *folder = charm_pin_folder(l->look->aside, row->charm_sha256);
        struct worker_spec spec = {};
        struct err err = {};

        if (charm_pin_check(l->look->aside, row->charm_sha256, NULL) < 0) {
                l->missing++;
                return;
        }
        if (!l->refused)
                return;
        spec = *l->look->worker;
        spec.folder = folder;
        spec.sha256 = row->charm_sha256;
        if (charm_load_try(&spec, &err) < 0)
                json_array_append_new(l->refused,
                                      json_pack("{s:s, s:o}", "charm", row->charm_sha256, "why",
                                                json_words(err_text(&err))));
}

static int check_charms(struct tx *tx, struct looking *l, struct err *err) {
        struct q_application_charms_in in = { .after = l->last, .max = CHARMS_PAGE };
        struct q_application_charms_row *rows;
        size_t n;
        int r = q_application_charms(tx, &in, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                l->charms++;
                check_charm(l, &rows[i]);
                str_copy(l->last, sizeof(l->last), rows[i].charm_sha256);
        }
        return r < 0 ? r : n == CHARMS_PAGE;
}

static int run_also(struct tx *tx, struct looking *l, struct err *err) {
        return l->look->also(tx, l->found, err);
}

/* ---- opening */

static int open_all(struct looking *l, struct err *err) {
        struct store_options store = { .state_dir = l->look->aside, .aside = true };
        struct seal_options seal = { .state_dir = l->look->aside,
                                     .key_file = json_get_bool(l->found, "key", true)
                                                         ? NULL
                                                         : l->look->key_file,
                                     .must_exist = true };
        int r = loop_new(&l->loop, err);

        if (r >= 0)
                r = store_open(l->loop, &store, &l->store, err);
        if (r >= 0)
                r = store_check(l->store, err);
        if (r >= 0)
                r = seal_new(&seal, &l->sealer, NULL, err);
        return r;
}

static void tell_release(struct looking *l) {
        struct store_schema h;

        store_schema(l->store, &h);
        l->refused = l->look->worker ? json_array() : NULL;
        json_object_set_new(l->found, "by", json_string(MOORING_VERSION));
        json_object_set_new(l->found, "schema",
                            json_pack("{s:i, s:i, s:i}", "before", h.before, "number", h.number,
                                      "reader", h.reader));
        json_object_set_new(l->found, "charms-refused", l->refused ? l->refused : json_null());
}

static int look_at_all(struct looking *l, struct err *err) {
        int r = rounds(l, read_parts, err);

        tell_release(l);
        r = rounds(l, read_parts, err);
        if (r >= 0)
                r = rounds(l, open_secrets, err);
        if (r >= 0)
                r = rounds(l, check_audit, err);
        if (r >= 0)
                r = rounds(l, check_charms, err);
        if (r >= 0)
                r = rounds(l, count, err);
        if (r >= 0 && l->look->also)
                r = rounds(l, run_also, err);
        json_object_set_new(l->found, "secrets", json_integer((json_int_t)l->opened));
        json_object_set_new(l->found, "audit-rows", json_integer(l->audit.rows));
        json_object_set_new(l->found, "charms", json_integer((json_int_t)l->charms));
        json_object_set_new(l->found, "charms-missing", json_integer((json_int_t)l->missing));
        return r;
}

int backup_look(const struct backup_look *look, json_t **ret, struct err *err) {
        struct looking l = { .look = look };
        int r = 0;

        if (mkdir(look->aside, 0700) < 0)
                return err_set(err, -errno, "%s: %s", look->aside, strerror(errno));
        r = archive_unpack(look->path, look->key, look->aside, &l.found, err);
        if (r >= 0) {
                json_object_set_new(l.found, "file", json_words(look->path));
                r = open_all(&l, err);
                if (r >= 0)
                        r = look_at_all(&l, err);
                r = r < 0 ? err_add(err, r, "%s", look->path) : 0;
        }
        l.store = store_close(l.store);
        l.sealer = seal_free(l.sealer);
        l.loop = loop_free(l.loop);
        if (r < 0)
                json_decref(l.found);
        else
                *ret = l.found;
        return r;
}
