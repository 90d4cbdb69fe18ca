/* SPDX-License-Identifier: Apache-2.0 */
/* pair.c - where pairs lie, and the pages of artifacts; see pair.h */
#include "pair.h"

#include "charm.gen.h"

#include "mysql-command.h"
#include "s3-endpoint.h"

#include <stdlib.h>

#define ARTIFACTS "artifacts" /* target: the object store of the server */

const char backup_format[] = "mooring-mlflow 1";

void pair_plan(const struct charm_view *v, struct charm_plan *p, const struct backends *b) {
        const struct charm_relation *r = charm_relation(v, ENDPOINT_S3_PARAMETERS, 0);

        if (!r || !s3_endpoint_told(r))
                return;
        charm_target(p, ARTIFACTS, "s3", "backup-target.yaml",
                     CHARM_HOLES({ "endpoint", CHARM_NONE }, { "via", CHARM_TEXT, b->via },
                                 { "port", CHARM_INT, NULL, strtol(b->store_port, NULL, 10) },
                                 { "region", CHARM_NONE },
                                 { "access-key", CHARM_TEXT, b->access_key },
                                 { "secret-key", CHARM_TEXT, b->secret_key },
                                 { "mode", CHARM_TEXT,
                                   !strcmp(b->secure, "true") ? "verify-full" : "plain" },
                                 { "ca", CHARM_NONE }));
}

static int64_t number(const char *text) {
        return text ? strtoll(text, NULL, 10) : 0;
}

static const char *list_name(struct charm_ask *a, int64_t i) {
        return charm_text(charm_paper(a), "artifacts-%04lld", (long long)i);
}

/* False: gave up. */
static bool both(const struct charm_world *w, struct charm_ask *a, struct backup_store *ret_store,
                 struct backends *ret) {
        if (!backup_store(w, a, ret_store))
                return false;
        if (mlflow_backends(charm_world_view(w), charm_paper(a), ret))
                return true;
        charm_give_up(a, "the database or the object store went away meanwhile; what was copied "
                         "stays");
        return false;
}

bool backup_ask_delete_more(const struct charm_world *w, struct charm_ask *a, const char *id) {
        struct charm_plan *p = charm_paper(a);
        const char *key = charm_state(w, "listing") ? charm_answer(w, "/objects/0/key") : NULL;
        struct backup_store s;

        if ((charm_state(w, "listing") && !key) || !backup_store(w, a, &s)) {
                charm_set(a, "listing", NULL);
                return false;
        }
        charm_set(a, "listing", key ? NULL : "1");
        if (key)
                charm_ask_verb(a, BACKUP_TARGET, "delete-object",
                               charm_text(p, "{\"bucket\":%s,\"key\":%s}", charm_quote(p, s.bucket),
                                          charm_quote(p, key)));
        else
                backup_ask_list(w, a, charm_text(p, "%s/artifacts-", id), NULL, 1);
        return true;
}

/* ---- into the copies */

const char *pair_copies(const struct charm_world *w, struct charm_ask *a, const char *bucket) {
        const struct charm_view *v = charm_world_view(w);

        return charm_text(charm_paper(a), "artifacts/%s.%s/%s%s", charm_model(v),
                          charm_application(v), bucket, *bucket ? "/" : "");
}

/* One page from AFTER on; NOTE: its list is to be written, MORE than that. */
static void ask_copy(const struct charm_world *w, struct charm_ask *a, const char *after,
                     const char *more) {
        struct charm_plan *p = charm_paper(a);
        struct backup_store s;
        struct backends b;

        if (!both(w, a, &s, &b))
                return;
        charm_ask_verb(a, ARTIFACTS, "mirror",
                       charm_text(p,
                                  "{\"bucket\":%s%s%s%s,\"to\":{\"target\":\"" BACKUP_TARGET
                                  "\",\"bucket\":%s,\"prefix\":%s}}",
                                  charm_quote(p, b.bucket), after ? ",\"after\":" : "",
                                  after ? charm_quote(p, after) : "", more,
                                  charm_quote(p, s.bucket),
                                  charm_quote(p, charm_text(p, "%s%s", s.prefix,
                                                            pair_copies(w, a, b.bucket)))));
}

static void ask_noted(const struct charm_world *w, struct charm_ask *a, const char *after,
                      int64_t list) {
        struct charm_plan *p = charm_paper(a);
        struct backup_store s;

        if (backup_store(w, a, &s))
                ask_copy(w, a, after,
                         charm_text(p, ",\"note\":%s",
                                    charm_quote(p, charm_text(p, "%s%s/%s", s.prefix,
                                                              charm_state(w, "id"),
                                                              list_name(a, list)))));
}

static void add(const struct charm_world *w, struct charm_ask *a, const char *name,
                const char *answer) {
        charm_set(a, name,
                  charm_text(charm_paper(a), "%lld",
                             (long long)(number(charm_state(w, name)) +
                                         number(charm_answer(w, answer)))));
}

void pair_copy(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *after = charm_answer(w, "/after"),
                   *lists = charm_state(w, "lists");
        int64_t list = number(charm_state(w, "list"));

        if (!outcome) {
                charm_set(a, "list", "1");
                return ask_noted(w, a, NULL, 1);
        }
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a,
                                     "the artifacts could not be copied, and there is no backup "
                                     "%s: %s: %s",
                                     charm_state(w, "id"), outcome, charm_error(w));
        if (number(charm_answer(w, "/missed")))
                return charm_give_up(a,
                                     "%s artifacts were replaced while they were copied, and there "
                                     "is no backup: %.300s",
                                     charm_answer(w, "/missed"), charm_answer(w, "/first-missed"));
        add(w, a, "artifacts", "/looked");
        add(w, a, "copied", "/copied");
        charm_set(a, "lists",
                  charm_text(charm_paper(a), "%sartifacts: %s\n", lists ? lists : "",
                             charm_answer(w, "/sha256")));
        if (!after)
                return charm_next(a);
        if (list == PAIR_LISTS_MAX)
                return charm_give_up(a, "more than %d artifacts: nothing here can list them all",
                                     PAIR_LISTS_MAX * 1000);
        charm_set(a, "list", charm_text(charm_paper(a), "%lld", (long long)list + 1));
        ask_noted(w, a, after, list + 1);
}

void pair_copy_ahead(const struct charm_world *w, struct charm_ask *a) {
        const char *after = charm_answer(w, "/after");

        if (charm_outcome(w) && !after)
                return charm_next(a);
        ask_copy(w, a, after, ",\"limit\":20000");
}

/* ---- out of them, list by list */

/* MORE: what each is asked for with. */
typedef const char *more_fn(const struct charm_world *w, struct charm_ask *a,
                            const struct backup_store *s);

static void ask_list(const struct charm_world *w, struct charm_ask *a, int64_t list,
                     const char *after, more_fn *more) {
        struct charm_plan *p = charm_paper(a);
        struct backup_store s;
        const char *extra;

        if (!backup_store(w, a, &s))
                return;
        extra = more(w, a, &s);
        if (!extra)
                return;
        charm_set(a, "list", charm_text(p, "%lld", (long long)list));
        charm_ask_verb(a, BACKUP_TARGET, "mirror",
                       charm_text(p, "{\"bucket\":%s,\"list\":%s,\"sha256\":%s%s%s%s}",
                                  charm_quote(p, s.bucket),
                                  charm_quote(p, charm_text(p, "%s%s/%s", s.prefix,
                                                            backup_wanted(w), list_name(a, list))),
                                  charm_quote(p, backup_meta(a, charm_state(w, "meta"), "artifacts",
                                                             (size_t)list - 1)),
                                  after ? ",\"after\":" : "", after ? charm_quote(p, after) : "",
                                  extra));
}

/* What is wrong with the page that was asked for, or NULL. */
static const char *page_wrong(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (outcome && strcmp(outcome, "done") != 0)
                return charm_text(charm_paper(a), "its artifacts: %s: %.400s", outcome,
                                  charm_error(w));
        if (!number(charm_answer(w, "/missed")))
                return NULL;
        return charm_text(charm_paper(a), "%s artifacts are not as they were noted: %.300s",
                          charm_answer(w, "/missed"), charm_answer(w, "/first-missed"));
}

/* True: there are no more lists. */
static bool walk_lists(const struct charm_world *w, struct charm_ask *a, more_fn *more) {
        bool first = !charm_outcome(w);
        const char *after = first ? NULL : charm_answer(w, "/after");
        int64_t list = first ? 1 : number(charm_state(w, "list")) + !after;

        if (!backup_meta(a, charm_state(w, "meta"), "artifacts", (size_t)list - 1))
                return true;
        ask_list(w, a, list, after, more);
        return false;
}

/* The copies of the pair, wherever they were made: "PATH/artifacts/..." */
static const char *copies(const struct charm_world *w, struct charm_ask *a,
                          const struct backup_store *s) {
        return charm_text(charm_paper(a), "%s%s", s->prefix, backup_noted(w, a, "copies"));
}

static const char *look_there(const struct charm_world *w, struct charm_ask *a,
                              const struct backup_store *s) {
        struct charm_plan *p = charm_paper(a);

        return charm_text(p,
                          ",\"look\":true,\"to\":{\"target\":\"" BACKUP_TARGET
                          "\",\"bucket\":%s,\"prefix\":%s}",
                          charm_quote(p, s->bucket), charm_quote(p, copies(w, a, s)));
}

static const char *copy_from_there(const struct charm_world *w, struct charm_ask *a,
                                   const struct backup_store *s) {
        struct charm_plan *p = charm_paper(a);

        return charm_text(
                p,
                ",\"base\":%s,\"to\":{\"target\":\"" ARTIFACTS "\",\"bucket\":%s,\"prefix\":\"\"}",
                charm_quote(p, copies(w, a, s)), charm_quote(p, backup_noted(w, a, "bucket")));
}

bool pair_look(const struct charm_world *w, struct charm_ask *a, const char **ret_why) {
        *ret_why = page_wrong(w, a);
        return *ret_why || walk_lists(w, a, look_there);
}

void pair_must_be_whole(const struct charm_world *w, struct charm_ask *a) {
        const char *wrong = page_wrong(w, a);

        if (wrong)
                return charm_give_up(a, "%s cannot be restored: %s; nothing was touched",
                                     backup_wanted(w), wrong);
        if (!walk_lists(w, a, look_there))
                return;
        charm_log(a, "its %s artifacts are there, as they were noted",
                  backup_noted(w, a, "artifact-count"));
        charm_next(a);
}

void pair_copy_back(const struct charm_world *w, struct charm_ask *a) {
        const char *wrong = page_wrong(w, a);

        if (wrong)
                return charm_give_up(a, "%s; the database was not touched", wrong);
        if (charm_outcome(w))
                add(w, a, "copied", "/copied");
        if (walk_lists(w, a, copy_from_there))
                charm_next(a);
}

/* ---- find */

/* Of this bucket: the database names artifacts with it. */
static bool is_of_here(const struct charm_world *w, struct charm_ask *a, const char *meta) {
        const char *of = backup_meta(a, meta, "bucket", 0);
        struct backends b;

        if (!of || !mlflow_backends(charm_world_view(w), charm_paper(a), &b) ||
            !strcmp(of, b.bucket))
                return true; /* the next steps say what is missing */
        charm_give_up(a,
                      "%s has artifacts of the bucket %.64s, and here it is %s: set "
                      "default_artifact_root; nothing was touched",
                      backup_wanted(w), of, b.bucket);
        return false;
}

void pair_find(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_answer(w, "/body") || is_of_here(w, a, charm_answer(w, "/body")))
                backup_find(w, a);
}

int64_t pair_moment(const struct charm_world *w, struct charm_ask *a) {
        return number(backup_noted(w, a, "moment"));
}

const char *pair_loss(const struct charm_world *w, struct charm_ask *a,
                      const struct client_survey *s) {
        struct charm_plan *p = charm_paper(a);

        return charm_text(p,
                          "%s tables with %s runs: %s runs and %s model versions are of after %s, "
                          "the last run of %s, and %s sessions are open",
                          s->tables, s->runs, s->runs_since, s->models_since,
                          backup_time(p, pair_moment(w, a)),
                          number(s->newest) ? backup_time(p, number(s->newest)) : "never",
                          s->sessions);
}

/* ---- load */

/* Whoever has the lock is the only one; the second subquery is an error, which ends the client. No
 * table of a newer schema is left. */
#define ALONE                                                                                      \
        "SET SESSION lock_wait_timeout = 120;\n"                                                   \
        "SELECT IF(GET_LOCK(CONCAT('mooring-', DATABASE()), 600) = 1, 1, (SELECT 1 UNION SELECT "  \
        "2));\nSET FOREIGN_KEY_CHECKS = 0;\nSET SESSION group_concat_max_len = 1000000;\n"         \
        "SELECT COALESCE(CONCAT('DROP TABLE ', GROUP_CONCAT('`', REPLACE(table_name, '`', '``'), " \
        "'`')), 'DO 0') INTO @drop FROM information_schema.tables WHERE table_schema = "           \
        "DATABASE() AND table_type = 'BASE TABLE';\nPREPARE d FROM @drop;\nEXECUTE d;\n"

void pair_ask_load(const struct charm_world *w, struct charm_ask *a) {
        backup_ask_unpack(
                w, a,
                client_command(w, a, MYSQL_CLIENT CLIENT_TLS " --user=\"$DB_USER\" \"$DB_NAME\"",
                               ALONE));
}
