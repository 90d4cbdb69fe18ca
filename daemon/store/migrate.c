/* SPDX-License-Identifier: Apache-2.0 */
/* migrate.c - brings a database to the schema of this program: all that is missing, or nothing
 *
 * The migrations are in the program (schema/store, cut into statements by gen-sql). The version is
 * the number of the last one. */
#include "store-private.h"

#include "log.h"

#include <errno.h>

static int run_one(const struct store_engine *e, struct store_connection *c,
                   const struct store_migration *m, struct err *err) {
        int r = 0;

        for (size_t i = 0; r == 0 && m->statements[i]; i++)
                r = e->script(c, m->statements[i], err);
        if (r == 0)
                r = e->set_version(c, m->number, err);
        return r < 0 ? err_add(err, r, "migration %s", m->name) : 0;
}

static int run_all(const struct migration *m, struct err *err) {
        const struct store_engine *e = m->engine;
        int r = e->begin(m->connection, err);

        for (int i = m->from; r == 0 && i < m->to; i++)
                r = run_one(e, m->connection, &m->all[i], err);
        if (r == 0 && m->also)
                r = m->also(m->arg, err);
        if (r == 0)
                r = e->commit(m->connection, err);
        if (r < 0)
                e->rollback(m->connection);
        return r;
}

int migrate_run(const struct migration *m, struct err *err) {
        int version = m->from, r;

        if (m->from >= m->to)
                return 0;
        r = run_all(m, err);
        /* Unknown whether it is there: the version says. */
        if (r == -ENODATA && m->engine->version(m->connection, &version, err) == 0)
                r = version == m->to ? 0 : run_all(m, err);
        if (r < 0)
                return r;
        log_plain(LOG_INFO, "migrated", "the state has the schema of %s", m->all[m->to - 1].name);
        return 0;
}
