/* SPDX-License-Identifier: Apache-2.0 */
/* binlog-replay.c - steps of restore with restore-to-time: from the backup on to a moment
 *
 *   (the dump is read through) ──▶ until ──▶ logs ──▶ scan ──▶ (restored) ──▶ replay
 *
 * Before anything is touched: the logs are there without a gap, from the backup's place to the
 * moment; each was read through by mysqlbinlog, checksums and all; and the place to stop at was
 * found, the end of what comes before the first event of that second or of a later one. Then they
 * are replayed, one client after the other, each log once: a client that begins notes it in
 * mysql.mooring_replayed, in the server itself, so that what a killed daemon, pod or server has
 * left half done is seen, and all begins anew with the dump.
 *
 * Left out: statements about users, roles and their rights, which the plan makes, and which would
 * bring old passwords back. */
#include "binlog.h"

#include <stdlib.h>

#define NOTHING "; nothing was touched"
#define RESTARTS_MAX 5

bool binlog_asked(const struct charm_world *w) {
        return charm_param(w, "restore-to-time") != NULL;
}

/* As backup_time has it; NULL: all that there is. */
static const char *moment(const struct charm_world *w, struct charm_ask *a) {
        const char *text = charm_param(w, "restore-to-time");

        if (!strcmp(text, "latest"))
                return NULL;
        return charm_text(charm_paper(a), "%.10sT%.8sZ", text, text + 11);
}

/* ---- until: how far the backup's chain goes */

static const char *place_of(const struct charm_world *w, struct charm_ask *a, const char *chain) {
        return binlog_place(a, backup_noted(w, a, "model"), backup_noted(w, a, "application"),
                            chain);
}

static bool has_place(const struct charm_world *w, struct charm_ask *a) {
        const char *text = charm_param(w, "restore-to-time"),
                   *by = backup_noted(w, a, "snapshot-by"), *at;

        if (strcmp(text, "latest") != 0 && strlen(text) < strlen("2026-11-22 10:42:11")) {
                charm_give_up(a, "%s is no moment: as 2026-11-22T10:42:11Z, or latest" NOTHING,
                              text);
                return false;
        }
        at = moment(w, a);
        if (!*backup_noted(w, a, "binlog-chain") || !*backup_noted(w, a, "binlog")) {
                charm_give_up(a,
                              "%s has no place in the binary logs: it was made before "
                              "ship-binlogs was there, or of a server without them" NOTHING,
                              backup_wanted(w));
                return false;
        }
        if (at && strcmp(at, by) <= 0) {
                charm_give_up(a,
                              "%s is of %s, which is not before %s: take an older backup" NOTHING,
                              backup_wanted(w), by, at);
                return false;
        }
        return true;
}

static void take_note(const struct charm_world *w, struct charm_ask *a) {
        const char *text = charm_answer(w, "/body"), *at = moment(w, a), *until;
        const char *chain = backup_noted(w, a, "binlog-chain");

        if (binlog_note_broken(a, text))
                return charm_give_up(a, "the note of what was shipped is cut off, or was "
                                        "changed" NOTHING);
        if (strcmp(backup_meta(a, text, "chain", 0), chain) != 0 && !charm_state(w, "ended")) {
                charm_set(a, "ended", "1");
                return backup_ask_object(w, a, "get-object", place_of(w, a, chain), BINLOG_ENDED,
                                         "");
        }
        until = backup_meta(a, text, "until", 0);
        if (*until == '-' || (at && strcmp(at, until) > 0))
                return charm_give_up(a,
                                     "the binary logs were shipped until %s, and %s is later: "
                                     "ship-binlogs first, or take that moment" NOTHING,
                                     until, at ? at : "what is asked for");
        charm_set(a, "last", backup_meta(a, text, "last", 0));
        charm_set(a, "until", until);
        charm_next(a);
}

void binlog_find(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!binlog_asked(w))
                return charm_goto(a, "use");
        if (!outcome) {
                if (has_place(w, a))
                        backup_ask_object(w, a, "get-object", place_of(w, a, NULL), BINLOG_NOTE,
                                          "");
                return;
        }
        if (!strcmp(outcome, "gone"))
                return charm_give_up(a, "no binary logs of its server were shipped" NOTHING);
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "the bucket: %s: %s" NOTHING, outcome, charm_error(w));
        take_note(w, a);
}

/* ---- logs: without a gap */

#define PAGE 400 /* objects: 50 KiB of answer */

static const char *backup_log(const struct charm_world *w, struct charm_ask *a) {
        const char *text = backup_noted(w, a, "binlog");

        return charm_text(charm_paper(a), "%.*s", (int)strcspn(text, " "), text);
}

static const char *backup_position(const struct charm_world *w, struct charm_ask *a) {
        const char *text = backup_noted(w, a, "binlog");

        text += strcspn(text, " ");
        return text + (*text == ' ');
}

static unsigned long log_number(const char *name) {
        const char *dot = strrchr(name, '.');

        return dot ? strtoul(dot + 1, NULL, 10) : 0;
}

static void ask_list(const struct charm_world *w, struct charm_ask *a, const char *after) {
        const char *place = place_of(w, a, backup_noted(w, a, "binlog-chain"));

        backup_ask_list(w, a, charm_text(charm_paper(a), "%s/", place), after, PAGE);
}

/* Those of the answer that are needed, after those of the pages before. */
static const char *take_page(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *known = charm_state(w, "logs"), *key, *name;
        bool sealed;

        known = known ? known : "";
        for (size_t i = 0; (key = charm_answer(w, charm_text(p, "/objects/%zu/key", i))); i++) {
                const char *file = strrchr(key, '/') ? strrchr(key, '/') + 1 : key;

                name = binlog_name(a, file, &sealed);
                if (name && binlog_order(name, backup_log(w, a)) >= 0 &&
                    binlog_order(name, charm_state(w, "last")) <= 0)
                        known = charm_text(p, "%s%s\t%s\n", known, name, file);
        }
        return known;
}

/* The first that is missing, by name or by the one that it follows; NULL: none is. */
static const char *find_gap(const struct charm_world *w, struct charm_ask *a, const char *logs,
                            size_t *ret_count) {
        const char *line, *before = NULL;

        for (*ret_count = 0; (line = backup_line(a, logs, *ret_count)); (*ret_count)++) {
                const char *name = backup_field(a, line, 0);

                if (!before && strcmp(name, backup_log(w, a)) != 0)
                        break;
                if (before && log_number(name) != log_number(before) + 1)
                        break;
                before = name;
        }
        if (!before)
                return backup_log(w, a);
        if (line || strcmp(before, charm_state(w, "last")) != 0)
                return charm_text(charm_paper(a), "the one after %s", before);
        return NULL;
}

void binlog_list(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *after, *logs, *gap;
        size_t count;

        if (!outcome)
                return ask_list(w, a, NULL);
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "the bucket: %s: %s" NOTHING, outcome, charm_error(w));
        logs = take_page(w, a);
        charm_set(a, "logs", logs);
        after = charm_answer(w, "/after");
        if (after)
                return ask_list(w, a, after);
        gap = find_gap(w, a, logs, &count);
        if (gap)
                return charm_give_up(a,
                                     "a gap in the binary logs: %s is not in the bucket; no "
                                     "moment after it can be restored from %s" NOTHING,
                                     gap, backup_wanted(w));
        if (count > BINLOG_LOGS_MAX)
                return charm_give_up(a,
                                     "%zu binary logs, and at most %d are replayed: take a "
                                     "newer backup" NOTHING,
                                     count, BINLOG_LOGS_MAX);
        charm_next(a);
}

/* ---- what reads a log in the pod */

#define READER                                                                                     \
        "b=\"$(command -v mysqlbinlog || command -v mariadb-binlog)\" || { cat >/dev/null; "       \
        "echo 'the image has no mysqlbinlog' >&2; exit 127; }; "
/* $2: the place to begin at, "-": none. From a pipe, where MySQL's takes no place to stop at. */
#define RANGE "--verify-binlog-checksum $([ \"$2\" = - ] || echo --start-position=$2) -"

static size_t number(const struct charm_world *w, const char *key) {
        const char *text = charm_state(w, key);

        return text ? strtoul(text, NULL, 10) : 0;
}

static void set_number(struct charm_ask *a, const char *key, size_t n) {
        charm_set(a, key, charm_text(charm_paper(a), "%zu", n));
}

static void ask_read(const struct charm_world *w, struct charm_ask *a, const char *line,
                     const char *to) {
        const char *file = backup_field(a, line, 1);
        bool sealed = false;
        const char *from;

        binlog_name(a, file, &sealed);
        from = backup_object(w, a, place_of(w, a, backup_noted(w, a, "binlog-chain")), file,
                             ",\"target\":\"" BACKUP_TARGET "\"");
        if (!from)
                return;
        if (sealed && !backup_passphrase(w))
                return charm_give_up(a, "the binary logs are encrypted: their passphrase is "
                                        "needed" NOTHING);
        charm_ask_stream(a, &(struct charm_stream){ .from = from,
                                                    .to = to,
                                                    .undo = true,
                                                    .gzip = true,
                                                    .key = sealed ? backup_passphrase(w) : NULL });
}

/* ---- scan: all of them, to nowhere, and the place to stop at
 *
 * MariaDB's tells some logs that it cannot read by its words only, and ends with 0. */

#define SCAN                                                                                       \
        READER "at=$({ if [ \"$4\" = - ]; then TZ=UTC \"$b\" --no-defaults "                       \
               "--base64-output=decode-rows " RANGE                                                \
               "; else TZ=UTC \"$b\" --no-defaults --base64-output=decode-rows "                   \
               "--stop-datetime=\"$4\" " RANGE                                                     \
               "; fi; c=$?; cat >/dev/null; [ $c = 0 ] || echo broken; } 2>&1 | sed -n -e "        \
               "'/^ERROR\\|^mysqlbinlog: .ERROR/{w /dev/stderr' -e 's/.*/broken/p;q' -e '}' -e "   \
               "'s/^#[0-9 ]*"                                                                      \
               "[0-9:]* server id .* end_log_pos \\([0-9]*\\) .*/\\1/p' -e '/^broken$/p' | tail "  \
               "-n 1); [ \"$at\" != broken ] || exit 1; echo \"end: ${at:-0}\" >&2"

/* mysqlbinlog's words for the moment: "2026-11-22 10:42:11". */
static const char *stop_time(const struct charm_world *w, struct charm_ask *a) {
        const char *at = moment(w, a);

        return at ? charm_text(charm_paper(a), "%.10s %.8s", at, at + 11) : "-";
}

static const char *start_of(const struct charm_world *w, struct charm_ask *a, size_t at) {
        return at ? "-" : backup_position(w, a);
}

static void ask_scan(const struct charm_world *w, struct charm_ask *a, size_t at,
                     const char *line) {
        struct charm_plan *p = charm_paper(a);

        ask_read(w, a, line,
                 charm_text(p,
                            "{\"pod\":%s,\"container\":\"mysql\",\"argv\":[\"sh\",\"-c\",%s,\"sh\","
                            "\"\",%s,\"-\",%s]}",
                            charm_quote(p, backup_pod(w, a)), charm_quote(p, SCAN),
                            charm_quote(p, start_of(w, a, at)), charm_quote(p, stop_time(w, a))));
}

static void stop_at(const struct charm_world *w, struct charm_ask *a, size_t at, const char *end) {
        const char *from = at ? "0" : backup_position(w, a);
        bool nothing = strtoll(end, NULL, 10) <= strtoll(from, NULL, 10);

        set_number(a, "upto", nothing ? at : at + 1);
        charm_set(a, "stop", nothing ? NULL : end);
        charm_set(a, "at", NULL);
        charm_log(a, "the last event before %s ends at %s of %s", moment(w, a), end,
                  backup_field(a, backup_line(a, charm_state(w, "logs"), at), 0));
        charm_goto(a, "use");
}

static void take_scan(const struct charm_world *w, struct charm_ask *a, size_t at,
                      const char *line) {
        const char *said = charm_answer(w, "/to/stderr"), *all = charm_answer(w, "/plain-bytes");
        const char *end = said ? backup_meta(a, said, "end", 0) : NULL;

        if (!end || !all)
                return charm_give_up(a, "mysqlbinlog does not say where %s ends" NOTHING,
                                     backup_field(a, line, 0));
        if (strcmp(end, all) != 0 && (at || strcmp(all, backup_position(w, a)) != 0)) {
                if (moment(w, a))
                        return stop_at(w, a, at, end);
                return charm_give_up(a, "%s can be read to %s of its %s bytes" NOTHING,
                                     backup_field(a, line, 0), end, all);
        }
        /* It may grow before it is replayed, by what the restore itself does. */
        if (!backup_line(a, charm_state(w, "logs"), at + 1))
                charm_set(a, "stop", all);
        set_number(a, "at", at + 1);
        charm_goto(a, "scan");
}

void binlog_scan(const struct charm_world *w, struct charm_ask *a) {
        size_t at = number(w, "at");
        const char *outcome = charm_outcome(w), *line = backup_line(a, charm_state(w, "logs"), at);

        if (!line) {
                set_number(a, "upto", at);
                charm_set(a, "at", NULL);
                return charm_next(a);
        }
        if (!outcome)
                return ask_scan(w, a, at, line);
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "%s cannot be replayed: %s: %s" NOTHING,
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
        "[[:space:]]"
#define FILTER                                                                                     \
        "sed -e :top -e '/^\\/\\*M\\{0,1\\}!100[0-9]* SET @@session\\.gtid_/d' -e "                \
        "'/\\/\\*!\\*\\/;$/!b' "                                                                   \
        "-e n -e '/^create database if not/I!s/^create \\(database\\|schema\\) /&IF NOT EXISTS "   \
        "/I' "                                                                                     \
        "-e '/^" ACCOUNTS "/I!b top' -e :drop -e N -e 's/.*\\n//' "                                \
        "-e '/^\\/\\*!\\*\\/;$/!b drop' -e d"
/* As much of it as is to be replayed, $3, which ends with an event; a transaction that has no end
 * then goes with its client. What cannot be read makes the client fail, whichever delimiter it
 * has. */
#define CUT "{ if [ \"$3\" = - ]; then cat; else head -c \"$3\"; fi; cat >/dev/null; }"
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

static void ask_replay(const struct charm_world *w, struct charm_ask *a, size_t at,
                       const char *line) {
        bool last = at + 1 == number(w, "upto") && charm_state(w, "stop");
        const char *words = charm_text(charm_paper(a), "%s\n%s\n%s\n",
                                       in_one_line(a, preamble(a, backup_field(a, line, 0))),
                                       start_of(w, a, at), last ? charm_state(w, "stop") : "-");

        ask_read(w, a, line, backup_command(w, a, backup_pod(w, a), REPLAY, words, ""));
}

/* A client had begun with it, and did not end: nobody knows how far it came. */
static void begin_anew(const struct charm_world *w, struct charm_ask *a, const char *name) {
        if (number(w, "anew") + 1 > RESTARTS_MAX)
                return charm_give_up(a,
                                     "%s broke off %d times. The databases are restored in "
                                     "part, and the server is read-only: restore again",
                                     name, RESTARTS_MAX);
        charm_log(a, "%s was begun and broke off: the restore begins anew, with the dump", name);
        set_number(a, "anew", number(w, "anew") + 1);
        charm_set(a, "at", NULL);
        charm_goto(a, "restore");
}

void binlog_replay(const struct charm_world *w, struct charm_ask *a) {
        size_t at = number(w, "at");
        const char *outcome = charm_outcome(w), *line = backup_line(a, charm_state(w, "logs"), at),
                   *name;

        if (!binlog_asked(w) || at >= number(w, "upto"))
                return charm_next(a);
        name = backup_field(a, line, 0);
        if (!outcome)
                return ask_replay(w, a, at, line);
        if (strstr(charm_error(w), MARK) && strcmp(outcome, "done") != 0)
                return begin_anew(w, a, name);
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
        const char *stop = charm_state(w, "stop"), *at = moment(w, a), *line;
        size_t upto = number(w, "upto");

        charm_result(a, "restored-to", at ? at : charm_state(w, "until"));
        charm_result(a, "logs-replayed", charm_text(charm_paper(a), "%zu", upto));
        line = upto ? backup_line(a, charm_state(w, "logs"), upto - 1) : NULL;
        if (line)
                charm_result(a, "stopped-at",
                             charm_text(charm_paper(a), "%s:%s", backup_field(a, line, 0),
                                        stop ? stop : "end"));
}
