/* SPDX-License-Identifier: Apache-2.0 */
/* backup-create.c - the action create-backup
 *
 *   free ──▶ survey ──▶ before ──▶ reach ──▶ dump ──▶ after ──▶ note ──▶ old ──▶ prune
 *
 * The dump is one transaction's view of all databases, and streams from the pod into the bucket.
 * Checksums cannot be asked for in that transaction: they are taken before and after it, and a
 * table that has the same both times has that one in the dump too. One that was written to
 * meanwhile has none. The metadata is written last; before it, nothing lists the backup, and
 * when it never comes to it the dump is taken away. */
#include "backup-server.h"

#include "mysql-command.h"

#include <stdio.h>

#define SYSTEM "'mysql','information_schema','performance_schema','sys'"
#define OWN_TABLES "table_type = 'BASE TABLE' AND table_schema NOT IN (" SYSTEM ")"
#define TOLD_MAX 5

/* ---- free: a name that no backup has */

static bool is_sealed(const struct charm_world *w) {
        return backup_passphrase(w) != NULL;
}

static void find_free(const struct charm_world *w, struct charm_ask *a) {
        if (backup_server_runs(w, a))
                backup_find_free(w, a);
}

/* ---- survey: what there is */

/* Column 0 of rows, or columns 0 and 1, one a line. */
static const char *lines_of(const struct charm_world *w, struct charm_ask *a, int result,
                            bool pairs, size_t max) {
        struct charm_plan *p = charm_paper(a);
        char *out = charm_memory(p, max + 1);
        const char *one;
        size_t used = 0;

        for (int i = 0; (one = charm_answer(w, charm_text(p, "/results/%d/rows/%d/0", result, i)));
             i++) {
                const char *two =
                        pairs ? charm_answer(w, charm_text(p, "/results/%d/rows/%d/1", result, i))
                              : NULL;
                const char *line = charm_text(p, "%s%s%s\n", one, two ? "\t" : "", two ? two : "");

                if (used + strlen(line) > max)
                        break;
                memcpy(out + used, line, strlen(line));
                used += strlen(line);
        }
        return out;
}

static void ask_survey(struct charm_ask *a) {
        charm_ask_sql(
                a, "server",
                CHARM_TEXTS("SELECT VERSION(), (SELECT COUNT(*) FROM information_schema.tables "
                            "WHERE " OWN_TABLES ")",
                            "SELECT schema_name FROM information_schema.schemata WHERE schema_name "
                            "NOT IN (" SYSTEM ") ORDER BY 1",
                            "SELECT table_schema, table_name FROM information_schema.tables "
                            "WHERE " OWN_TABLES " AND table_name NOT LIKE '%\\t%' AND table_name "
                            "NOT LIKE '%\\n%' ORDER BY 1, 2 LIMIT 1000",
                            "SELECT CONCAT(table_schema, '.', table_name, ' (', engine, ')') FROM "
                            "information_schema.tables WHERE " OWN_TABLES
                            " AND engine <> 'InnoDB' ORDER BY 1 LIMIT 5"),
                NULL);
}

/* Tables that no transaction covers: their rows may be of any moment of the dump. */
static bool refuse_uncovered(const struct charm_world *w, struct charm_ask *a) {
        const char *names = lines_of(w, a, 3, false, 400), *first = backup_line(a, names, 0);

        if (!first || charm_param_bool(w, "force"))
                return false;
        charm_give_up(a,
                      "not InnoDB, and so not of one moment with the rest: %s%s; force=true takes "
                      "them all the same",
                      first, backup_line(a, names, 1) ? " and others" : "");
        return true;
}

static void survey(const struct charm_world *w, struct charm_ask *a) {
        const char *databases;

        if (!charm_outcome(w))
                return ask_survey(a);
        databases = lines_of(w, a, 1, false, 4000);
        if (!*databases)
                return charm_give_up(a, "there is no database to back up");
        if (backup_line(a, databases, BACKUP_DATABASES_MAX))
                return charm_give_up(a, "more than %d databases", BACKUP_DATABASES_MAX);
        if (refuse_uncovered(w, a))
                return;
        charm_set(a, "version", charm_answer(w, "/results/0/rows/0/0"));
        charm_set(a, "count", charm_answer(w, "/results/0/rows/0/1"));
        charm_set(a, "databases", databases);
        charm_set(a, "tables", lines_of(w, a, 2, true, BACKUP_TABLES_MAX));
        charm_next(a);
}

/* ---- before, after: checksums */

static void sum_before(const struct charm_world *w, struct charm_ask *a) {
        const char *tables = charm_state(w, "tables");

        if (!*tables)
                return charm_next(a);
        if (!charm_outcome(w))
                return backup_ask_checksums(a, "server", tables);
        charm_set(a, "sums", backup_checksums(w, a, tables));
        charm_next(a);
}

/* Lines "CHECKSUM database table" of those that are the same as before. */
static const char *keep_same(const struct charm_world *w, struct charm_ask *a, const char *tables,
                             size_t *ret_same, size_t *ret_all) {
        const char *before = charm_state(w, "sums"), *after = backup_checksums(w, a, tables);
        size_t room = 9 * strlen(tables) + strlen(after) + 1, used = 0; /* "table: -" to each */
        char *out = charm_memory(charm_paper(a), room);
        const char *table;

        for (*ret_all = 0; (table = backup_line(a, tables, *ret_all)); (*ret_all)++) {
                const char *was = backup_line(a, before, *ret_all),
                           *is = backup_line(a, after, *ret_all);
                bool same = was && is && !strcmp(was, is);

                used += (size_t)snprintf(out + used, room - used, "table: %s\t%s\n",
                                         same ? is : "-", table);
                *ret_same += same;
        }
        return out;
}

static void sum_after(const struct charm_world *w, struct charm_ask *a) {
        const char *tables = charm_state(w, "tables");
        size_t same = 0, all = 0;

        if (!*tables)
                return charm_next(a);
        if (!charm_outcome(w))
                return backup_ask_checksums(a, "server", tables);
        charm_set(a, "tables", keep_same(w, a, tables, &same, &all));
        charm_set(a, "sums", NULL);
        charm_set(a, "same", charm_text(charm_paper(a), "%zu", same));
        if (same < all)
                charm_log(a,
                          "%zu of %zu tables were written to meanwhile: the dump has them as they "
                          "were at its beginning, and no checksum of them",
                          all - same, all);
        charm_next(a);
}

/* ---- dump */

/* Until the server answers: also after a dump that it left in the middle. */
static void reach(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_sql(a, "server", CHARM_TEXTS("SELECT 1"), NULL);
        charm_next(a);
}

#define DUMP MYSQL_DUMP " --user=root --routines --events --databases -- \"$@\""

static void dump(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!outcome)
                return backup_ask_dump(w, a,
                                       backup_command(w, a, backup_pod(w, a), DUMP,
                                                      charm_state(w, "databases"), ""));
        if (!strcmp(outcome, "refused") && backup_lost_server(w, a)) {
                charm_log(a, "the server went away in the middle of the dump: it is begun again");
                return charm_goto(a, "reach");
        }
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "the dump broke off, and there is no backup %s: %s: %s",
                                     charm_state(w, "id"), outcome, charm_error(w));
        backup_take_dump(w, a);
        charm_log(a, "%s bytes are in the bucket", charm_answer(w, "/bytes"));
        charm_next(a);
}

/* ---- note: from now on it is a backup */

static const char *metadata(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const struct charm_view *v = charm_world_view(w);
        const char *databases = "", *name;

        for (size_t i = 0; (name = backup_line(a, charm_state(w, "databases"), i)); i++)
                databases = charm_text(p, "%sdatabase: %s\n", databases, name);
        return charm_text(
                p,
                "format: mooring-mysql 1\nid: %s\nmodel: %s\napplication: %s\nserver: %s\n"
                "sealed: %s\nbytes: %s\nsha256: %s\nplain-bytes: %s\nplain-sha256: %s\n"
                "%s%send\n",
                charm_state(w, "id"), charm_model(v), charm_application(v),
                charm_state(w, "version"), is_sealed(w) ? "yes" : "no", charm_state(w, "bytes"),
                charm_state(w, "sha256"), charm_state(w, "plain-bytes"),
                charm_state(w, "plain-sha256"), databases, charm_state(w, "tables"));
}

static void note(const struct charm_world *w, struct charm_ask *a) {
        const char *same = charm_state(w, "same");

        if (!backup_note(w, a, metadata(w, a)))
                return;
        charm_result(a, "backup-id", charm_state(w, "id"));
        charm_result(a, "bytes", charm_state(w, "bytes"));
        charm_result(a, "sha256", charm_state(w, "sha256"));
        charm_result(a, "encrypted", is_sealed(w) ? "yes" : "no");
        charm_result(a, "tables", charm_state(w, "count"));
        charm_result(a, "tables-with-checksum", same ? same : "0");
        charm_next(a);
}

const struct charm_step backup_create_steps[] = { { "free", find_free, 300, CHARM_ALL },
                                                  { "survey", survey, 300, 0 },
                                                  { "before", sum_before, BACKUP_HOURS, 0 },
                                                  { "reach", reach, BACKUP_HOURS, 0 },
                                                  { "dump", dump, BACKUP_HOURS, CHARM_ALL },
                                                  { "after", sum_after, BACKUP_HOURS, 0 },
                                                  { "note", note, 3600, CHARM_ALL },
                                                  { "old", backup_find_old, 300, CHARM_ALL },
                                                  { "prune", backup_prune, 300, CHARM_ALL },
                                                  { "tidy", backup_tidy, 300,
                                                    CHARM_CLEANUP | CHARM_ALL },
                                                  {} };
