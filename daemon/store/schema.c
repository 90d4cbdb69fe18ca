/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c - model.db and the schemas of releases: forward, and the way back until it is confirmed
 *
 *     older than the program   copied into STORE_BEFORE, then migrated in one transaction, which
 *                              also keeps what was there before (setting STORE_UPGRADE)
 *     newer than the program   refused, unless that setting says that the program can work on it
 *
 * A release that ran before a migration can work on what it made when each migration since then
 * only adds (tables, columns with a default, indexes): gen-sql sees to that, and a migration that
 * does more says which release is the first that can (-- reader: NNNN). A confirmation takes the
 * setting away (model/upgraded.c): from then on the schema's own number is the least, and the copy
 * goes at the next start. */
#include "store-private.h"

#include "clock.h"
#include "json.h"
#include "log.h"
#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Outside of the store's threads, which do not run yet. */
struct early {
        struct tx tx;
        struct tx_memory memory;
        struct tx_group group;
};

static struct tx *early_tx(struct store *s, struct early *e, bool write) {
        e->tx = (struct tx){ .store = s,
                             .engine = s->engine,
                             .connection = s->write,
                             .group = write ? &e->group : NULL,
                             .memory = &e->memory };
        return &e->tx;
}

static int read_setting(struct store *s, const char *name, char **ret, struct err *err) {
        struct early e = {};
        struct q_setting_get_row *row;
        size_t n = 0;
        int r = q_setting_get(early_tx(s, &e, false), &(struct q_setting_get_in){ .name = name },
                              &row, &n, err);

        if (r == 0)
                *ret = n ? str_dup(row->value) : NULL;
        tx_memory_free(&e.memory);
        return r;
}

/* NULL: what it has was confirmed. */
static int read_upgrade(struct store *s, json_t **ret, struct err *err) {
        cleanup_(freep) char *text = NULL;
        int r = read_setting(s, STORE_UPGRADE, &text, err);

        *ret = NULL;
        if (r < 0 || !text)
                return r;
        return json_parse(text, strlen(text), ret, err);
}

/* ---- a store of a newer release */

static int refuse(const struct store_schema *h, const json_t *upgrade, struct err *err) {
        if (upgrade)
                return err_set(err, -EPROTONOSUPPORT,
                               "the state has schema %d, and only programs that know schema %d can "
                               "work on it, this one knows up to %d: start the newer program; or, "
                               "without what was written since the upgrade, put " STORE_BEFORE
                               "/model.db of the state folder in the place of model.db, "
                               "model.db-wal and model.db-shm",
                               h->number, h->reader, h->known);
        return err_set(err, -EPROTONOSUPPORT,
                       "the state has schema %d, this program knows up to %d, and the upgrade was "
                       "confirmed: start the newer program, or restore a backup made before the "
                       "upgrade",
                       h->number, h->known);
}

static int open_newer(struct store *s, const json_t *upgrade, struct err *err) {
        struct store_schema *h = &s->schema;

        if (h->reader > h->known)
                return refuse(h, upgrade, err);
        log_plain(
                LOG_NOTICE, "schema",
                "the state has schema %d of a newer release, which is not confirmed: this release "
                "(schema %d) works on it",
                h->number, h->known);
        return 0;
}

/* ---- a store of an older release */

static void remove_copy(const char *state_dir) {
        static const char *const names[] = { "model.db", "model.db-wal", "model.db-shm" };
        cleanup_(freep) char *folder = str_format("%s/" STORE_BEFORE, state_dir);

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                cleanup_(freep) char *path = str_format("%s/%s", folder, names[i]);

                unlink(path);
        }
        rmdir(folder);
}

/* One at a time: that of before the last migration. */
static int keep_copy(struct store *s, struct err *err) {
        cleanup_(freep) char *folder = str_format("%s/" STORE_BEFORE, s->state_dir);
        cleanup_(freep) char *path = str_format("%s/model.db", folder);
        int r;

        remove_copy(s->state_dir);
        if (mkdir(folder, 0700) < 0 && errno != EEXIST)
                return err_set(err, -errno, "%s: %s", folder, strerror(errno));
        r = s->engine->backup(s->state_dir, path, err);
        if (r == 0)
                r = s->engine->check(folder, err);
        return r < 0 ? err_add(err, r,
                               "the copy that is made before the schema goes from %d to %d; the "
                               "state is untouched, and the release before can be started on it",
                               s->schema.number, s->schema.known)
                     : 0;
}

struct forward {
        struct store *store;
        json_t *upgrade; /* what is kept of it */
};

static int keep_upgrade(void *arg, struct err *err) {
        const struct forward *f = arg;
        cleanup_(freep) char *text = json_text(f->upgrade);
        struct early e = {};
        int r = w_setting_set(early_tx(f->store, &e, true),
                              &(struct w_setting_set_in){ .name = STORE_UPGRADE, .value = text },
                              err);

        tx_memory_free(&e.memory);
        return r < 0 ? r : 0;
}

/* Of several that follow each other without a confirmation the first says from where. */
static int describe(struct store *s, json_t *before, json_t **ret, struct err *err) {
        cleanup_(freep) char *release = NULL;
        int r = read_setting(s, STORE_RELEASE, &release, err);

        if (r < 0)
                return r;
        *ret = before ? json_incref(before)
                      : json_pack("{s:i, s:s*, s:I}", "from", s->schema.number, "release", release,
                                  "at", (json_int_t)clock_wall());
        json_object_set_new(*ret, "to", json_integer(s->schema.known));
        json_object_set_new(*ret, "by", json_string(MOORING_VERSION));
        json_object_set_new(*ret, "reader", json_integer(s->schema.reader));
        return 0;
}

static int go_forward(struct store *s, json_t *before, struct err *err) {
        struct store_schema *h = &s->schema;
        cleanup_(json_freep) json_t *upgrade = NULL;
        struct forward f = { .store = s };
        struct migration m = { .engine = s->engine,
                               .connection = s->write,
                               .all = store_migrations,
                               .from = h->number,
                               .to = h->known,
                               .also = h->number ? keep_upgrade : NULL,
                               .arg = &f };
        int r = h->number && !s->options.aside ? keep_copy(s, err) : 0;

        for (int i = h->number; i < h->known; i++)
                h->reader = MAX_OF(h->reader, store_migrations[i].reader);
        if (r == 0 && h->number)
                r = describe(s, before, &upgrade, err);
        f.upgrade = upgrade;
        if (r == 0)
                r = migrate_run(&m, err);
        if (r < 0)
                return r;
        h->number = h->known;
        h->reader = h->before ? h->reader : h->known;
        return 0;
}

/* ---- */

static int count_migrations(void) {
        int n = 0;

        while (store_migrations[n].number)
                n++;
        return n;
}

int schema_open(struct store *s, struct err *err) {
        struct store_schema *h = &s->schema;
        cleanup_(json_freep) json_t *upgrade = NULL;
        int r = s->engine->version(s->write, &h->number, err);

        h->known = count_migrations();
        h->before = h->number;
        if (r == 0 && h->number)
                r = read_upgrade(s, &upgrade, err);
        if (r < 0)
                return r;
        h->reader = (int)json_get_int(upgrade, "reader", h->number);
        if (h->number > h->known)
                return open_newer(s, upgrade, err);
        if (h->number < h->known)
                return go_forward(s, upgrade, err);
        if (!upgrade) /* confirmed since */
                remove_copy(s->state_dir);
        return 0;
}
