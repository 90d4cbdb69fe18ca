/* SPDX-License-Identifier: Apache-2.0 */
/* binlog-ship.c - the action ship-binlogs: what the server wrote into its binary logs since the
 * last run goes into the bucket
 *
 *   (find the chain, binlog.c) ──▶ begin ──▶ ship ──▶ keep ──▶ note ──▶ ship ...
 *
 * Logs go as files, as far as the server says that they go, which is the end of a transaction. A
 * log stays under its name: doing it again, or going on with the one that the server writes to,
 * puts more of the same there. The note comes after each log: until then what it said before is
 * what counts. It goes into the chain first (keep), which is what restore reads. One run at a time,
 * and none during a restore (execution-group): two would go on from the same place. */
#include "binlog.h"

#include "charm.gen.h"

#include <stdlib.h>

#define SHIP_SECONDS 3600 /* one log; BINLOG_BYTES, or what one large transaction made of it */

/* ---- ship: one log after the other */

#define READ "exec head -c \"$2\" -- \"$1\""

static const char *from_pod(const struct charm_world *w, struct charm_ask *a, const char *name,
                            const char *bytes) {
        struct charm_plan *p = charm_paper(a);

        return charm_text(
                p, "{\"pod\":%s,\"container\":\"mysql\",\"argv\":[\"sh\",\"-c\",%s,\"sh\",%s,%s]}",
                charm_quote(p, backup_pod(w, a)), charm_quote(p, READ),
                charm_quote(p, charm_text(p, "%s/%s", charm_state(w, "folder"), name)),
                charm_quote(p, bytes));
}

static void ask_ship(const struct charm_world *w, struct charm_ask *a, const char *line) {
        struct charm_plan *p = charm_paper(a);
        const struct charm_view *v = charm_world_view(w);
        const char *key = charm_option_set(v, OPTION_BACKUP_PASSPHRASE)
                                  ? charm_option(v, OPTION_BACKUP_PASSPHRASE)
                                  : NULL;
        const char *name = backup_field(a, line, 0);
        const char *to = backup_object(w, a, binlog_own_place(w, a, charm_state(w, "chain")),
                                       charm_text(p, "%s.gz%s", name, key ? ".sealed" : ""),
                                       ",\"target\":\"" BACKUP_TARGET "\"");

        if (to)
                charm_ask_stream(a, &(struct charm_stream){
                                            .from = from_pod(w, a, name, backup_field(a, line, 1)),
                                            .to = to,
                                            .gzip = true,
                                            .key = key });
}

static void count(const struct charm_world *w, struct charm_ask *a, const char *key, size_t more) {
        charm_set(a, key, charm_text(charm_paper(a), "%zu", binlog_number(w, key) + more));
}

static bool shipped_before(const struct charm_world *w, struct charm_ask *a, size_t at,
                           const char *line) {
        const char *note = charm_state(w, "note");

        return !at && note && !strcmp(backup_meta(a, note, "bytes", 0), backup_field(a, line, 1));
}

static void ship(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *logs = charm_state(w, "logs"), *bytes, *line;
        size_t at = binlog_number(w, "at");

        line = backup_line(a, logs, at);
        if (!outcome && !shipped_before(w, a, at, line))
                return ask_ship(w, a, line);
        if (outcome && strcmp(outcome, "done") != 0)
                return charm_give_up(a, "%s was not shipped: %s: %s", backup_field(a, line, 0),
                                     outcome, charm_error(w));
        bytes = outcome ? charm_answer(w, "/plain-bytes") : NULL;
        if (bytes && strcmp(bytes, backup_field(a, line, 1)) != 0)
                return charm_give_up(a, "%s was not shipped: %s of its %s bytes could be read",
                                     backup_field(a, line, 0), bytes, backup_field(a, line, 1));
        count(w, a, "shipped", outcome ? 1 : 0);
        charm_next(a);
}

/* ---- keep, note: after each log, for another run goes on from there */

/* What is left to be shipped may be older than UNTIL. */
static const char *until_now(const struct charm_world *w, struct charm_ask *a) {
        const char *note = charm_state(w, "note");

        if (!charm_state(w, "more") &&
            !backup_line(a, charm_state(w, "logs"), binlog_number(w, "at") + 1))
                return charm_state(w, "until");
        return note ? backup_meta(a, note, "until", 0) : "-";
}

static const char *note_now(const struct charm_world *w, struct charm_ask *a) {
        size_t at = binlog_number(w, "at");

        return binlog_note(w, a, backup_line(a, charm_state(w, "logs"), at),
                           backup_line(a, charm_state(w, "heads"), at), until_now(w, a));
}

static bool put(const struct charm_world *w, struct charm_ask *a, const char *chain) {
        const char *outcome = charm_outcome(w);

        if (!outcome)
                backup_ask_put(w, a, binlog_own_place(w, a, chain), BINLOG_NOTE, note_now(w, a));
        else if (strcmp(outcome, "done") != 0)
                charm_give_up(a, "what was shipped could not be noted: %s: %s", outcome,
                              charm_error(w));
        return outcome && !strcmp(outcome, "done");
}

static void keep(const struct charm_world *w, struct charm_ask *a) {
        if (put(w, a, charm_state(w, "chain")))
                charm_next(a);
}

static void tell(const struct charm_world *w, struct charm_ask *a, const char *line) {
        bool sealed = charm_option_set(charm_world_view(w), OPTION_BACKUP_PASSPHRASE);
        const char *more = charm_state(w, "more");

        if (more)
                charm_log(a, "%s logs are left, which the next run ships", more);
        charm_result(a, "until", until_now(w, a));
        charm_result(a, "chain", charm_state(w, "chain"));
        charm_result(a, "last", backup_field(a, line, 0));
        charm_result(a, "shipped", charm_state(w, "shipped"));
        charm_result(a, "left", more ? more : "0");
        charm_result(a, "encrypted", sealed ? "yes" : "no");
        charm_done(a);
}

static void note(const struct charm_world *w, struct charm_ask *a) {
        const char *logs = charm_state(w, "logs");
        size_t at = binlog_number(w, "at");

        if (!put(w, a, NULL))
                return;
        if (!backup_line(a, logs, at + 1))
                return tell(w, a, backup_line(a, logs, at));
        charm_set(a, "note", note_now(w, a));
        count(w, a, "at", 1);
        charm_goto(a, "ship");
}

/* ---- begin: another chain, where it does not go on */

static void begin(const struct charm_world *w, struct charm_ask *a) {
        const char *own = strchr(charm_key(w), '-'), *note = charm_state(w, "note");
        struct charm_plan *p = charm_paper(a);

        if (charm_state(w, "chain"))
                return charm_next(a);
        if (note)
                charm_log(a,
                          "the server's binary logs do not go on from %s, which was shipped last, "
                          "or the passphrase is another",
                          backup_meta(a, note, "last", 0));
        charm_log(a,
                  "a chain of binary logs begins at %s, %s: a moment that can be restored needs a "
                  "backup that is made from now on",
                  backup_field(a, backup_line(a, charm_state(w, "logs"), 0), 0),
                  charm_option_set(charm_world_view(w), OPTION_BACKUP_PASSPHRASE)
                          ? "encrypted"
                          : "not encrypted");
        charm_set(a, "note", NULL);
        charm_set(a, "chain",
                  charm_text(p, "%s-%.8s", backup_time(p, charm_now(w)), own ? own + 1 : ""));
        charm_next(a);
}

const struct charm_step binlog_ship_steps[] = { { "read", binlog_read, 300, CHARM_ALL },
                                                { "look", binlog_look, 300, CHARM_ALL },
                                                { "compare", binlog_compare, 300, CHARM_ALL },
                                                { "begin", begin, 0, 0 },
                                                { "ship", ship, SHIP_SECONDS, CHARM_ALL },
                                                { "keep", keep, 300, CHARM_ALL },
                                                { "note", note, 300, CHARM_ALL },
                                                {} };

/* ---- list-backups: how far they go; moments until then can be restored */

static const char *until_text(const struct charm_world *w, struct charm_ask *a, const char *note) {
        struct charm_plan *p = charm_paper(a);
        const char *until = backup_meta(a, note, "until", 0);
        bool sealed = !strcmp(backup_meta(a, note, "sealed", 0), "yes");

        if (*until == '-')
                return "none yet: run ship-binlogs";
        return charm_text(p, "%s; it is %s; the binary logs are %s", until,
                          backup_time(p, charm_now(w)), sealed ? "encrypted" : "not encrypted");
}

static void list_logs(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *text;

        if (!outcome)
                return backup_ask_object(w, a, "get-object", binlog_own_place(w, a, NULL),
                                         BINLOG_NOTE, "");
        text = charm_answer(w, "/body");
        if (!strcmp(outcome, "done") && !binlog_note_broken(a, text))
                charm_result(a, "moments-until", until_text(w, a, text));
        charm_next(a);
}

const struct charm_step binlog_list_steps[] = { { "read", backup_list_read, 300, CHARM_ALL },
                                                { "logs", list_logs, 300, CHARM_ALL },
                                                { "tell", backup_list_tell, 0, 0 },
                                                {} };
