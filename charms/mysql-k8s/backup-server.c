/* SPDX-License-Identifier: Apache-2.0 */
/* backup-server.c - the server's side of backups: commands in its pod, checksums of its tables; see
 * backup-server.h */
#include "backup-server.h"

#include "binlog.h"
#include "replica.h"

#include <stdio.h>

#define TOLD_MAX 5

const char backup_format[] = "mooring-mysql 1";

bool backup_ask_delete_more(const struct charm_world *w, struct charm_ask *a, const char *id) {
        (void)w, (void)a, (void)id;
        return false;
}

/* ---- the server */

bool backup_server_runs(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        const char *primary = replica_label(charm_paper(a), "statefulset", replica_primary(v));

        if (charm_owned(w, "root", "password") && charm_ready(v, primary))
                return true;
        charm_give_up(a, "Process mysqld not running: %s", charm_reason(v, primary));
        return false;
}

const char *backup_pod(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);

        return replica_pod(v, charm_paper(a), replica_primary(v));
}

/* ---- commands in the pod
 *
 * The password goes in by stdin, the first line of it, and from there into the environment of the
 * one command, which only its own user can read. */

const char *backup_command(const struct charm_world *w, struct charm_ask *a, const char *pod,
                           const char *script, const char *words, const char *first) {
        struct charm_plan *p = charm_paper(a);
        const char *password = charm_owned(w, "root", "password"), *line;
        const char *argv = charm_text(p, "\"sh\",\"-c\",%s,\"sh\"",
                                      charm_quote(p, charm_text(p, BACKUP_PASSWORD "%s", script)));

        for (size_t i = 0; (line = backup_line(a, words, i)); i++)
                argv = charm_text(p, "%s,%s", argv, charm_quote(p, line));
        return charm_text(p, "{\"pod\":%s,\"container\":\"mysql\",\"argv\":[%s],\"stdin\":%s}",
                          charm_quote(p, pod), argv,
                          charm_quote(p, charm_text(p, "%s\n%s", password ? password : "", first)));
}

/* ---- checksums */

static size_t count_lines(const char *text) {
        size_t n = 0;

        for (; *text; text++)
                n += *text == '\n';
        return n;
}

void backup_ask_of_tables(struct charm_ask *a, const char *server, const char *verb,
                          const char *tables, const char *end, const char *before) {
        struct charm_plan *p = charm_paper(a);
        size_t count = count_lines(tables), room = 64 + count * 48, used;
        struct charm_value *values = charm_memory(p, (2 * count + 1) * sizeof(*values));
        /* Of each: :"d123".:"t123",  */
        char *sql = charm_memory(p, room);
        const char *const statements[] = { before ? before : sql, before ? sql : NULL, NULL };

        used = (size_t)snprintf(sql, room, "%s", verb);
        for (size_t i = 0; i < count; i++) {
                const char *line = tables, *name = charm_text(p, "d%zu", i);
                size_t length = strcspn(line, "\t"), rest = strcspn(line, "\n");

                values[2 * i] =
                        (struct charm_value){ name, charm_text(p, "%.*s", (int)length, line) };
                values[2 * i + 1] =
                        (struct charm_value){ charm_text(p, "t%zu", i),
                                              charm_text(p, "%.*s", (int)(rest - length - 1),
                                                         line + length + 1) };
                used += (size_t)snprintf(sql + used, room - used, "%s:\"d%zu\".:\"t%zu\"",
                                         i ? ", " : "", i, i);
                tables += rest + 1;
        }
        snprintf(sql + used, room - used, "%s", end);
        charm_ask_sql(a, server, statements, values);
}

void backup_ask_checksums(struct charm_ask *a, const char *server, const char *tables) {
        backup_ask_of_tables(a, server, "CHECKSUM TABLE ", tables, "", NULL);
}

const char *backup_checksums(const struct charm_world *w, struct charm_ask *a, const char *tables) {
        struct charm_plan *p = charm_paper(a);
        size_t count = count_lines(tables), room = count * 24 + 1, used = 0;
        char *out = charm_memory(p, room);

        for (size_t i = 0; i < count; i++) {
                const char *sum = charm_answer(w, charm_text(p, "/rows/%zu/1", i));

                used += (size_t)snprintf(out + used, room - used, "%.20s\n", sum ? sum : "-");
        }
        return out;
}

/* ---- load */

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
        const char *first = charm_text(p, BACKUP_ALONE "%s", binlog_restart(w)),
                   *here = charm_state(w, "here"), *name;

        for (size_t i = 0; (name = backup_meta(a, charm_state(w, "meta"), "database", i)); i++)
                first = charm_text(p, "%sDROP DATABASE IF EXISTS %s;\n", first,
                                   in_backticks(a, name));
        for (size_t i = 0; (name = backup_line(a, here, i)); i++)
                first = charm_text(p, "%sDROP DATABASE IF EXISTS %s;\n", first,
                                   in_backticks(a, name));
        backup_ask_unpack(w, a, backup_command(w, a, pod, BACKUP_CLIENT, "", first));
}

static size_t version_length(const char *version) {
        size_t n = strlen(version);

        return n > 4 && !strcmp(version + n - 4, "-log") ? n - 4 : n;
}

bool backup_same_version(const char *a, const char *b) {
        size_t n = version_length(a);

        return n == version_length(b) && !memcmp(a, b, n);
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
