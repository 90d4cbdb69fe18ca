/* SPDX-License-Identifier: Apache-2.0 */
/* binlog-find.c - steps of restore with restore-to-time, before anything is read
 *
 *   (the dump is read through) ──▶ until ──▶ logs ──▶ (scan, binlog-replay.c)
 *
 * The note of the backup's chain says which logs there are, and how far they go; the moment is
 * among them, none is missing from the backup's place on, and all of them are in the bucket. */
#include "binlog.h"

#include <stdlib.h>

bool binlog_asked(const struct charm_world *w) {
        return charm_param(w, "restore-to-time") != NULL;
}

/* As backup_time has it; NULL: all that there is. */
const char *binlog_moment(const struct charm_world *w, struct charm_ask *a) {
        const char *text = charm_param(w, "restore-to-time");

        if (!strcmp(text, "latest"))
                return NULL;
        return charm_text(charm_paper(a), "%.10sT%.8sZ", text, text + 11);
}

/* ---- until: how far the backup's chain goes */

const char *binlog_noted_place(const struct charm_world *w, struct charm_ask *a) {
        return binlog_place(a, backup_noted(w, a, "model"), backup_noted(w, a, "application"),
                            backup_noted(w, a, "binlog-chain"));
}

static const char *noted_log(const struct charm_world *w, struct charm_ask *a) {
        const char *text = backup_noted(w, a, "binlog");

        return charm_text(charm_paper(a), "%.*s", (int)strcspn(text, " "), text);
}

const char *binlog_noted_position(const struct charm_world *w, struct charm_ask *a) {
        const char *text = backup_noted(w, a, "binlog");

        text += strcspn(text, " ");
        return text + (*text == ' ');
}

static unsigned long log_number(const char *name) {
        const char *dot = strrchr(name, '.');

        return dot ? strtoul(dot + 1, NULL, 10) : 0;
}

static bool has_place(const struct charm_world *w, struct charm_ask *a) {
        const char *text = charm_param(w, "restore-to-time"),
                   *by = backup_noted(w, a, "snapshot-by"), *at;

        if (strcmp(text, "latest") != 0 && strlen(text) < strlen("2026-11-22 10:42:11")) {
                charm_give_up(a,
                              "%s is no moment: as 2026-11-22T10:42:11Z, or latest" BINLOG_NOTHING,
                              text);
                return false;
        }
        at = binlog_moment(w, a);
        if (!*backup_noted(w, a, "binlog-chain") || !*backup_noted(w, a, "binlog")) {
                charm_give_up(a,
                              "%s has no place in the binary logs: it was made before "
                              "ship-binlogs was there, or of a server without them" BINLOG_NOTHING,
                              backup_wanted(w));
                return false;
        }
        if (!binlog_is_name(noted_log(w, a)) || !binlog_is_number(binlog_noted_position(w, a))) {
                charm_give_up(a,
                              "%s has a place in the binary logs that is none: %s" BINLOG_NOTHING,
                              backup_wanted(w), backup_noted(w, a, "binlog"));
                return false;
        }
        if (at && strcmp(at, by) <= 0) {
                charm_give_up(
                        a,
                        "%s is of %s, which is not before %s: take an older backup" BINLOG_NOTHING,
                        backup_wanted(w), by, at);
                return false;
        }
        return true;
}

/* Lines of NAME, tab, BYTES, from the backup's log on. NULL: it gave up. */
static const char *take_logs(const struct charm_world *w, struct charm_ask *a, const char *note) {
        struct charm_plan *p = charm_paper(a);
        const char *logs = "", *before = NULL, *line;

        for (size_t i = 0; (line = backup_meta(a, note, "log", i)); i++) {
                size_t length = strcspn(line, " ");
                const char *name = charm_text(p, "%.*s", (int)length, line),
                           *bytes = line + length + (line[length] == ' ');

                if (!binlog_is_name(name) || !binlog_is_number(bytes))
                        return charm_give_up(a,
                                             "the note of what was shipped names %s" BINLOG_NOTHING,
                                             line),
                               NULL;
                if (binlog_order(name, noted_log(w, a)) < 0)
                        continue;
                if (before ? log_number(name) != log_number(before) + 1
                           : strcmp(name, noted_log(w, a)) != 0)
                        break;
                logs = charm_text(p, "%s%s\t%s\n", logs, name, bytes);
                before = name;
        }
        if (!line && before)
                return logs;
        charm_give_up(a,
                      "a gap in the binary logs, or more than %d, and no more are replayed: %s%s "
                      "was not shipped among the last: take a newer backup" BINLOG_NOTHING,
                      BINLOG_LOGS_MAX, before ? "the one after " : "",
                      before ? before : noted_log(w, a));
        return NULL;
}

static void take_note(const struct charm_world *w, struct charm_ask *a) {
        const char *text = charm_answer(w, "/body"), *at = binlog_moment(w, a), *until, *logs;

        if (binlog_note_broken(a, text) ||
            strcmp(backup_meta(a, text, "chain", 0), backup_noted(w, a, "binlog-chain")) != 0)
                return charm_give_up(a, "the note of what was shipped is cut off, or was "
                                        "changed" BINLOG_NOTHING);
        until = backup_meta(a, text, "until", 0);
        at = at ? at : backup_noted(w, a, "snapshot-by");
        if (*until == '-' || strcmp(at, until) > 0)
                return charm_give_up(a,
                                     "the binary logs were shipped until %s, and %s is later: "
                                     "ship-binlogs first, or take that moment" BINLOG_NOTHING,
                                     until, at);
        logs = take_logs(w, a, text);
        if (!logs)
                return;
        charm_set(a, "logs", logs);
        charm_set(a, "logs-sealed", backup_meta(a, text, "sealed", 0));
        charm_set(a, "until", until);
        charm_next(a);
}

void binlog_find(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!binlog_asked(w))
                return charm_goto(a, "use");
        if (!outcome) {
                if (has_place(w, a))
                        backup_ask_object(w, a, "get-object", binlog_noted_place(w, a), BINLOG_NOTE,
                                          "");
                return;
        }
        if (!strcmp(outcome, "gone"))
                return charm_give_up(a, "no binary logs of its server were shipped after "
                                        "it" BINLOG_NOTHING);
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "the bucket: %s: %s" BINLOG_NOTHING, outcome,
                                     charm_error(w));
        take_note(w, a);
}

/* ---- logs: without a gap */

#define PAGE 400 /* objects: 50 KiB of answer */

static void ask_list(const struct charm_world *w, struct charm_ask *a, const char *after) {
        const char *place = binlog_noted_place(w, a);

        backup_ask_list(w, a, charm_text(charm_paper(a), "%s/", place), after, PAGE);
}

const char *binlog_file(const struct charm_world *w, struct charm_ask *a, const char *name) {
        bool sealed = !strcmp(charm_state(w, "logs-sealed"), "yes");

        return charm_text(charm_paper(a), "%s.gz%s", name, sealed ? ".sealed" : "");
}

/* Lines of files, with a line break before the first too. */
static const char *all_files(const struct charm_world *w, struct charm_ask *a) {
        const char *logs = charm_state(w, "logs"), *out = "\n", *line;

        for (size_t i = 0; (line = backup_line(a, logs, i)); i++)
                out = charm_text(charm_paper(a), "%s%s\n", out,
                                 binlog_file(w, a, backup_field(a, line, 0)));
        return out;
}

/* MISSING without the files of the answer. */
static const char *take_page(const struct charm_world *w, struct charm_ask *a,
                             const char *missing) {
        struct charm_plan *p = charm_paper(a);
        char *out = charm_memory(p, strlen(missing) + 1), *found;
        const char *key;

        memcpy(out, missing, strlen(missing) + 1);
        for (size_t i = 0; (key = charm_answer(w, charm_text(p, "/objects/%zu/key", i))); i++) {
                const char *file = strrchr(key, '/') ? strrchr(key, '/') + 1 : key;
                size_t length = strlen(file) + 1;

                found = strstr(out, charm_text(p, "\n%s\n", file));
                if (found)
                        memmove(found, found + length, strlen(found + length) + 1);
        }
        return out;
}

static void tell_gap(const struct charm_world *w, struct charm_ask *a, const char *file) {
        const char *logs = charm_state(w, "logs"), *before = NULL, *line;

        for (size_t i = 0; (line = backup_line(a, logs, i)); i++) {
                const char *name = backup_field(a, line, 0);

                if (!strcmp(binlog_file(w, a, name), file))
                        break;
                before = name;
        }
        charm_give_up(a,
                      "a gap in the binary logs: %s%s is not in the bucket; no moment after it can "
                      "be restored from %s" BINLOG_NOTHING,
                      file, before ? charm_text(charm_paper(a), ", the one after %s,", before) : "",
                      backup_wanted(w));
}

void binlog_list(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *after, *missing = charm_state(w, "missing");

        if (!outcome)
                return ask_list(w, a, NULL);
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "the bucket: %s: %s" BINLOG_NOTHING, outcome,
                                     charm_error(w));
        missing = take_page(w, a, missing ? missing : all_files(w, a));
        after = charm_answer(w, "/after");
        if (after) {
                charm_set(a, "missing", missing);
                return ask_list(w, a, after);
        }
        if (missing[1])
                return tell_gap(w, a, backup_line(a, missing + 1, 0));
        charm_set(a, "missing", NULL);
        charm_next(a);
}
