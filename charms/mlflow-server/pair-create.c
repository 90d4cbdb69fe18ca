/* SPDX-License-Identifier: Apache-2.0 */
/* pair-create.c - the action create-backup
 *
 *   free ──▶ client ──▶ reach ──▶ survey ──▶ dump ──▶ copy ──▶ note ──▶ old ──▶ prune ──▶ sweep
 *
 * The dump comes first, and is of one moment: what it names was in the bucket by then, for MLflow
 * writes an artifact once, and before it tells the database. So the artifacts that are there after
 * the dump are those, and some newer ones that nobody asks for. Nothing is stopped. What MLflow
 * deletes for good between the two (`mlflow gc`) is not in the pair.
 *
 * Where old pairs are deleted, the copies go that no list names any more: of no pair below PATH,
 * whosesoever it is and whether it was finished or not, so that nothing is deleted that might be
 * wanted. */
#include "pair.h"

#include "mysql-command.h"

#include <stdlib.h>

#define DUMP MYSQL_DUMP CLIENT_TLS " --user=\"$DB_USER\" -- \"$DB_NAME\""

/* ---- what it is made of */

void pair_survey(const struct charm_world *w, struct charm_ask *a) {
        struct client_survey s;

        if (!client_survey(w, a, 0, &s))
                return;
        if (!strcmp(s.tables, "0"))
                return charm_give_up(a, "the database is empty: the server has not made its tables "
                                        "yet");
        if (strcmp(s.elsewhere, "0") != 0)
                charm_log(a,
                          "%s of %s runs have their artifacts outside of the bucket: those are in "
                          "no backup",
                          s.elsewhere, s.runs);
        charm_set(a, "version", s.version);
        charm_set(a, "schema", s.schema);
        charm_set(a, "runs", s.runs);
        charm_set(a, "newest", s.newest);
        charm_set(a, "elsewhere", s.elsewhere);
        charm_next(a);
}

void pair_dump(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w)) {
                charm_set(a, "moment", charm_text(charm_paper(a), "%lld", (long long)charm_now(w)));
                return backup_ask_dump(w, a, client_command(w, a, DUMP, NULL));
        }
        if (!backup_dumped(w, a, CLIENT_TRIES_MAX))
                return;
        charm_log(a, "%s bytes of the database are in the bucket", charm_answer(w, "/bytes"));
        charm_next(a);
}

/* ---- note */

static const char *metadata(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const struct charm_view *v = charm_world_view(w);
        struct backends b;

        if (!mlflow_backends(v, p, &b))
                return "";
        return charm_text(p,
                          "format: %s\nid: %s\nmodel: %s\napplication: %s\nserver: %s\nsealed: %s\n"
                          "bytes: %s\nsha256: %s\nplain-bytes: %s\nplain-sha256: %s\ndatabase: %s\n"
                          "moment: %s\nimage: %s\nschema: %s\nruns: %s\nbucket: %s\ncopies: %s\n"
                          "artifact-count: %s\n%send\n",
                          backup_format, charm_state(w, "id"), charm_model(v), charm_application(v),
                          charm_state(w, "version"), backup_passphrase(w) ? "yes" : "no",
                          charm_state(w, "bytes"), charm_state(w, "sha256"),
                          charm_state(w, "plain-bytes"), charm_state(w, "plain-sha256"), b.database,
                          charm_state(w, "moment"), mlflow_image(v), charm_state(w, "schema"),
                          charm_state(w, "runs"), b.bucket, pair_copies(w, a, b.bucket),
                          charm_state(w, "artifacts"), charm_state(w, "lists"));
}

void pair_note(const struct charm_world *w, struct charm_ask *a) {
        static const char *const told[] = { "bytes",     "sha256", "schema",   "runs",
                                            "artifacts", "copied", "elsewhere" };

        if (!backup_note(w, a, metadata(w, a)))
                return;
        charm_set(a, "meta", metadata(w, a));
        charm_set(a, "lists", NULL);
        charm_result(a, "backup-id", charm_state(w, "id"));
        for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++)
                charm_result(a, told[i], charm_state(w, told[i]));
        charm_result(a, "encrypted", backup_passphrase(w) ? "yes" : "no");
        charm_next(a);
}

/* ---- sweep */

static void ask_sweep(const struct charm_world *w, struct charm_ask *a, const char *after) {
        struct charm_plan *p = charm_paper(a);
        struct backup_store s;

        if (!backup_store(w, a, &s))
                return;
        charm_ask_verb(
                a, BACKUP_TARGET, "sweep",
                charm_text(p,
                           "{\"bucket\":%s,\"prefix\":%s,\"folders\":true,\"lists\":%s,"
                           "\"infix\":\"/artifacts-\"%s%s}",
                           charm_quote(p, s.bucket),
                           charm_quote(p, charm_text(p, "%s%s", s.prefix, pair_copies(w, a, ""))),
                           charm_quote(p, s.prefix), after ? ",\"after\":" : "",
                           after ? charm_quote(p, after) : ""));
}

/* What cannot be deleted is told, as by backup_prune: the pair is none the worse for it. */
static void sweep(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *after = charm_answer(w, "/after"),
                   *deleted = charm_state(w, "copies-deleted");

        if (!outcome)
                return ask_sweep(w, a, NULL);
        if (strcmp(outcome, "done") != 0) {
                charm_result(a, "not-pruned",
                             charm_text(charm_paper(a), "copies: %s: %s", outcome, charm_error(w)));
                return charm_done(a);
        }
        deleted = charm_text(charm_paper(a), "%lld",
                             (deleted ? strtoll(deleted, NULL, 10) : 0) +
                                     strtoll(charm_answer(w, "/deleted"), NULL, 10));
        charm_result(a, "copies-deleted", deleted);
        charm_set(a, "copies-deleted", deleted);
        if (after)
                return ask_sweep(w, a, after);
        charm_done(a);
}

static void find_free(const struct charm_world *w, struct charm_ask *a) {
        if (!pair_refuses_part(w, a))
                backup_find_free(w, a);
}

const struct charm_step pair_create_steps[] = {
        { "free", find_free, 300, CHARM_ALL },
        { "client", client_want, 0, 0 },
        { "reach", client_reach, 3600, 0 },
        { "survey", pair_survey, 300, 0 },
        { "dump", pair_dump, BACKUP_HOURS, CHARM_ALL },
        { "copy", pair_copy, BACKUP_HOURS, CHARM_ALL },
        { "note", pair_note, 3600, CHARM_ALL },
        { "old", backup_find_old, 300, CHARM_ALL },
        { "prune", backup_prune, 300, CHARM_ALL },
        { "sweep", sweep, BACKUP_HOURS, CHARM_ALL },
        { "tidy", backup_tidy, 300, CHARM_CLEANUP | CHARM_ALL },
        { "away", client_away, 300, CHARM_CLEANUP | CHARM_ALL },
        {}
};
