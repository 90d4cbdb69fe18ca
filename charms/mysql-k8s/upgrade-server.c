/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade-server.c - the server while its version is changed: writers kept out, one that comes up,
 * and writers let in again; see upgrade.h
 *
 * read_only holds on the server that runs by SET GLOBAL, and on the next one by a file of its
 * configuration, which the option maintenance wants, and restored-in-part. */
#include "upgrade.h"

#include "charm.gen.h"
#include "replica.h"

#include <stdlib.h>

#define FILE_NAME "z-maintenance.cnf"
#define FILE_LOOKS 60 /* five seconds each: a kubelet takes up to 90 */
#define FILE_PAUSE 5
/* An operation asks 1,000 times, a step that cleans up 500 times. So of the hour that "wait" may be
 * a look has two asks at most, which are 300. */
#define LOOK_PAUSE 2
#define LOOKS_SOON 30
#define LOOK_PAUSE_LONG 30

static int64_t number(const char *text) {
        return text ? strtoll(text, NULL, 10) : 0;
}

const char *upgrade_image(const struct charm_view *v) {
        return upgraded_image(v, RESOURCE_MYSQL_IMAGE);
}

const char *upgrade_ahead(const struct charm_view *v) {
        const char *text = charm_option(v, OPTION_UNITS_AHEAD), *space = strchr(text, ' ');

        return space ? space + 1 : "";
}

const char *upgrade_unit_image(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        const char *ahead = charm_option(v, OPTION_UNITS_AHEAD);

        return charm_list_has(upgrade_ahead(v), charm_text(p, "%lld", (long long)unit))
                       ? charm_text(p, "%.*s", (int)strcspn(ahead, " "), ahead)
                       : upgrade_image(v);
}

const char *upgrade_data_folder(const struct charm_view *v, struct charm_plan *p) {
        return charm_option_set(v, OPTION_DATA_FOLDER)
                       ? charm_text(p, "datadir = /var/lib/mysql/%s\n",
                                    charm_option(v, OPTION_DATA_FOLDER))
                       : "";
}

const char *upgrade_ahead_of(const struct charm_view *v, const char *image) {
        const char *ahead = charm_option(v, OPTION_UNITS_AHEAD);
        size_t length = strcspn(ahead, " ");

        return strlen(image) == length && !strncmp(image, ahead, length) ? upgrade_ahead(v) : "";
}

const char *upgrade_ahead_without(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        const char *ahead = charm_option(v, OPTION_UNITS_AHEAD);
        const char *others = replica_without(p, upgrade_ahead(v), unit);

        return others ? charm_text(p, "%.*s %s", (int)strcspn(ahead, " "), ahead, others) : NULL;
}

const char *upgrade_folders_with(const struct charm_view *v, struct charm_plan *p, int64_t unit,
                                 const char *folder) {
        const char *own = charm_text(p, "%lld:%s", (long long)unit, folder);
        const char *others = replica_without(p, charm_option(v, OPTION_UNIT_FOLDERS), unit);

        return others ? charm_text(p, "%s,%s", others, own) : own;
}

/* NULL: as data-folder says. */
static const char *folder_of(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        const char *text = charm_option(v, OPTION_UNIT_FOLDERS);

        for (; *text; text = charm_list_rest(text)) {
                const char *one = charm_list_first(p, text);

                if (number(one) == unit)
                        return strchr(one, ':') + 1;
        }
        return NULL;
}

const char *upgrade_folder_of_first(const struct charm_view *v, struct charm_plan *p) {
        const char *own = folder_of(v, p, 0);

        return own ? own : charm_option(v, OPTION_DATA_FOLDER);
}

struct charm_hole upgrade_unit_folder(const struct charm_view *v, struct charm_plan *p,
                                      int64_t unit) {
        const char *folder = folder_of(v, p, unit);

        return (struct charm_hole){
                "arguments", folder ? CHARM_JSON : CHARM_NONE,
                folder ? charm_text(p, "[\"--datadir=/var/lib/mysql/%s\"]", folder) : NULL
        };
}

/* Half a restored database is written to by nobody, by whichever server has it. */
bool upgrade_shuts(const struct charm_view *v) {
        return charm_option_bool(v, OPTION_MAINTENANCE) ||
               charm_option_set(v, OPTION_RESTORED_IN_PART);
}

struct charm_hole upgrade_maintenance(const struct charm_view *v) {
        return (struct charm_hole){ "maintenance", upgrade_shuts(v) ? CHARM_TEXT : CHARM_NONE,
                                    "[mysqld]\nread_only = ON\n", 0 };
}

static bool is_ahead(const struct charm_view *v) {
        return *upgrade_ahead(v) && !*upgrade_ahead_of(v, upgrade_image(v));
}

void upgrade_say(const struct charm_view *v, struct charm_plan *p) {
        if (charm_option_bool(v, OPTION_MAINTENANCE))
                charm_status(p, CHARM_MAINTENANCE,
                             "read-only: an action upgrades it, or one that did has broken off "
                             "(option maintenance)");
        else if (is_ahead(v))
                charm_status(p, CHARM_MAINTENANCE,
                             "replicas run another version (option units-ahead, %.200s): an action "
                             "upgrades them, or one that did has broken off",
                             charm_option(v, OPTION_UNITS_AHEAD));
        if (charm_option_set(v, OPTION_SERVER_IMAGE))
                charm_status(p, CHARM_ACTIVE,
                             "runs %.200s, which upgrade has set (option server-image)",
                             charm_option(v, OPTION_SERVER_IMAGE));
}

/* ---- writers kept out */

void upgrade_maintain(const struct charm_world *w, struct charm_ask *a) {
        if (charm_outcome(w))
                return charm_next(a);
        charm_set(a, "fenced", "1");
        charm_ask_config(a, OPTION_MAINTENANCE, "true");
}

void upgrade_settle(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_settled(a);
        charm_next(a);
}

const char *upgrade_server_label(const struct charm_world *w, struct charm_ask *a) {
        return replica_label(charm_paper(a), "statefulset", number(charm_state(w, "member")));
}

const char *upgrade_reason(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        const char *label = upgrade_server_label(w, a), *member = charm_state(w, "member"), *text;

        if (charm_ready(v, label) && member)
                label = charm_text(charm_paper(a), "replication-%s", member);
        text = charm_reason(v, label);
        return *text ? text : "it does not answer";
}

void upgrade_ask_seen(const struct charm_world *w, struct charm_ask *a) {
        const char *member = charm_state(w, "member");

        if (!member)
                return charm_ask_sql(a, "server", CHARM_TEXTS(UPGRADE_SEEN), NULL);
        charm_ask_sql(a, replica_target(charm_paper(a), number(member)),
                      CHARM_TEXTS(UPGRADE_SEEN, "SHOW REPLICA STATUS"), NULL);
}

/* "No" for one that is no replica. */
static const char *running(const struct charm_world *w, struct charm_ask *a, const char *column) {
        const char *value = replica_column(w, a, 2, column);

        return value ? value : "No";
}

struct upgrade_seen upgrade_seen_of(const struct charm_world *w, struct charm_ask *a) {
        const char *now = charm_answer(w, "/results/0/rows/0/3"),
                   *up = charm_answer(w, "/results/1/rows/0/1");
        struct upgrade_seen s = { charm_answer(w, "/results/0/rows/0/0"),
                                  charm_answer(w, "/results/0/rows/0/1"),
                                  charm_answer(w, "/results/0/rows/0/2") };
        const char *io = running(w, a, "Replica_IO_Running"),
                   *sql = running(w, a, "Replica_SQL_Running");
        bool member = charm_state(w, "member") != NULL;

        s.replicates = !member || (!strcmp(io, "Yes") && !strcmp(sql, "Yes"));
        s.stopped = member && (!strcmp(io, "No") || strcmp(sql, "Yes") != 0);
        if (now && up)
                s.started = charm_text(charm_paper(a), "%lld",
                                       strtoll(now, NULL, 10) - strtoll(up, NULL, 10));
        return s;
}

void upgrade_fence(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!outcome)
                return charm_ask_sql(a, "server",
                                     CHARM_TEXTS(UPGRADE_SEEN, "SET SESSION lock_wait_timeout = 60",
                                                 "SET GLOBAL read_only = ON"),
                                     NULL);
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "the server could not be made read-only: %s: %s", outcome,
                                     charm_error(w));
        charm_set(a, "started", upgrade_seen_of(w, a).started);
        charm_log(a, "the server takes writes of nobody but its administrator");
        charm_next(a);
}

/* ---- one that comes up */

/* A second is lost between two roundings. */
static bool is_another(const struct charm_world *w, const struct upgrade_seen *s) {
        return number(s->started) > number(charm_state(w, "started")) + 1;
}

static void look_later(const struct charm_world *w, struct charm_ask *a) {
        int64_t looks = number(charm_state(w, "looks"));

        charm_set(a, "looks", charm_text(charm_paper(a), "%lld", (long long)looks + 1));
        charm_ask_wait(a, looks < LOOKS_SOON ? LOOK_PAUSE : LOOK_PAUSE_LONG);
}

void upgrade_begin_looks(struct charm_ask *a) {
        charm_set(a, "since", NULL);
        charm_set(a, "looks", NULL);
}

static enum upgrade_came end_look(struct charm_ask *a, enum upgrade_came came) {
        upgrade_begin_looks(a);
        return came;
}

enum upgrade_came upgrade_await(const struct charm_world *w, struct charm_ask *a, bool another,
                                const char *folder, const char *other, struct upgrade_seen *ret) {
        const struct charm_view *v = charm_world_view(w);
        const char *since = charm_state(w, "since"), *outcome = charm_outcome(w);
        const char *label = upgrade_server_label(w, a);

        *ret = upgrade_seen_of(w, a);
        if (ret->started && (!another || is_another(w, ret)) &&
            (!folder || strstr(ret->folder, folder)) && !(other && strstr(ret->folder, other)) &&
            ret->replicates && charm_ready(v, label))
                return end_look(a, UPGRADE_CAME);
        if (!since)
                charm_set(a, "since", charm_text(charm_paper(a), "%lld", (long long)charm_now(w)));
        else if (charm_now(w) - number(since) > charm_param_int(w, "wait") * 1000)
                return end_look(a, UPGRADE_CAME_NOT);
        if (ret->version || !outcome || strcmp(outcome, "done") != 0 || !charm_ready(v, label))
                look_later(w, a);
        else
                upgrade_ask_seen(w, a);
        return UPGRADE_WAITS;
}

/* ---- writers let in */

void upgrade_let_write(const struct charm_world *w, struct charm_ask *a) {
        if (charm_state(w, "let-in"))
                return charm_next(a);
        if (!charm_outcome(w))
                return charm_ask_sql(a, "server", CHARM_TEXTS("SET GLOBAL read_only = OFF"), NULL);
        charm_set(a, "let-in", "1");
        charm_next(a);
}

/* What a container reads that is started again before the kubelet has taken the file away. */
void upgrade_await_file(const struct charm_world *w, struct charm_ask *a) {
        const char *exit = charm_answer(w, "/exit");
        int64_t looks = number(charm_state(w, "file-looks"));
        bool gone = exit && !strcmp(exit, "0");

        if (gone || looks == FILE_LOOKS) {
                if (!gone)
                        charm_log(a, "the pod still has " FILE_NAME ": started again now, the "
                                     "server would be read-only until it is run again");
                return charm_next(a);
        }
        if (exit) {
                charm_set(a, "file-looks",
                          charm_text(charm_paper(a), "%lld", (long long)looks + 1));
                return charm_ask_wait(a, FILE_PAUSE);
        }
        charm_ask_exec(a, &(struct charm_exec){
                                  .pod = backup_pod(w, a),
                                  .container = "mysql",
                                  .argv = CHARM_TEXTS("sh", "-c",
                                                      "! [ -e /etc/mysql/conf.d/" FILE_NAME " ]"),
                          });
}
