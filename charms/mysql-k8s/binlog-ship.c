/* SPDX-License-Identifier: Apache-2.0 */
/* binlog-ship.c - the action ship-binlogs: what the server wrote into its binary logs since the
 * last run goes into the bucket
 *
 *   (find the chain, binlog.c) ──▶ ship ──▶ note
 *
 * Logs go as files, as far as the server says that they go, which is the end of a transaction. A
 * log stays under its name: doing it again, or going on with the one that the server writes to,
 * puts more of the same there. The note comes last: until then the run before is what counts. */
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

static size_t number(const struct charm_world *w, const char *key) {
        const char *text = charm_state(w, key);

        return text ? strtoul(text, NULL, 10) : 0;
}

static void count(const struct charm_world *w, struct charm_ask *a, const char *key, size_t more) {
        charm_set(a, key, charm_text(charm_paper(a), "%zu", number(w, key) + more));
}

static bool shipped_before(const struct charm_world *w, struct charm_ask *a, size_t at,
                           const char *line) {
        const char *note = charm_state(w, "note");

        return !at && note && !strcmp(backup_meta(a, note, "bytes", 0), backup_field(a, line, 1));
}

static void ship(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *line, *bytes;
        size_t at = number(w, "at");

        if (charm_state(w, "no-log"))
                return charm_give_up(a, "the server writes no binary log (log_bin is off)");
        line = backup_line(a, charm_state(w, "logs"), at);
        if (!line)
                return charm_next(a);
        if (!outcome && !shipped_before(w, a, at, line))
                return ask_ship(w, a, line);
        if (outcome && strcmp(outcome, "done") != 0)
                return charm_give_up(a, "%s was not shipped: %s: %s", backup_field(a, line, 0),
                                     outcome, charm_error(w));
        bytes = outcome ? charm_answer(w, "/plain-bytes") : NULL;
        if (bytes && strcmp(bytes, backup_field(a, line, 1)) != 0)
                return charm_give_up(a, "%s was not shipped: %s of its %s bytes could be read",
                                     backup_field(a, line, 0), bytes, backup_field(a, line, 1));
        count(w, a, "at", 1);
        count(w, a, "shipped", outcome ? 1 : 0);
        charm_goto(a, "ship");
}

/* ---- note */

static void note(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *logs = charm_state(w, "logs"),
                   *line = backup_line(a, logs, number(w, "at") - 1);

        if (!outcome)
                return binlog_ask_note(w, a, charm_state(w, "chain"), backup_field(a, line, 0),
                                       backup_field(a, line, 1), charm_state(w, "until"));
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "what was shipped could not be noted: %s: %s", outcome,
                                     charm_error(w));
        charm_result(a, "until", charm_state(w, "until"));
        charm_result(a, "chain", charm_state(w, "chain"));
        charm_result(a, "last", backup_field(a, line, 0));
        charm_result(a, "shipped", charm_state(w, "shipped"));
        charm_done(a);
}

const struct charm_step binlog_ship_steps[] = {
        { "read", binlog_read, 300, CHARM_ALL },   { "look", binlog_look, 300, CHARM_ALL },
        { "compare", binlog_compare, 300, 0 },     { "end", binlog_end, 300, CHARM_ALL },
        { "begin", binlog_begin, 300, CHARM_ALL }, { "ship", ship, SHIP_SECONDS, CHARM_ALL },
        { "note", note, 300, CHARM_ALL },          {}
};

/* ---- list-backups: how far they go; moments until then can be restored */

static void list_logs(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *text;

        if (!outcome)
                return backup_ask_object(w, a, "get-object", binlog_own_place(w, a, NULL),
                                         BINLOG_NOTE, "");
        text = charm_answer(w, "/body");
        if (!strcmp(outcome, "done") && !binlog_note_broken(a, text))
                charm_result(a, "moments-until",
                             charm_text(charm_paper(a), "%s; it is %s",
                                        backup_meta(a, text, "until", 0),
                                        backup_time(charm_paper(a), charm_now(w))));
        charm_next(a);
}

const struct charm_step binlog_list_steps[] = { { "read", backup_list_read, 300, CHARM_ALL },
                                                { "logs", list_logs, 300, CHARM_ALL },
                                                { "tell", backup_list_tell, 0, 0 },
                                                {} };
