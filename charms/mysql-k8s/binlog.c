/* SPDX-License-Identifier: Apache-2.0 */
/* binlog.c - which chain the server's binary logs are of; see binlog.h
 *
 *   read ──▶ look ──▶ compare ──▶ end ──▶ begin
 *
 * A log's name says nothing: a server that was set up anew counts from 1 again. So its first bytes
 * are compared too, which have the second in which it was begun. */
#include "binlog.h"

#include "charm.gen.h"

#include <stdlib.h>

const char *binlog_place(struct charm_ask *a, const char *model, const char *application,
                         const char *chain) {
        return charm_text(charm_paper(a), "binlogs/%s.%s%s%s", model, application, chain ? "/" : "",
                          chain ? chain : "");
}

const char *binlog_own_place(const struct charm_world *w, struct charm_ask *a, const char *chain) {
        const struct charm_view *v = charm_world_view(w);

        return binlog_place(a, charm_model(v), charm_application(v), chain);
}

int binlog_order(const char *a, const char *b) {
        size_t x = strlen(a), y = strlen(b);

        return x == y ? strcmp(a, b) : x < y ? -1 : 1;
}

const char *binlog_name(struct charm_ask *a, const char *file, bool *ret_sealed) {
        static const char *const ends[] = { ".gz", ".gz.sealed" };

        for (int i = 0; i < 2; i++) {
                size_t length = strlen(file), end = strlen(ends[i]);

                if (length <= end || strcmp(file + length - end, ends[i]) != 0)
                        continue;
                *ret_sealed = i;
                return charm_text(charm_paper(a), "%.*s", (int)(length - end), file);
        }
        return NULL;
}

/* ---- the note */

bool binlog_note_broken(struct charm_ask *a, const char *text) {
        static const char *const names[] = { "chain", "last", "bytes", "head", "sealed", "until" };
        const char *format = text ? backup_meta(a, text, "format", 0) : NULL;
        size_t length = text ? strlen(text) : 0;

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
                if (!text || !backup_meta(a, text, names[i], 0))
                        return true;
        return !format || strcmp(format, "mooring-binlogs 1") != 0 || length < 5 ||
               strcmp(text + length - 5, "\nend\n") != 0;
}

static const char *sealed_now(const struct charm_world *w) {
        return charm_option_set(charm_world_view(w), OPTION_BACKUP_PASSPHRASE) ? "yes" : "no";
}

void binlog_ask_note(const struct charm_world *w, struct charm_ask *a, const char *chain,
                     const char *name, const char *bytes, const char *until) {
        backup_ask_put(w, a, binlog_own_place(w, a, NULL), BINLOG_NOTE,
                       charm_text(charm_paper(a),
                                  "format: mooring-binlogs 1\nchain: %s\nlast: %s\nbytes: %s\n"
                                  "head: %s\nsealed: %s\nuntil: %s\nend\n",
                                  chain, name, bytes, charm_state(w, "head"), sealed_now(w),
                                  until));
}

/* ---- read: what was shipped */

void binlog_read(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *text;

        if (!backup_server_runs(w, a))
                return;
        if (!outcome)
                return backup_ask_object(w, a, "get-object", binlog_own_place(w, a, NULL),
                                         BINLOG_NOTE, "");
        if (!strcmp(outcome, "gone"))
                return charm_next(a);
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "the bucket: %s: %s", outcome, charm_error(w));
        text = charm_answer(w, "/body");
        if (binlog_note_broken(a, text))
                charm_log(a, "the note of what was shipped is cut off, or was changed");
        else
                charm_set(a, "note", text);
        charm_next(a);
}

/* ---- look: what the server has */

static void ask_look(struct charm_ask *a) {
        charm_ask_sql(a, "server",
                      CHARM_TEXTS("SET GLOBAL max_binlog_size = " BINLOG_BYTES,
                                  "SELECT @@log_bin, @@log_bin_basename, "
                                  "DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ')",
                                  "SHOW BINARY LOGS"),
                      NULL);
}

static const char *log_at(const struct charm_world *w, struct charm_ask *a, size_t i, int column) {
        return charm_answer(w, charm_text(charm_paper(a), "/results/2/rows/%zu/%d", i, column));
}

static const char *noted(const struct charm_world *w, struct charm_ask *a, const char *name) {
        const char *text = charm_state(w, "note");

        return text ? backup_meta(a, text, name, 0) : NULL;
}

static int64_t bytes_of(const char *text) {
        return text ? strtoll(text, NULL, 10) : 0;
}

/* The server has the log that was shipped last, and no less of it, and is as sealed as that. */
static bool may_go_on(const struct charm_world *w, struct charm_ask *a, size_t *ret_at) {
        const char *last = noted(w, a, "last"), *name;

        if (!last || strcmp(noted(w, a, "sealed"), sealed_now(w)) != 0)
                return false;
        for (*ret_at = 0; (name = log_at(w, a, *ret_at, 0)); (*ret_at)++)
                if (!strcmp(name, last))
                        return bytes_of(log_at(w, a, *ret_at, 1)) >= bytes_of(noted(w, a, "bytes"));
        return false;
}

static void take_look(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *base = charm_answer(w, "/results/1/rows/0/1"), *logs = "", *slash;
        size_t count = 0, from = 0;

        while (log_at(w, a, count, 0))
                count++;
        slash = base ? strrchr(base, '/') : NULL;
        if (!count || !slash || charm_answer(w, "/results/2/truncated"))
                return charm_give_up(a, "the server tells no list of binary logs, or one of more "
                                        "than 1,000: lower binlog_retention_days");
        if (!may_go_on(w, a, &from))
                from = count - 1;
        else
                charm_set(a, "chain", noted(w, a, "chain"));
        for (size_t i = from; i < count; i++)
                logs = charm_text(p, "%s%s\t%s\n", logs, log_at(w, a, i, 0), log_at(w, a, i, 1));
        charm_set(a, "logs", logs);
        charm_set(a, "folder", charm_text(p, "%.*s", (int)(slash - base), base));
        charm_set(a, "until", charm_answer(w, "/results/1/rows/0/2"));
        charm_next(a);
}

void binlog_look(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *on = charm_answer(w, "/results/1/rows/0/0");

        if (!outcome)
                return ask_look(a);
        if (on && (!strcmp(on, "0") || !strcmp(on, "OFF"))) {
                charm_set(a, "no-log", "1");
                return charm_next(a);
        }
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "the server's binary logs: %s: %s", outcome,
                                     charm_error(w));
        take_look(w, a);
}

/* ---- compare: is the last one the one that was shipped */

/* The beginning but for the flag that says whether it is closed, and what follows it. */
#define HEADS "for f; do head -c 21 \"$f\" | cksum || exit 1; done"

static const char *last_line(struct charm_ask *a, const char *lines) {
        const char *line, *last = "";

        for (size_t i = 0; (line = backup_line(a, lines, i)); i++)
                last = line;
        return last;
}

static const char *path_of(const struct charm_world *w, struct charm_ask *a, const char *line) {
        return charm_text(charm_paper(a), "%s/%s", charm_state(w, "folder"),
                          backup_field(a, line, 0));
}

static void ask_heads(const struct charm_world *w, struct charm_ask *a) {
        const char *logs = charm_state(w, "logs");

        charm_ask_exec(
                a, &(struct charm_exec){ .pod = backup_pod(w, a),
                                         .container = "mysql",
                                         .argv = CHARM_TEXTS("sh", "-c", HEADS, "sh",
                                                             path_of(w, a, backup_line(a, logs, 0)),
                                                             path_of(w, a, last_line(a, logs))) });
}

void binlog_compare(const struct charm_world *w, struct charm_ask *a) {
        const char *chain = charm_state(w, "chain"), *text, *first, *last, *code;

        if (charm_state(w, "no-log"))
                return charm_next(a);
        if (!charm_outcome(w))
                return ask_heads(w, a);
        text = charm_answer(w, "/stdout");
        code = charm_answer(w, "/exit");
        first = backup_line(a, text, 0);
        last = backup_line(a, text, 1);
        if (!code || strcmp(code, "0") != 0 || !last)
                return charm_give_up(a, "the server's binary logs cannot be read in the pod: %s",
                                     charm_answer(w, "/stderr"));
        charm_set(a, "head", last);
        if (chain && strcmp(first, noted(w, a, "head")) != 0) {
                charm_set(a, "chain", NULL);
                charm_set(a, "logs",
                          charm_text(charm_paper(a), "%s\n", last_line(a, charm_state(w, "logs"))));
        }
        charm_next(a);
}

/* ---- begin: another chain, where it does not go on */

static const char *new_chain(const struct charm_world *w, struct charm_ask *a) {
        const char *own = strchr(charm_key(w), '-');

        return charm_text(charm_paper(a), "%s-%.8s", backup_time(charm_paper(a), charm_now(w)),
                          own ? own + 1 : "");
}

void binlog_end(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *before = noted(w, a, "chain");

        if (charm_state(w, "no-log") || charm_state(w, "chain") || !before)
                return charm_next(a);
        if (!outcome)
                return backup_ask_put(w, a, binlog_own_place(w, a, before), BINLOG_ENDED,
                                      charm_state(w, "note"));
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "the bucket: %s: %s", outcome, charm_error(w));
        charm_log(a, "the server's binary logs do not go on from %s, which was shipped last",
                  noted(w, a, "last"));
        charm_next(a);
}

void binlog_begin(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *chain, *last;

        if (charm_state(w, "no-log") || (charm_state(w, "chain") && !outcome))
                return charm_next(a);
        last = backup_field(a, last_line(a, charm_state(w, "logs")), 0);
        if (!outcome) {
                chain = new_chain(w, a);
                charm_set(a, "chain", chain);
                return binlog_ask_note(w, a, chain, last, "0", "-");
        }
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "the bucket: %s: %s", outcome, charm_error(w));
        charm_set(a, "note", NULL);
        charm_log(a,
                  "a chain of binary logs begins at %s: a moment that can be restored needs a "
                  "backup that is made from now on",
                  last);
        charm_next(a);
}
