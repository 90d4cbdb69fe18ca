/* SPDX-License-Identifier: Apache-2.0 */
/* binlog.c - which chain the server's binary logs are of; see binlog.h
 *
 *   read ──▶ look ──▶ compare
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
                file = charm_text(charm_paper(a), "%.*s", (int)(length - end), file);
                return binlog_is_name(file) ? file : NULL;
        }
        return NULL;
}

bool binlog_is_name(const char *text) {
        return *text && strlen(text) < 256 &&
               !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-")];
}

bool binlog_is_number(const char *text) {
        return *text && strlen(text) < 19 && !text[strspn(text, "0123456789")];
}

size_t binlog_number(const struct charm_world *w, const char *key) {
        const char *text = charm_state(w, key);

        return text ? strtoul(text, NULL, 10) : 0;
}

/* ---- the note */

bool binlog_note_broken(struct charm_ask *a, const char *text) {
        static const char *const names[] = { "chain", "last",   "bytes", "head",
                                             "key",   "sealed", "until" };
        const char *format = text ? backup_meta(a, text, "format", 0) : NULL;
        size_t length = text ? strlen(text) : 0;

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
                if (!text || !backup_meta(a, text, names[i], 0))
                        return true;
        return !format || strcmp(format, "mooring-binlogs 2") != 0 || length < 5 ||
               strcmp(text + length - 5, "\nend\n") != 0;
}

static const char *sealed_now(const struct charm_world *w) {
        return charm_option_set(charm_world_view(w), OPTION_BACKUP_PASSPHRASE) ? "yes" : "no";
}

/* "{{secret:URI:REVISION:plain}}", and of that what stands in the middle. */
const char *binlog_key(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        const char *token, *from, *end;

        if (!charm_option_set(v, OPTION_BACKUP_PASSPHRASE))
                return "-";
        token = charm_option(v, OPTION_BACKUP_PASSPHRASE);
        from = strchr(token, ':');
        end = strrchr(token, ':');
        return from && end > from
                       ? charm_text(charm_paper(a), "%.*s", (int)(end - from - 1), from + 1)
                       : "?";
}

static bool is_log_line(const char *line) {
        return !strncmp(line, "log: ", 5);
}

/* Lines "log: NAME BYTES" of NOTE but for that of NAME, which follows; so many that with it they
 * are no more than are ever replayed. */
static const char *logs_before(struct charm_ask *a, const char *note, const char *name) {
        char *out = charm_memory(charm_paper(a), strlen(note) + 1), *end = out;
        const char *own = charm_text(charm_paper(a), "log: %s ", name);
        size_t count = 0, length;

        for (const char *line = note; *line; line += length) {
                length = strcspn(line, "\n") + 1;
                count += is_log_line(line) && strncmp(line, own, strlen(own)) != 0;
        }
        for (const char *line = note; *line; line += length) {
                length = strcspn(line, "\n") + 1;
                if (!is_log_line(line) || !strncmp(line, own, strlen(own)))
                        continue;
                if (count-- >= BINLOG_LOGS_MAX)
                        continue;
                memcpy(end, line, length);
                end += length;
        }
        *end = '\0';
        return out;
}

const char *binlog_note(const struct charm_world *w, struct charm_ask *a, const char *line,
                        const char *head, const char *until) {
        const char *note = charm_state(w, "note"), *name = backup_field(a, line, 0),
                   *bytes = backup_field(a, line, 1);

        return charm_text(charm_paper(a),
                          "format: mooring-binlogs 2\nchain: %s\nlast: %s\nbytes: %s\nhead: %s\n"
                          "sealed: %s\nkey: %s\nuntil: %s\n%slog: %s %s\nend\n",
                          charm_state(w, "chain"), name, bytes, head, sealed_now(w),
                          binlog_key(w, a), until, note ? logs_before(a, note, name) : "", name,
                          bytes);
}

void binlog_fail(const struct charm_world *w, struct charm_ask *a, const char *why) {
        if (!charm_state(w, "spare"))
                return charm_give_up(a, "%s", why);
        charm_log(a, "no moment after this backup can be restored from it: %s", why);
        charm_set(a, "no-moment", why);
        charm_set(a, "chain", NULL);
        charm_set(a, "note", NULL);
        charm_set(a, "logs", NULL);
        charm_goto(a, "before");
}

/* ---- read: what was shipped */

static void take_note(const struct charm_world *w, struct charm_ask *a) {
        const char *text = charm_answer(w, "/body");

        if (!binlog_note_broken(a, text))
                charm_set(a, "note", text);
        else if (charm_state(w, "spare"))
                return binlog_fail(w, a, "the note of what was shipped is cut off, or was changed");
        else
                charm_log(a, "the note of what was shipped is cut off, or was changed");
        charm_next(a);
}

void binlog_read(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!backup_server_runs(w, a))
                return;
        if (!outcome)
                return backup_ask_object(w, a, "get-object", binlog_own_place(w, a, NULL),
                                         BINLOG_NOTE, "");
        if (!strcmp(outcome, "gone") && charm_state(w, "spare"))
                return binlog_fail(w, a, "ship-binlogs has not run");
        if (!strcmp(outcome, "gone"))
                return charm_next(a);
        if (strcmp(outcome, "done") != 0)
                return binlog_fail(
                        w, a,
                        charm_text(charm_paper(a), "the bucket: %s: %s", outcome, charm_error(w)));
        take_note(w, a);
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

/* The server has the log that was shipped last, and no less of it, and is sealed as that is. */
static bool may_go_on(const struct charm_world *w, struct charm_ask *a, size_t *ret_at) {
        const char *last = noted(w, a, "last"), *name;

        if (!last || strcmp(noted(w, a, "key"), binlog_key(w, a)) != 0)
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
                return binlog_fail(w, a,
                                   "the server tells no list of binary logs, or one of more than "
                                   "1,000: fewer are kept with the option binlog_retention_days");
        if (!may_go_on(w, a, &from))
                from = count - 1;
        else
                charm_set(a, "chain", noted(w, a, "chain"));
        for (size_t i = from; i < count && i < from + BINLOG_RUN_MAX; i++)
                logs = charm_text(p, "%s%s\t%s\n", logs, log_at(w, a, i, 0), log_at(w, a, i, 1));
        charm_set(a, "logs", logs);
        if (count > from + BINLOG_RUN_MAX)
                charm_set(a, "more", charm_text(p, "%zu", count - from - BINLOG_RUN_MAX));
        charm_set(
                a, "newest-log",
                charm_text(p, "%s\t%s\n", log_at(w, a, count - 1, 0), log_at(w, a, count - 1, 1)));
        charm_set(a, "folder", charm_text(p, "%.*s", (int)(slash - base), base));
        charm_set(a, "until", charm_answer(w, "/results/1/rows/0/2"));
        charm_next(a);
}

void binlog_look(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *on = charm_answer(w, "/results/1/rows/0/0");

        if (!outcome)
                return ask_look(a);
        if (on && (!strcmp(on, "0") || !strcmp(on, "OFF")))
                return binlog_fail(w, a, "the server writes no binary log (log_bin is off)");
        if (strcmp(outcome, "done") != 0)
                return binlog_fail(w, a,
                                   charm_text(charm_paper(a), "the server's binary logs: %s: %s",
                                              outcome, charm_error(w)));
        take_look(w, a);
}

/* ---- compare: is the last one the one that was shipped */

/* The beginning but for the flag that says whether it is closed, and what follows it. */
#define HEADS "for f; do head -c 21 \"$f\" | cksum || exit 1; done"

static const char *path_of(const struct charm_world *w, struct charm_ask *a, const char *line) {
        return charm_text(charm_paper(a), "%s/%s", charm_state(w, "folder"),
                          backup_field(a, line, 0));
}

/* Of what is to be shipped, and of the newest. */
static void ask_heads(const struct charm_world *w, struct charm_ask *a) {
        const char *argv[4 + BINLOG_RUN_MAX + 2] = { "sh", "-c", HEADS, "sh" }, *line;
        size_t n = 0;

        for (; n < BINLOG_RUN_MAX && (line = backup_line(a, charm_state(w, "logs"), n)); n++)
                argv[4 + n] = path_of(w, a, line);
        argv[4 + n] = path_of(w, a, backup_line(a, charm_state(w, "newest-log"), 0));
        charm_ask_exec(a, &(struct charm_exec){
                                  .pod = backup_pod(w, a), .container = "mysql", .argv = argv });
}

static const char *last_line(struct charm_ask *a, const char *lines) {
        const char *line, *last = NULL;

        for (size_t i = 0; (line = backup_line(a, lines, i)); i++)
                last = line;
        return last;
}

static void take_heads(const struct charm_world *w, struct charm_ask *a, const char *heads) {
        const char *chain = charm_state(w, "chain"), *first = backup_line(a, heads, 0);

        charm_set(a, "heads", heads);
        if (!chain || strcmp(first, noted(w, a, "head")) != 0) {
                charm_set(a, "chain", NULL);
                charm_set(a, "more", NULL);
                charm_set(a, "logs", charm_state(w, "newest-log"));
                charm_set(a, "heads", charm_text(charm_paper(a), "%s\n", last_line(a, heads)));
        }
        charm_next(a);
}

void binlog_compare(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *text, *code;
        size_t logs = 0;

        if (!outcome)
                return ask_heads(w, a);
        text = charm_answer(w, "/stdout");
        code = charm_answer(w, "/exit");
        while (backup_line(a, charm_state(w, "logs"), logs))
                logs++;
        if (!code || strcmp(code, "0") != 0 || !backup_line(a, text, logs))
                return binlog_fail(w, a,
                                   charm_text(charm_paper(a),
                                              "the server's binary logs cannot be read in the "
                                              "pod: %s",
                                              code ? charm_answer(w, "/stderr") : charm_error(w)));
        take_heads(w, a, text);
}
