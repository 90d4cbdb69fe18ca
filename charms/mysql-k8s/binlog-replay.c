/* SPDX-License-Identifier: Apache-2.0 */
/* binlog-replay.c - steps of restore with restore-to-time: from the backup on to a moment
 *
 *   (until, logs, binlog-find.c) ──▶ scan ──▶ (restored) ──▶ replay
 *
 * Before anything is touched each log was read through by mysqlbinlog, checksums and all, and the
 * place to stop at was found: the end of what comes before the first event of that second or of a
 * later one. Then they are replayed, one client after the other, each log once: a client that
 * begins notes it in mysql.mooring_replayed, in the server itself, so that what a killed daemon,
 * pod or server has left half done is seen, and all begins anew with the dump.
 *
 * Left out: statements about users, roles and their rights, which the plan makes, and which would
 * bring old passwords back. */
#include "binlog.h"

#include <stdlib.h>

#define RESTARTS_MAX 5

/* ---- what reads a log in the pod */

#define READER                                                                                     \
        "b=\"$(command -v mysqlbinlog || command -v mariadb-binlog)\" || { cat >/dev/null; "       \
        "echo 'the image has no mysqlbinlog' >&2; exit 127; }; "
/* $2: the place to begin at, "-": none. From a pipe, where MySQL's takes no place to stop at. */
#define RANGE "--verify-binlog-checksum $([ \"$2\" = - ] || echo --start-position=$2) -"

static void set_number(struct charm_ask *a, const char *key, size_t n) {
        charm_set(a, key, charm_text(charm_paper(a), "%zu", n));
}

static void ask_read(const struct charm_world *w, struct charm_ask *a, const char *line,
                     const char *to) {
        const char *file = binlog_file(w, a, backup_field(a, line, 0)), *from;
        bool sealed = !strcmp(charm_state(w, "logs-sealed"), "yes");

        from = backup_object(w, a, binlog_noted_place(w, a), file,
                             ",\"target\":\"" BACKUP_TARGET "\"");
        if (!from)
                return;
        if (sealed && !backup_passphrase(w))
                return charm_give_up(a, "the binary logs are encrypted: their passphrase is "
                                        "needed" BINLOG_NOTHING);
        charm_ask_stream(a, &(struct charm_stream){ .from = from,
                                                    .to = to,
                                                    .undo = true,
                                                    .gzip = true,
                                                    .key = sealed ? backup_passphrase(w) : NULL });
}

/* So much of it, $3, as was shipped, or as is to be replayed; either ends with an event. */
#define CUT "{ head -c \"$3\"; cat >/dev/null; }"

/* ---- scan: all of them, to nowhere, and the place to stop at
 *
 * A place is taken only of the line after "# at", for a statement's text may look like one.
 * MariaDB's tells some logs that it cannot read by its words only, and ends with 0. */

#define POSITION_MAX 4294967295ull /* of a binary log: it has 32 bits */
#define SCAN                                                                                       \
        READER "if [ \"$4\" = - ]; then set -- \"$1\" \"$2\" \"$3\"; else set -- \"$1\" \"$2\" "   \
               "\"$3\" --stop-datetime=\"$4\"; fi; from=$2; "                                      \
               "said=$({ { " CUT " | { shift 3; TZ=UTC \"$b\" --no-defaults "                      \
               "--base64-output=decode-rows \"$@\" --verify-binlog-checksum "                      \
               "$([ \"$from\" = - ] || echo \"--start-position=$from\") -; c=$?; "                 \
               "cat >/dev/null; [ $c = 0 ] || echo ERROR: it ended with $c >&2; }; } 2>&3 | "      \
               "sed -n '/^# at [0-9]*$/{n;s/^#[0-9 ]*[0-9:]* server id .* end_log_pos "            \
               "\\([0-9]*\\) .*/at: \\1/p;}' | tail -n 1; } 3>&1); "                               \
               "printf '%s\n' \"$said\" | sed -n '/^ERROR\\|^mysqlbinlog: .ERROR/p' >&2; "         \
               "case \"$said\" in *ERROR*) exit 1;; esac; "                                        \
               "end=$(printf '%s\n' \"$said\" | sed -n 's/^at: //p'); echo \"end: ${end:-0}\" >&2"

/* mysqlbinlog's words for the moment: "2026-11-22 10:42:11". */
static const char *stop_time(const struct charm_world *w, struct charm_ask *a) {
        const char *at = binlog_moment(w, a);

        return at ? charm_text(charm_paper(a), "%.10s %.8s", at, at + 11) : "-";
}

static const char *start_of(const struct charm_world *w, struct charm_ask *a, size_t at) {
        return at ? "-" : binlog_noted_position(w, a);
}

static void ask_scan(const struct charm_world *w, struct charm_ask *a, size_t at,
                     const char *line) {
        struct charm_plan *p = charm_paper(a);

        ask_read(w, a, line,
                 charm_text(p,
                            "{\"pod\":%s,\"container\":\"mysql\",\"argv\":[\"sh\",\"-c\",%s,\"sh\","
                            "\"\",%s,%s,%s]}",
                            charm_quote(p, backup_pod(w, a)), charm_quote(p, SCAN),
                            charm_quote(p, start_of(w, a, at)),
                            charm_quote(p, backup_field(a, line, 1)),
                            charm_quote(p, stop_time(w, a))));
}

static void stop_at(const struct charm_world *w, struct charm_ask *a, size_t at, const char *end) {
        const char *from = at ? "0" : binlog_noted_position(w, a);
        bool nothing = strtoll(end, NULL, 10) <= strtoll(from, NULL, 10);

        set_number(a, "upto", nothing ? at : at + 1);
        charm_set(a, "stop", nothing ? NULL : end);
        charm_set(a, "at", NULL);
        charm_log(a, "the last event before %s ends at %s of %s", binlog_moment(w, a), end,
                  backup_field(a, backup_line(a, charm_state(w, "logs"), at), 0));
        charm_goto(a, "use");
}

static void take_scan(const struct charm_world *w, struct charm_ask *a, size_t at,
                      const char *line) {
        const char *said = charm_answer(w, "/to/stderr"), *all = charm_answer(w, "/plain-bytes");
        const char *end = said ? backup_meta(a, said, "end", 0) : NULL;
        const char *name = backup_field(a, line, 0), *bytes = backup_field(a, line, 1);

        if (!end)
                return charm_give_up(a, "mysqlbinlog does not say where %s ends" BINLOG_NOTHING,
                                     name);
        if (!all || strtoull(all, NULL, 10) < strtoull(bytes, NULL, 10))
                return charm_give_up(a, "%s has %s bytes, and %s were shipped" BINLOG_NOTHING, name,
                                     all ? all : "no", bytes);
        if (strcmp(end, bytes) != 0 && (at || strcmp(bytes, binlog_noted_position(w, a)) != 0)) {
                if (binlog_moment(w, a))
                        return stop_at(w, a, at, end);
                return charm_give_up(a, "%s can be read to %s of its %s bytes" BINLOG_NOTHING, name,
                                     end, bytes);
        }
        set_number(a, "at", at + 1);
        charm_goto(a, "scan");
}

void binlog_scan(const struct charm_world *w, struct charm_ask *a) {
        size_t at = binlog_number(w, "at");
        const char *outcome = charm_outcome(w), *line = backup_line(a, charm_state(w, "logs"), at);

        if (!line) {
                set_number(a, "upto", at);
                charm_set(a, "at", NULL);
                return charm_next(a);
        }
        if (strtoull(backup_field(a, line, 1), NULL, 10) > POSITION_MAX)
                return charm_give_up(a,
                                     "%s has more than %llu bytes, and mysqlbinlog knows no place "
                                     "behind that: take a newer backup" BINLOG_NOTHING,
                                     backup_field(a, line, 0), POSITION_MAX);
        if (!outcome)
                return ask_scan(w, a, at, line);
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "%s cannot be replayed: %s: %s" BINLOG_NOTHING,
                                     backup_field(a, line, 0), outcome, charm_error(w));
        take_scan(w, a, at, line);
}

/* ---- replay */

#define TABLE "mysql.mooring_replayed"
#define MARK "mooring-replayed "

/* verify-backup loads too, and has no such parameter. */
const char *binlog_restart(const struct charm_world *w) {
        if (!charm_state(w, "upto"))
                return "";
        return "SET SESSION sql_log_bin = 0;\nDROP TABLE IF EXISTS " TABLE ";\nCREATE TABLE " TABLE
               " (log VARCHAR(255) NOT NULL PRIMARY KEY);\nSET SESSION sql_log_bin = 1;\n";
}

/* Statements begin after a line that ends with the delimiter that mysqlbinlog sets, and end with
 * one that is nothing else. A database that the plan wants may be made by drift repair before it
 * comes to that. MariaDB's own numbers of transactions are not taken over. */
#define ACCOUNTS                                                                                   \
        "[[:space:]]*\\(\\(create\\|alter\\|drop\\|rename\\)[[:space:]]\\{1,\\}"                   \
        "\\(or[[:space:]]\\{1,\\}replace[[:space:]]\\{1,\\}\\)\\{0,1\\}\\(user\\|role\\)\\|"       \
        "grant\\|"                                                                                 \
        "revoke\\|set[[:space:]]\\{1,\\}\\(password\\|default[[:space:]]\\{1,\\}role\\)\\)"        \
        "\\([[:space:]]\\|$\\)"
/* The line ends before it says what is made; the next one does. */
#define UNSAID                                                                                     \
        "[[:space:]]*\\(create\\|alter\\|drop\\|rename\\|set\\)"                                   \
        "\\([[:space:]]\\{1,\\}\\(or\\([[:space:]]\\{1,\\}replace\\)\\{0,1\\}\\|default\\)\\)"     \
        "\\{0,1\\}[[:space:]]*\\(\\/\\*.*\\)\\{0,1\\}$"
/* What stands before them or between their words does not count: lines of comment, which go
 * through, comments between slashes, and what only servers of a version do; the statement itself is
 * in sed's hold space. */
#define FILTER                                                                                     \
        "sed -e :top -e '/^\\/\\*M\\{0,1\\}!100[0-9]* SET @@session\\.gtid_/d' -e "                \
        "'/\\/\\*!\\*\\/;$/!b' "                                                                   \
        "-e n -e '/^create database if not/I!s/^create \\(database\\|schema\\) /&IF NOT EXISTS "   \
        "/I' "                                                                                     \
        "-e :start -e '/^[[:space:]]*\\(\\(#\\|--[[:space:]]\\).*\\)\\{0,1\\}$/{' -e n -e "        \
        "'b start' -e '}' -e :more -e h -e :lead "                                                 \
        "-e 's/^[[:space:]]*\\/\\*M\\{0,1\\}![0-9]*//;t lead' "                                    \
        "-e 's/^[[:space:]]*\\/\\*\\([^*!][^*]*\\)\\{0,1\\}\\*\\{1,\\}\\([^*\\/][^*]*\\*"          \
        "\\{1,\\}\\)*\\///;t lead' "                                                               \
        "-e '/^[[:space:]]*\\/\\*/{' -e g -e N -e 'b more' -e '}' "                                \
        "-e 's/\\/\\*\\([^*!][^*]*\\)\\{0,1\\}\\*\\{1,\\}\\// /g' "                                \
        "-e 's/\\/\\*M\\{0,1\\}![0-9]*/ /g' "                                                      \
        "-e '/^" UNSAID "/I{' -e g -e N -e 'b more' -e '}' "                                       \
        "-e '/^" ACCOUNTS "/I!{' -e g -e 'b top' -e '}' -e :drop -e N -e 's/.*\\n//' "             \
        "-e '/^\\/\\*!\\*\\/;$/!b drop' -e d"
/* A transaction that has no end then goes with its client. What cannot be read makes the client
 * fail, whichever delimiter it has. */
#define REPLAY                                                                                     \
        READER "case $(\"$b\" --help) in *skip-gtids*) g=--skip-gtids;; *) g=;; esac; "            \
               "{ printf '%s\\n' \"$1\"; " CUT " | { TZ=UTC \"$b\" --no-defaults $g " RANGE        \
               "; c=$?; cat >/dev/null; [ $c = 0 ] || printf '\\n/*!*/;\\nDELIMITER ;\\nSIGNAL "   \
               "SQLSTATE \"45000\" SET MESSAGE_TEXT = \"the binary log cannot be read\";\\n'; } "  \
               "| " FILTER "; } | " BACKUP_CLIENT

static const char *preamble(struct charm_ask *a, const char *name) {
        return charm_text(charm_paper(a),
                          BACKUP_ALONE "SET SESSION sql_log_bin = 0; INSERT INTO " TABLE
                                       " VALUES ('" MARK "%s'); SET SESSION sql_log_bin = 1;",
                          name);
}

/* One line: words stand in lines. */
static const char *in_one_line(struct charm_ask *a, const char *text) {
        char *out = charm_memory(charm_paper(a), strlen(text) + 1);

        for (size_t i = 0; text[i]; i++)
                out[i] = text[i] == '\n' ? ' ' : text[i];
        return out;
}

/* No more than the scan has read: the object may have grown since. */
static void ask_replay(const struct charm_world *w, struct charm_ask *a, size_t at,
                       const char *line) {
        bool last = at + 1 == binlog_number(w, "upto") && charm_state(w, "stop");
        const char *end = last ? charm_state(w, "stop") : backup_field(a, line, 1);
        const char *words = charm_text(charm_paper(a), "%s\n%s\n%s\n",
                                       in_one_line(a, preamble(a, backup_field(a, line, 0))),
                                       start_of(w, a, at), end);

        ask_read(w, a, line, backup_command(w, a, backup_pod(w, a), REPLAY, words, ""));
}

/* A client had begun with it, and did not end: nobody knows how far it came. */
static void begin_anew(const struct charm_world *w, struct charm_ask *a, const char *name) {
        if (binlog_number(w, "anew") + 1 > RESTARTS_MAX)
                return charm_give_up(a,
                                     "%s broke off %d times. The databases are restored in "
                                     "part, and the server is read-only, so that nobody writes "
                                     "there: restore again",
                                     name, RESTARTS_MAX);
        charm_log(a, "%s was begun and broke off: the restore begins anew, with the dump", name);
        set_number(a, "anew", binlog_number(w, "anew") + 1);
        charm_set(a, "at", NULL);
        charm_goto(a, "quiet"); /* a server that was started again lets writers in */
}

static bool was_shortened(const struct charm_world *w, const char *line) {
        const char *all = charm_answer(w, "/plain-bytes"), *bytes = strchr(line, '\t');

        return !all || !bytes || strtoull(all, NULL, 10) < strtoull(bytes + 1, NULL, 10);
}

void binlog_replay(const struct charm_world *w, struct charm_ask *a) {
        size_t at = binlog_number(w, "at");
        const char *outcome = charm_outcome(w), *line = backup_line(a, charm_state(w, "logs"), at),
                   *name;

        if (!binlog_asked(w) || at >= binlog_number(w, "upto"))
                return charm_next(a);
        name = backup_field(a, line, 0);
        if (!outcome)
                return ask_replay(w, a, at, line);
        if (strcmp(outcome, "done") != 0 &&
            (strstr(charm_error(w), MARK) ||
             backup_lost_server(w, a, charm_error(w), BACKUP_LOST_MAX)))
                return begin_anew(w, a, name);
        if (!strcmp(outcome, "done") && was_shortened(w, line))
                return charm_give_up(a,
                                     "%s was put there anew, and shorter, meanwhile. The databases "
                                     "are restored in part, and the server is read-only: restore "
                                     "again",
                                     name);
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a,
                                     "%s broke off: %s: %s. The databases are restored in part, "
                                     "and the server is read-only, so that nobody writes "
                                     "there: restore again",
                                     name, outcome, charm_error(w));
        set_number(a, "at", at + 1);
        charm_goto(a, "replay");
}

/* ---- open */

void binlog_ask_open(struct charm_ask *a) {
        charm_ask_sql(a, "server",
                      CHARM_TEXTS("SET SESSION sql_log_bin = 0", "DROP TABLE IF EXISTS " TABLE,
                                  "SET GLOBAL read_only = OFF"),
                      NULL);
}

void binlog_tell(const struct charm_world *w, struct charm_ask *a) {
        const char *stop = charm_state(w, "stop"), *at = binlog_moment(w, a), *line;
        size_t upto = binlog_number(w, "upto");

        charm_result(a, "restored-to", at ? at : charm_state(w, "until"));
        charm_result(a, "logs-replayed", charm_text(charm_paper(a), "%zu", upto));
        line = upto ? backup_line(a, charm_state(w, "logs"), upto - 1) : NULL;
        if (line)
                charm_result(a, "stopped-at",
                             charm_text(charm_paper(a), "%s:%s", backup_field(a, line, 0),
                                        stop ? stop : "end"));
}
