/* SPDX-License-Identifier: Apache-2.0 */
/* backup-read.c - what reads a backup: its metadata, all of its dump to nowhere, the dump into a
 * server, and whether that has then what was backed up
 *
 * For restore and verify-backup, which both have steps of the names "nearest" and "verify". */
#include "backup.h"

#define TOLD_MAX 5
#define ID_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:._-"

const char *backup_noted(const struct charm_world *w, struct charm_ask *a, const char *name) {
        const char *text = backup_meta(a, charm_state(w, "meta"), name, 0);

        return text ? text : "";
}

bool backup_is_sealed(const struct charm_world *w, struct charm_ask *a) {
        return !strcmp(backup_noted(w, a, "sealed"), "yes");
}

const char *backup_wanted(const struct charm_world *w) {
        const char *given = charm_param(w, "backup-id");

        return given ? given : charm_state(w, "id");
}

/* ---- find */

static bool is_id(const char *id) {
        return *id && strlen(id) <= 64 && id[0] != '.' && strspn(id, ID_LETTERS) == strlen(id);
}

static bool is_whole(struct charm_ask *a, const char *text) {
        static const char *const names[] = { "id", "sealed", "bytes", "sha256", "database" };
        const char *format = backup_meta(a, text, "format", 0);
        size_t length = strlen(text);

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
                if (!backup_meta(a, text, names[i], 0))
                        return false;
        return format && !strcmp(format, "mooring-mysql 1") && length > 5 &&
               !strcmp(text + length - 5, "\nend\n") &&
               strlen(backup_meta(a, text, "sha256", 0)) == 64;
}

static void take_meta(const struct charm_world *w, struct charm_ask *a) {
        const char *text = charm_answer(w, "/body"), *id = backup_wanted(w);
        bool given = backup_passphrase(w) != NULL;

        if (!text || !is_whole(a, text) || strcmp(backup_meta(a, text, "id", 0), id) != 0)
                return charm_give_up(a,
                                     "the metadata of %s is cut off, or was changed; nothing was "
                                     "touched",
                                     id);
        if (!strcmp(backup_meta(a, text, "sealed", 0), "yes") && !given)
                return charm_give_up(a,
                                     "%s is encrypted: its passphrase is needed; nothing was "
                                     "touched",
                                     id);
        charm_set(a, "meta", text);
        charm_log(a, "%s, of %s in %s, server %s: %s bytes, %s of SQL", id,
                  backup_meta(a, text, "application", 0), backup_meta(a, text, "model", 0),
                  backup_meta(a, text, "server", 0), backup_meta(a, text, "bytes", 0),
                  backup_meta(a, text, "plain-bytes", 0));
        charm_goto(a, "verify");
}

void backup_find(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *id = backup_wanted(w);

        if (!is_id(id))
                return charm_give_up(a, "Invalid backup-id: %.64s", id);
        if (!outcome)
                return backup_ask_object(w, a, "get-object", id, BACKUP_METADATA, "");
        if (!strcmp(outcome, "gone"))
                return charm_goto(a, "nearest");
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "the bucket: %s: %s", outcome, charm_error(w));
        take_meta(w, a);
}

/* ---- nearest: what else there is */

static size_t alike(const char *a, const char *b) {
        size_t n = 0;

        for (; *a && *b; a++, b++)
                n += *a == *b;
        return n;
}

struct nearest {
        const char *wanted, *best;
};

static void take_nearer(void *arg, const struct backup_entry *e) {
        struct nearest *n = arg;

        if (e->noted && alike(e->id, n->wanted) >= alike(n->best, n->wanted))
                n->best = e->id;
}

void backup_offer_nearest(const struct charm_world *w, struct charm_ask *a) {
        const char *near = charm_state(w, "near");
        struct nearest n = { backup_wanted(w), near ? near : "" };

        if (!backup_walk(w, a, take_nearer, &n))
                return charm_set(a, "near", n.best);
        charm_give_up(a, "Invalid backup-id: there is no %s%s%s", n.wanted,
                      *n.best ? "; the nearest is " : ", and no other backup", n.best);
}

/* ---- verify: all of it, to nowhere */

/* {"from": the dump, "to": TO, ...}: as it was packed. */
static const char *unpacking(const struct charm_world *w, struct charm_ask *a, const char *to) {
        struct charm_plan *p = charm_paper(a);
        bool sealed = backup_is_sealed(w, a);
        const char *from = backup_object(w, a, backup_wanted(w), backup_dump_file(sealed),
                                         ",\"target\":\"" BACKUP_TARGET "\"");

        if (!from)
                return NULL;
        return charm_text(p, "{\"from\":%s%s%s,\"undo\":true,\"gzip\":true,\"sha256\":%s%s%s}",
                          from, to ? ",\"to\":" : "", to ? to : "",
                          charm_quote(p, backup_noted(w, a, "sha256")), sealed ? ",\"key\":" : "",
                          sealed ? charm_quote(p, backup_passphrase(w)) : "");
}

void backup_read_through(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *ask;

        if (!outcome) {
                ask = unpacking(w, a, NULL);
                if (ask)
                        charm_ask_verb(a, NULL, "stream", ask);
                return;
        }
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "%s cannot be restored%s: %s: %s; nothing was touched",
                                     backup_wanted(w),
                                     backup_is_sealed(w, a) ? " (is it the right passphrase?)" : "",
                                     outcome, charm_error(w));
        charm_log(a, "its %s bytes have the hash that was noted", charm_answer(w, "/bytes"));
        charm_next(a);
}

/* ---- load */

#define CLIENT                                                                                     \
        "exec \"$(command -v mysql || command -v mariadb)\" --no-defaults --protocol=tcp "         \
        "--host=\"${MYSQL_HOST:-127.0.0.1}\" --user=root --binary-mode --batch "                   \
        "--max-allowed-packet=1G --default-character-set=utf8mb4"
/* Whoever has the lock is the only one; the second subquery is an error, which ends the client. A
 * server that was started anew since it was made read-only is so again before it gets anything. */
#define ALONE                                                                                      \
        "SET SESSION lock_wait_timeout = 120;\n"                                                   \
        "SELECT IF(GET_LOCK('mooring-restore', 600) = 1, 1, (SELECT 1 UNION SELECT 2));\n"         \
        "SET GLOBAL read_only = ON;\n"

static const char *in_backticks(struct charm_ask *a, const char *name) {
        char *out = charm_memory(charm_paper(a), 2 * strlen(name) + 3), *end = out;

        for (*end++ = '`'; *name; name++) {
                if (*name == '`')
                        *end++ = '`';
                *end++ = *name;
        }
        *end = '`';
        return out;
}

void backup_ask_load(const struct charm_world *w, struct charm_ask *a, const char *pod) {
        struct charm_plan *p = charm_paper(a);
        const char *first = ALONE, *name, *ask;

        for (size_t i = 0; (name = backup_meta(a, charm_state(w, "meta"), "database", i)); i++)
                first = charm_text(p, "%sDROP DATABASE IF EXISTS %s;\n", first,
                                   in_backticks(a, name));
        ask = unpacking(w, a, backup_command(w, a, pod, CLIENT, "", first));
        if (ask)
                charm_ask_verb(a, NULL, "stream", ask);
}

/* ---- compare: every table that the backup has a checksum of */

/* "CHECKSUM\tdatabase\ttable" of the metadata as lines "database\ttable"; those without a checksum
 * are left out. */
static const char *summed_tables(const struct charm_world *w, struct charm_ask *a,
                                 const char **ret_sums) {
        const char *text = charm_state(w, "meta"), *line;
        char *tables = charm_memory(charm_paper(a), strlen(text) + 1),
             *sums = charm_memory(charm_paper(a), strlen(text) + 1), *end = tables, *sum = sums;

        for (size_t i = 0; (line = backup_meta(a, text, "table", i)); i++) {
                size_t length = strcspn(line, "\t"), rest = strlen(line + length);

                if (*line == '-' || !rest)
                        continue;
                memcpy(sum, line, length);
                sum[length] = '\n';
                sum += length + 1;
                memcpy(end, line + length + 1, rest - 1);
                end[rest - 1] = '\n';
                end += rest;
        }
        *ret_sums = sums;
        return tables;
}

bool backup_ask_compare(const struct charm_world *w, struct charm_ask *a, const char *server) {
        const char *sums, *tables = summed_tables(w, a, &sums);

        if (*tables)
                backup_ask_checksums(a, server, tables);
        return *tables;
}

const char *backup_compare(const struct charm_world *w, struct charm_ask *a, size_t *ret_all,
                           size_t *ret_bad) {
        const char *sums, *tables = summed_tables(w, a, &sums),
                          *found = backup_checksums(w, a, tables), *table, *wrong = "";

        *ret_bad = 0;
        for (*ret_all = 0; (table = backup_line(a, tables, *ret_all)); (*ret_all)++)
                if (strcmp(backup_line(a, sums, *ret_all), backup_line(a, found, *ret_all)) != 0 &&
                    (*ret_bad)++ < TOLD_MAX)
                        wrong = charm_text(charm_paper(a), "%s%s%.*s.%s", wrong, *wrong ? ", " : "",
                                           (int)strcspn(table, "\t"), table,
                                           table + strcspn(table, "\t") + 1);
        return wrong;
}
