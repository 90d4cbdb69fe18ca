/* SPDX-License-Identifier: Apache-2.0 */
/* binlog-prune.c - steps of create-backup, after older backups were deleted: the binary logs that
 * are older than the oldest backup that stays are of no use to any, and go too
 *
 * Where that one has no place in them, all logs stay. What cannot be deleted is told, and the
 * backup is none the worse for it. */
#include "binlog.h"

#include <stdlib.h>

#define PRUNED_MAX 300 /* objects a run, of 1,000 things that an operation may ask for */

/* ---- old-logs: where the oldest backup begins */

void binlog_find_old(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *oldest = charm_state(w, "oldest"), *text, *log;

        if (!oldest || !*oldest)
                return charm_done(a);
        if (!outcome)
                return backup_ask_object(w, a, "get-object", oldest, BACKUP_METADATA, "");
        text = strcmp(outcome, "done") ? NULL : charm_answer(w, "/body");
        log = text ? backup_meta(a, text, "binlog", 0) : NULL;
        if (!log || !backup_meta(a, text, "binlog-chain", 0))
                return charm_done(a);
        charm_set(a, "keep-chain", backup_meta(a, text, "binlog-chain", 0));
        charm_set(a, "keep-log", charm_text(charm_paper(a), "%.*s", (int)strcspn(log, " "), log));
        charm_next(a);
}

/* ---- prune-logs */

/* CHAIN/FILE of an object; NULL: it is something else. */
static const char *within(const struct charm_world *w, struct charm_ask *a, size_t i) {
        const char *key = charm_answer(w, charm_text(charm_paper(a), "/objects/%zu/key", i));
        const char *place = binlog_own_place(w, a, ""), *found = key ? strstr(key, place) : NULL;

        return found ? found + strlen(place) : key ? "" : NULL;
}

static bool is_old(const struct charm_world *w, struct charm_ask *a, const char *path) {
        struct charm_plan *p = charm_paper(a);
        const char *file = strchr(path, '/'), *name;
        bool sealed;
        int chain;

        if (!file)
                return false;
        chain = strcmp(charm_text(p, "%.*s", (int)(file - path), path),
                       charm_state(w, "keep-chain"));
        name = binlog_name(a, file + 1, &sealed);
        return chain < 0 || (!chain && name && binlog_order(name, charm_state(w, "keep-log")) < 0);
}

static const char *choose(const struct charm_world *w, struct charm_ask *a) {
        const char *out = "", *path;

        for (size_t i = 0; (path = within(w, a, i)); i++)
                if (is_old(w, a, path))
                        out = charm_text(charm_paper(a), "%s%s\n", out, path);
        return out;
}

static void ask_delete(const struct charm_world *w, struct charm_ask *a, const char *path) {
        size_t chain = strcspn(path, "/");
        const char *place =
                binlog_own_place(w, a, charm_text(charm_paper(a), "%.*s", (int)chain, path));

        backup_ask_object(w, a, "delete-object", place, path + chain + 1, "");
}

void binlog_prune(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *outcome = charm_outcome(w), *drop = charm_state(w, "drop"),
                   *count = charm_state(w, "dropped"), *path;
        size_t at = count ? strtoul(count, NULL, 10) : 0;

        if (!outcome)
                return backup_ask_list(w, a, charm_text(p, "%s/", binlog_own_place(w, a, NULL)),
                                       NULL, PRUNED_MAX);
        if (strcmp(outcome, "done") != 0) {
                charm_result(a, "logs-not-pruned",
                             charm_text(p, "%s: %s", outcome, charm_error(w)));
                return charm_done(a);
        }
        at += drop ? 1 : 0;
        drop = drop ? drop : choose(w, a);
        path = backup_line(a, drop, at);
        charm_result(a, "pruned-logs", charm_text(p, "%zu", at));
        if (!path)
                return charm_done(a);
        charm_set(a, "drop", drop);
        charm_set(a, "dropped", charm_text(p, "%zu", at));
        ask_delete(w, a, path);
}
