/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade-check.c - what stands in the way of another version: the action pre-upgrade-check, and
 * the first steps of upgrade
 *
 *   start ──▶ probe ──▶ server ──▶ objects ──▶ tables ──▶ disk ──▶ backups ──▶ tell
 *
 * Only looks. The new image says its version in a Job, which shows too that it can be pulled; the
 * server that runs is asked the rest. Of what MySQL Shell's util.checkForServerUpgrade looks at
 * are here: what SQL can tell, of the versions between the two. */
#include "upgrade.h"

#include "charm.gen.h"

#include "restore-part.h"

#include <stdlib.h>

#define BACKUP_AGE_MS ((int64_t)7 * 86400 * 1000) /* of the newest that was verified */
#define LONG_S "60"     /* a transaction that is open for longer keeps the fence waiting */
#define ROOM_KIB 524288 /* free in any case: redo log and dictionary are written anew */
#define FINDINGS_MAX 16384
#define STEP_FINDINGS_MAX 8
#define SYSTEM "'mysql','information_schema','performance_schema','sys'"

/* ---- findings: those of one call are kept at its end */

struct found {
        struct {
                bool error;
                const char *check, *text;
        } list[STEP_FINDINGS_MAX];
        size_t count;
};

static void add(struct found *f, bool error, const char *check, const char *text) {
        if (f->count == STEP_FINDINGS_MAX)
                return;
        f->list[f->count].error = error;
        f->list[f->count].check = check;
        f->list[f->count++].text = text;
}

static long counted(const struct charm_world *w, const char *key) {
        const char *text = charm_state(w, key);

        return text ? strtol(text, NULL, 10) : 0;
}

static void keep(const struct charm_world *w, struct charm_ask *a, const struct found *f) {
        struct charm_plan *p = charm_paper(a);
        const char *all = charm_state(w, "findings"), *first = charm_state(w, "first");
        long errors = counted(w, "errors"), warnings = counted(w, "warnings");

        all = all ? all : "";
        for (size_t i = 0; i < f->count; i++) {
                bool error = f->list[i].error;
                const char *level = error ? "error" : "warning", *check = f->list[i].check;

                charm_log(a, "%s: %s: %s", level, check, f->list[i].text);
                if (strlen(all) < FINDINGS_MAX)
                        all = charm_text(p, "%s%s{\"level\":\"%s\",\"check\":\"%s\",\"text\":%s}",
                                         all, *all ? "," : "", level, check,
                                         charm_quote(p, f->list[i].text));
                *(error ? &errors : &warnings) += 1;
                if (error && !first)
                        first = charm_text(p, "%s: %s", check, f->list[i].text);
        }
        if (!f->count)
                return;
        charm_set(a, "findings", all);
        charm_set(a, "first", first);
        charm_set(a, "errors", charm_text(p, "%ld", errors));
        charm_set(a, "warnings", charm_text(p, "%ld", warnings));
}

/* Column COLUMN of RESULT's rows, "a, b and others". NULL: there is none. */
static const char *names(const struct charm_world *w, struct charm_ask *a, int result, int column) {
        struct charm_plan *p = charm_paper(a);
        const char *out = NULL, *name;

        for (int i = 0;
             (name = charm_answer(w, charm_text(p, "/results/%d/rows/%d/%d", result, i, column)));
             i++) {
                if (i == 5)
                        return charm_text(p, "%s and others", out);
                out = charm_text(p, "%s%s%.80s", out ? out : "", out ? ", " : "", name);
        }
        return out;
}

/* ---- start */

static void add_member(void *arg, const char *text) {
        add(arg, true, "members", text);
}

void upgrade_start(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        struct found f = {};

        if (restore_part_refuses(w, a) ||
            !upgraded_may_begin(w, a, upgrade_image(v), charm_ready(v, "statefulset"),
                                "read-only") ||
            !backup_server_runs(w, a))
                return;
        upgrade_look_at_members(w, a, add_member, &f);
        if (!charm_relations(v, ENDPOINT_S3_PARAMETERS))
                add(&f, true, "backup",
                    "Missing relation with S3 integrator charm: upgrade makes a backup first");
        keep(w, a, &f);
        charm_next(a);
}

/* ---- probe: does the image come, and what is it */

static void ask_probe(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        struct charm_plan *p = charm_paper(a);
        const char *arch = charm_constraint(v, "arch");

        charm_ask_job(a, "probe.yaml",
                      CHARM_HOLES({ "name", CHARM_TEXT, charm_text(p, "probe-%s", charm_key(w)) },
                                  { "image", CHARM_TEXT, charm_param(w, "image") },
                                  { "arch", *arch ? CHARM_TEXT : CHARM_NONE, arch }));
}

static void note_target(struct charm_ask *a, const struct upgrade_version *v, bool of_tag) {
        charm_set(a, "target",
                  charm_text(charm_paper(a), "%d.%d.%d%s", v->major, v->minor, v->patch,
                             v->mariadb ? "-MariaDB" : ""));
        charm_set(a, "of-tag", of_tag ? "1" : NULL);
}

void upgrade_probe(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *outcome = charm_outcome(w), *image = charm_param(w, "image"), *succeeded;
        struct upgrade_version target;
        struct found f = {};

        if (!outcome)
                return ask_probe(w, a);
        succeeded = charm_answer(w, "/succeeded");
        if (strcmp(outcome, "done") != 0)
                add(&f, true, "image",
                    charm_text(p, "%.200s does not come: %s: %.200s", image, outcome,
                               charm_error(w)));
        else if (!succeeded || strcmp(succeeded, "true") != 0)
                add(&f, true, "image",
                    charm_text(p, "\"mysqld --version\" failed in %.200s: %.200s", image,
                               charm_answer(w, "/message") ? charm_answer(w, "/message") : ""));
        else if (upgrade_version_of(charm_answer(w, "/log"), &target))
                note_target(a, &target, false);
        else if (upgrade_version_of_tag(p, image, &target))
                note_target(a, &target, true);
        else
                add(&f, true, "image",
                    charm_text(p, "%.200s says no version, and its tag has none", image));
        keep(w, a, &f);
        charm_next(a);
}

/* ---- server: its version, and what is open on it */

static void ask_server(struct charm_ask *a) {
        charm_ask_sql(
                a, "server",
                CHARM_TEXTS(
                        "SELECT VERSION(), @@datadir, (SELECT CAST(COALESCE(SUM(data_length + "
                        "index_length), 0) AS UNSIGNED) FROM information_schema.tables)",
                        "SELECT CONCAT('connection ', trx_mysql_thread_id, ' since ', trx_started) "
                        "FROM information_schema.innodb_trx WHERE trx_started < NOW() - "
                        "INTERVAL " LONG_S " SECOND ORDER BY trx_started LIMIT 6",
                        "XA RECOVER",
                        "SELECT table_schema, table_name FROM information_schema.tables WHERE "
                        "table_type = 'BASE TABLE' AND table_schema NOT IN (" SYSTEM ") AND "
                        "table_name NOT LIKE '%\\t%' AND table_name NOT LIKE '%\\n%' ORDER BY 1, 2 "
                        "LIMIT 1000"),
                NULL);
}

static void look_at_path(const struct charm_world *w, struct charm_ask *a, struct found *f,
                         const char *version) {
        const char *target = charm_state(w, "target"), *wrong;
        struct upgrade_version from, to;

        if (!target || !upgrade_version_of(target, &to))
                return;
        if (!upgrade_version_of(version, &from))
                return add(f, true, "path", "the server does not say which version it is");
        if (charm_state(w, "of-tag")) /* which has no family */
                to.mariadb = from.mariadb;
        wrong = upgrade_path_wrong(charm_paper(a), &from, &to);
        if (wrong)
                add(f, true, "path", wrong);
}

void upgrade_look_at_server(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *version, *open, *prepared;
        struct found f = {};

        if (!charm_outcome(w))
                return ask_server(a);
        version = charm_answer(w, "/results/0/rows/0/0");
        charm_set(a, "server", version);
        charm_set(a, "data", charm_answer(w, "/results/0/rows/0/1"));
        charm_set(a, "data-bytes", charm_answer(w, "/results/0/rows/0/2"));
        charm_set(a, "tables", backup_lines(w, a, 3, true, BACKUP_TABLES_MAX));
        look_at_path(w, a, &f, version);
        open = names(w, a, 1, 0);
        if (open)
                add(&f, true, "transactions",
                    charm_text(p, "open for more than " LONG_S " s, and would be broken off: %s",
                               open));
        prepared = names(w, a, 2, 3);
        charm_set(a, "prepared", prepared ? "1" : NULL);
        if (prepared)
                add(&f, true, "xa",
                    charm_text(p,
                               "prepared XA transactions, which another version does not take "
                               "on: commit them or roll them back: %s",
                               prepared));
        keep(w, a, &f);
        charm_next(a);
}

/* ---- objects: what versions between the two take away */

#define OWN " NOT IN (" SYSTEM ")"
static const struct {
        int since; /* major * 100 + minor; 0: any */
        bool error;
        const char *check, *sql, *text;
} removals[] = {
        { 804, true, "native-password",
          "SELECT CONCAT(user, '@', host) FROM mysql.user WHERE plugin = 'mysql_native_password' "
          "ORDER BY 1 LIMIT 6",
          "accounts with mysql_native_password, which the new version does not let in: ALTER USER "
          "... IDENTIFIED WITH caching_sha2_password" },
        { 804, true, "auto-increment",
          "SELECT CONCAT(table_schema, '.', table_name, '.', column_name) FROM "
          "information_schema.columns WHERE extra LIKE '%auto_increment%' AND data_type IN "
          "('float', 'double') ORDER BY 1 LIMIT 6",
          "AUTO_INCREMENT on FLOAT or DOUBLE, which the new version refuses" },
        { 804, false, "foreign-keys",
          "SELECT CONCAT(constraint_schema, '.', table_name, '.', constraint_name) FROM "
          "information_schema.referential_constraints WHERE unique_constraint_name IS NULL ORDER "
          "BY 1 LIMIT 6",
          "foreign keys to what is not unique: the new version keeps them, and refuses to read "
          "them back from a dump (restrict_fk_on_non_standard_key)" },
        { 804, false, "words",
          "SELECT CONCAT(table_schema, '.', table_name, '.', column_name) FROM "
          "information_schema.columns WHERE table_schema" OWN " AND (column_name IN ('MANUAL', "
          "'PARALLEL', 'QUALIFY', 'TABLESAMPLE') OR table_name IN ('MANUAL', 'PARALLEL', "
          "'QUALIFY', 'TABLESAMPLE')) ORDER BY 1 LIMIT 6",
          "names that are reserved words of the new version: queries have to quote them" },
        { 0, false, "engines",
          "SELECT CONCAT(table_schema, '.', table_name, ' (', engine, ')') FROM "
          "information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema" OWN
          " AND engine <> 'InnoDB' ORDER BY 1 LIMIT 6",
          "tables without transactions" },
        { 0, true, "no-engine",
          "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables WHERE "
          "table_type = 'BASE TABLE' AND table_schema" OWN " AND engine IS NULL ORDER BY 1 LIMIT 6",
          "tables that cannot be opened" },
};
#define REMOVALS (sizeof(removals) / sizeof(*removals))

static bool concerns(const struct charm_world *w, size_t i) {
        struct upgrade_version from, to;

        if (!removals[i].since)
                return true;
        return charm_state(w, "target") && upgrade_version_of(charm_state(w, "target"), &to) &&
               upgrade_version_of(charm_state(w, "server"), &from) && !from.mariadb &&
               upgrade_series(&from) < removals[i].since &&
               removals[i].since <= upgrade_series(&to);
}

void upgrade_look_at_objects(const struct charm_world *w, struct charm_ask *a) {
        const char *asked[REMOVALS + 1] = { NULL }, *found;
        struct found f = {};
        int count = 0;

        for (size_t i = 0; i < REMOVALS; i++) {
                if (!concerns(w, i))
                        continue;
                found = charm_outcome(w) ? names(w, a, count, 0) : NULL;
                if (found)
                        add(&f, removals[i].error, removals[i].check,
                            charm_text(charm_paper(a), "%s: %s", removals[i].text, found));
                asked[count++] = removals[i].sql;
        }
        if (!charm_outcome(w))
                return charm_ask_sql(a, "server", asked, NULL);
        keep(w, a, &f);
        charm_next(a);
}

/* ---- tables: by the server's own check
 *
 * It waits for whoever writes to a table, and all that come after wait for it: not for long, and
 * where a prepared XA transaction may hold one, not at all. */

#define LOCK_WAIT "SET SESSION lock_wait_timeout = 5"
#define CHECKED "/results/1/rows/"

void upgrade_look_at_tables(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *outcome = charm_outcome(w), *tables = charm_state(w, "tables"), *bad = "";
        const char *type, *text;
        struct found f = {};

        if (!*tables)
                return charm_next(a);
        if (charm_state(w, "prepared")) {
                charm_log(a, "the tables are not checked: what is prepared may hold them");
                return charm_next(a);
        }
        if (!outcome)
                return backup_ask_of_tables(a, "server", "CHECK TABLE ", tables, " FOR UPGRADE",
                                            LOCK_WAIT);
        for (int i = 0; (type = charm_answer(w, charm_text(p, CHECKED "%d/2", i))); i++) {
                text = charm_answer(w, charm_text(p, CHECKED "%d/3", i));
                if (strcmp(type, "error") != 0 && strcmp(type, "Error") != 0)
                        continue;
                if (strlen(bad) < 400)
                        bad = charm_text(p, "%s%s%.80s (%.80s)", bad, *bad ? ", " : "",
                                         charm_answer(w, charm_text(p, CHECKED "%d/0", i)), text);
        }
        if (strcmp(outcome, "done") != 0)
                add(&f, true, "tables",
                    charm_text(p, "CHECK TABLE: %s: %s", outcome, charm_error(w)));
        else if (*bad)
                add(&f, true, "tables",
                    charm_text(p, "CHECK TABLE ... FOR UPGRADE finds fault with %s", bad));
        keep(w, a, &f);
        charm_next(a);
}

/* ---- disk */

#define FREE "df -Pk -- \"$1\" | { read -r _; read -r _ _ _ free _; echo \"$free\"; }"

void upgrade_look_at_disk(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *said = charm_answer(w, "/stdout");
        long long free = said ? strtoll(said, NULL, 10) : 0,
                  data = strtoll(charm_state(w, "data-bytes"), NULL, 10) / 1024;
        struct found f = {};

        if (!charm_outcome(w))
                return charm_ask_exec(
                        a, &(struct charm_exec){ .pod = backup_pod(w, a),
                                                 .container = "mysql",
                                                 .argv = CHARM_TEXTS("sh", "-c", FREE, "sh",
                                                                     charm_state(w, "data")) });
        if (free < ROOM_KIB)
                add(&f, true, "disk",
                    charm_text(p, "%lld MiB are free on the server's volume, and it needs %d MiB",
                               free / 1024, ROOM_KIB / 1024));
        else if (free < ROOM_KIB + data)
                add(&f, false, "disk",
                    charm_text(p,
                               "%lld MiB are free on the server's volume: a way back, which "
                               "reads %lld MiB of data into a folder of its own, may not fit",
                               free / 1024, data / 1024));
        keep(w, a, &f);
        charm_next(a);
}

/* ---- backups: how old is the newest that is known to be good */

static void take_verified(void *arg, const struct backup_entry *e) {
        const char **newest = arg;

        if (e->own && e->noted && *e->verified && strcmp(e->verified, *newest) > 0)
                *newest = e->verified;
}

void upgrade_look_at_backups(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *newest = charm_state(w, "newest"),
                   *limit = backup_time(p, charm_now(w) - BACKUP_AGE_MS);
        struct found f = {};

        newest = newest ? newest : "";
        if (!charm_relations(charm_world_view(w), ENDPOINT_S3_PARAMETERS))
                return charm_next(a);
        if (!backup_walk(w, a, take_verified, &newest))
                return charm_set(a, "newest", newest);
        if (!*newest)
                add(&f, false, "verified", "no backup was ever verified: run verify-backup");
        else if (strcmp(newest, limit) < 0)
                add(&f, false, "verified",
                    charm_text(p, "the newest backup that was verified was so on %s", newest));
        keep(w, a, &f);
        charm_next(a);
}

/* ---- what comes of it */

static bool refuse(const struct charm_world *w, struct charm_ask *a) {
        long errors = counted(w, "errors");

        if (!errors)
                return false;
        charm_give_up(a, "Pre-upgrade check failed. Cannot upgrade: %.300s%s; nothing was touched",
                      charm_state(w, "first"),
                      errors > 1 ? charm_text(charm_paper(a), " (and %ld more)", errors - 1) : "");
        return true;
}

void upgrade_judge(const struct charm_world *w, struct charm_ask *a) {
        if (refuse(w, a))
                return;
        charm_set(a, "findings", NULL);
        charm_next(a);
}

static void tell(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *list = charm_state(w, "findings"), *target = charm_state(w, "target");

        charm_result(a, "result", counted(w, "errors") ? "failed" : "ok");
        charm_result(a, "server", charm_state(w, "server"));
        charm_result(a, "target", target ? target : "not known");
        charm_result(a, "errors", charm_text(p, "%ld", counted(w, "errors")));
        charm_result(a, "warnings", charm_text(p, "%ld", counted(w, "warnings")));
        charm_result(a, "findings", charm_text(p, "[%s]", list ? list : ""));
        if (!refuse(w, a))
                charm_done(a);
}

const struct charm_step upgrade_pre_check_steps[] = { UPGRADE_CHECKS, { "tell", tell, 0, 0 }, {} };
