/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - see client.h
 *
 * The image of the server has no client of MySQL, so the pod is of MySQL's. Its password is in its
 * environment, out of a Secret; nothing stands in a command line. */
#include "client.h"

#include "charm.gen.h"

#include "backup.h"
#include "mysql-command.h"

#include <stdlib.h>

#define OBJECT "backup-client"
#define PAUSE 2 /* seconds between two looks */

void client_plan(const struct charm_view *v, struct charm_plan *p, const struct backends *b) {
        const char *name = mlflow_own_name(v, p, "backup");
        const struct charm_hole volume = mlflow_ca_volume(v, p, b), mount = mlflow_ca_mount(b);

        if (!charm_option_bool(v, OPTION_BACKUP_CLIENT))
                return;
        charm_want(p, "backup-client-secret", "backup-client-secret.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, name }, { "host", CHARM_TEXT, b->host },
                               { "port", CHARM_TEXT, b->port }, { "user", CHARM_TEXT, b->user },
                               { "password", CHARM_TEXT, b->password },
                               { "database", CHARM_TEXT, b->database },
                               { "ca", b->ca ? CHARM_TEXT : CHARM_NONE, MLFLOW_CA_FILE }));
        charm_want(p, OBJECT, "backup-client.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, name },
                               { "digest", CHARM_TEXT, charm_digest(p, "backup-client-secret") },
                               { "ca-volumes", volume.type, charm_text(p, "[%s]", volume.text) },
                               { "ca-mounts", mount.type, charm_text(p, "[%s]", mount.text) }));
}

/* ---- the pod */

void client_want(const struct charm_world *w, struct charm_ask *a) {
        struct backends b;

        if (!mlflow_backends(charm_world_view(w), charm_paper(a), &b))
                return charm_give_up(a, "the database and the object store have not both told "
                                        "their credentials: look at the status of the application");
        if (!charm_outcome(w))
                return charm_ask_config(a, OPTION_BACKUP_CLIENT, "true");
        charm_next(a);
}

void client_away(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_config(a, OPTION_BACKUP_CLIENT, NULL);
        if (charm_state(w, "away"))
                return charm_next(a);
        charm_set(a, "away", "1");
        charm_ask_settled(a);
}

/* ---- commands in it */

static const char *pod(const struct charm_world *w, struct charm_ask *a) {
        return charm_text(charm_paper(a), "%s-backup-0", charm_application(charm_world_view(w)));
}

const char *client_command(const struct charm_world *w, struct charm_ask *a, const char *script,
                           const char *first) {
        struct charm_plan *p = charm_paper(a);

        return charm_text(p, "{\"pod\":%s,\"container\":\"mysql\",\"argv\":[\"sh\",\"-c\",%s]%s%s}",
                          charm_quote(p, pod(w, a)), charm_quote(p, script),
                          first ? ",\"stdin\":" : "", first ? charm_quote(p, first) : "");
}

static void ask_sql(const struct charm_world *w, struct charm_ask *a, const char *sql) {
        charm_ask_exec(a, &(struct charm_exec){
                                  .pod = pod(w, a),
                                  .container = "mysql",
                                  .argv = CHARM_TEXTS("sh", "-c",
                                                      MYSQL_CLIENT CLIENT_TLS
                                                      " --skip-column-names "
                                                      "--user=\"$DB_USER\" \"$DB_NAME\""),
                                  .input = sql,
                          });
}

/* Until the database lets in: it may just be starting, and so may the pod's network. */
void client_reach(const struct charm_world *w, struct charm_ask *a) {
        const char *exit = charm_answer(w, "/exit"), *tries = charm_state(w, "tries");
        long count = tries ? strtol(tries, NULL, 10) : 0;

        if (!charm_outcome(w))
                return charm_ask_ready(a, OBJECT);
        if (exit && !strcmp(exit, "0"))
                return charm_next(a);
        if (!exit)
                return ask_sql(w, a, "SELECT 1;\n");
        if (count == CLIENT_TRIES_MAX)
                return charm_give_up(a,
                                     "the database lets nobody in by the relation's credentials: "
                                     "%.300s",
                                     charm_answer(w, "/stderr"));
        charm_set(a, "tries", charm_text(charm_paper(a), "%ld", count + 1));
        charm_ask_wait(a, PAUSE);
}

/* ---- survey */

/* QUERY if the table is there, else OTHER: a database may be empty. Quotes in them are doubled. */
static const char *if_table(struct charm_plan *p, const char *table, const char *query,
                            const char *other) {
        return charm_text(p,
                          "SELECT IF(EXISTS(SELECT 1 FROM information_schema.tables WHERE "
                          "table_schema = DATABASE() AND table_name = '%s'), '%s', '%s') INTO "
                          "@query;\nPREPARE q FROM @query;\nEXECUTE q;\n",
                          table, query, other);
}

static const char *survey(struct charm_plan *p, const char *bucket, int64_t since) {
        const char *runs = charm_text(
                p,
                "SELECT COUNT(*), COALESCE(MAX(start_time), 0), COALESCE(SUM(start_time >= %lld), "
                "0), COALESCE(SUM(artifact_uri NOT LIKE ''s3://%s/%%''), 0) FROM runs",
                (long long)since, bucket);
        const char *models =
                charm_text(p, "SELECT COALESCE(SUM(creation_time >= %lld), 0) FROM model_versions",
                           (long long)since);

        return charm_text(
                p,
                "SELECT VERSION();\n"
                "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() "
                "AND "
                "table_type = 'BASE TABLE';\n%s%s%s"
                "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id "
                "<> CONNECTION_ID();\n",
                if_table(p, "alembic_version",
                         "SELECT COALESCE(MAX(version_num), ''-'') FROM alembic_version",
                         "SELECT ''-''"),
                if_table(p, "runs", runs, "SELECT 0, 0, 0, 0"),
                if_table(p, "model_versions", models, "SELECT 0"));
}

/* Of TEXT line LINE, field AT; "" where there is none. */
static const char *field(struct charm_ask *a, const char *text, size_t line, size_t at) {
        const char *found = backup_line(a, text, line);

        return found ? backup_field(a, found, at) : "";
}

static void ask_survey(const struct charm_world *w, struct charm_ask *a, int64_t since) {
        struct backends b = {};

        mlflow_backends(charm_world_view(w), charm_paper(a), &b);
        ask_sql(w, a, survey(charm_paper(a), b.bucket ? b.bucket : "", since));
}

void client_pause(struct charm_ask *a) {
        charm_set(a, "pausing", "1");
        charm_ask_wait(a, PAUSE);
}

bool client_begins(const struct charm_world *w, struct charm_ask *a) {
        bool paused = charm_state(w, "pausing") != NULL;

        charm_set(a, "pausing", NULL);
        return paused || !charm_outcome(w);
}

bool client_lost(const struct charm_world *w, struct charm_ask *a, const char *text) {
        return backup_lost_server(w, a, text, CLIENT_TRIES_MAX);
}

bool client_survey(const struct charm_world *w, struct charm_ask *a, int64_t since,
                   struct client_survey *ret) {
        const char *out = charm_answer(w, "/stdout"), *exit = charm_answer(w, "/exit"),
                   *errors = charm_answer(w, "/stderr");

        if (client_begins(w, a)) {
                ask_survey(w, a, since);
                return false;
        }
        *ret = (struct client_survey){
                field(a, out, 0, 0), field(a, out, 1, 0), field(a, out, 2, 0),
                field(a, out, 3, 0), field(a, out, 3, 1), field(a, out, 3, 2),
                field(a, out, 4, 0), field(a, out, 3, 3), field(a, out, 5, 0),
        };
        if (exit && !strcmp(exit, "0") && *ret->sessions)
                return true;
        if (client_lost(w, a, errors))
                client_pause(a);
        else
                charm_give_up(a, "the database does not answer as it should: %.300s",
                              errors ? errors : charm_error(w));
        return false;
}

/* ---- the server stopped */

void client_stop(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w)) {
                charm_set(a, "stopped", "1");
                return charm_ask_config(a, OPTION_MAINTENANCE, "true");
        }
        if (!charm_state(w, "settling")) {
                charm_set(a, "settling", "1");
                return charm_ask_settled(a);
        }
        charm_set(a, "settling", NULL);
        charm_log(a, "the server is stopped");
        charm_next(a);
}

/* Pods that end have sessions until they are gone. */
void client_idle(const struct charm_world *w, struct charm_ask *a) {
        struct client_survey s;

        if (!client_survey(w, a, 0, &s))
                return;
        if (strcmp(s.sessions, "0") != 0)
                return client_pause(a);
        charm_next(a);
}
