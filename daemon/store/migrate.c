/* SPDX-License-Identifier: Apache-2.0 */
/* migrate.c - brings a database to the schema of this program: each migration whole or not at all
 *
 * The migrations are in the program (schema/store, cut into statements by gen-sql). The version is
 * the number of the last one. A newer database than the program is refused and left alone. */
#include "store-private.h"

#include "log.h"

#include <errno.h>

static int run_one(const struct store_engine *e, struct store_connection *c,
                   const struct store_migration *m, struct err *err) {
        int r = e->begin(c, err);

        for (size_t i = 0; r == 0 && m->statements[i]; i++)
                r = e->script(c, m->statements[i], err);
        if (r == 0)
                r = e->set_version(c, m->number, err);
        if (r == 0)
                r = e->commit(c, err);
        if (r < 0) {
                e->rollback(c);
                return err_add(err, r, "migration %s", m->name);
        }
        log_plain(LOG_INFO, "migrated", "the state has the schema of %s", m->name);
        return 0;
}

int migrate_run(const struct store_engine *e, struct store_connection *c,
                const struct store_migration *all, int n, struct err *err) {
        int version = 0;
        int r = e->version(c, &version, err);

        if (r < 0)
                return r;
        if (version > n)
                return err_set(err, -EPROTONOSUPPORT,
                               "the state has schema %d, this program knows up to %d: start the "
                               "newer program, or restore a backup made before the update",
                               version, n);
        for (int i = version; i < n; i++) {
                r = run_one(e, c, &all[i], err);
                /* Unknown whether it is there: the version says. */
                if (r == -ENODATA && e->version(c, &version, err) == 0 && version <= i)
                        r = run_one(e, c, &all[i], err);
                else if (r == -ENODATA && version == i + 1)
                        r = 0;
                if (r < 0)
                        return r;
        }
        return 0;
}
