/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade-back.c - the image of before with what its backup has; the actions check-rollback and
 * rollback
 *
 *   choose ──▶ find ──▶ verify ──▶ look ──▶ loss ──▶ maintain ──▶ told ──▶ fence ──▶ exactly
 *     ──▶ anew ──▶ empty ──▶ load ──▶ compare ──▶ verdict ──▶ account ──▶ over ──▶ write ──▶ file
 *
 * No server goes back on data that a newer one has had. So the old image begins with an empty
 * folder of the same volume, and the backup is read into that; the folder of before is left as it
 * is. A rollback that breaks off on the way leads forward again, to that one: nothing is lost until
 * the old server has all of the backup, and its loss was approved. */
#include "upgrade.h"

#include "charm.gen.h"
#include "replica.h"
#include "serve.h"

#include <stdlib.h>

#define PAUSE 2        /* seconds before a server that went away is asked again */
#define GTIDS_MAX 6000 /* letters, of what the option upgraded-from holds */

/* ---- an empty folder, and what is read into it */

const char *upgrade_new_folder(const struct charm_world *w, struct charm_ask *a) {
        const char *own = strchr(charm_key(w), '-');

        return charm_text(charm_paper(a), "data-%.8s", own ? own + 1 : charm_key(w));
}

static void go_wrong(struct charm_ask *a, const char *why) {
        charm_log(a, "%s", why);
        charm_set(a, "half", why);
        charm_next(a);
}

/* Replicas begin so too, and wait aside: they are made copies of it once it is whole and open. */
void upgrade_anew(const struct charm_world *w, struct charm_ask *a) {
        if (charm_outcome(w))
                return charm_next(a);
        charm_set(a, "began-anew", "1");
        charm_ask_options(
                a, CHARM_VALUES({ OPTION_SERVER_IMAGE, upgraded_option(charm_state(w, "image")) },
                                { OPTION_DATA_FOLDER, charm_state(w, "folder") },
                                { OPTION_UNITS_AHEAD, NULL }, { OPTION_UNIT_FOLDERS, NULL },
                                { OPTION_UNITS_ASIDE,
                                  replica_others(charm_world_view(w), charm_paper(a)) },
                                { OPTION_MAINTENANCE, "true" }));
}

void upgrade_empty(const struct charm_world *w, struct charm_ask *a) {
        struct upgrade_seen s;

        switch (upgrade_await(w, a, true, charm_state(w, "folder"), NULL, &s)) {
        case UPGRADE_CAME:
                charm_set(a, "version", s.version);
                return charm_next(a);
        case UPGRADE_CAME_NOT:
                return go_wrong(a, charm_text(charm_paper(a),
                                              "the server of before did not come up on an empty "
                                              "folder: %s",
                                              upgrade_reason(w, a)));
        case UPGRADE_WAITS:
                return;
        }
}

void upgrade_load(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);
        bool paused = charm_state(w, "pausing") != NULL;

        if (charm_state(w, "half"))
                return charm_next(a);
        charm_set(a, "pausing", NULL);
        if (!outcome || paused)
                return backup_ask_load(w, a, backup_pod(w, a));
        if (!strcmp(outcome, "done")) {
                charm_set(a, "loaded", "1");
                charm_log(a, "%s bytes of SQL are read back", charm_answer(w, "/plain-bytes"));
                return charm_next(a);
        }
        if (backup_lost_server(w, a, charm_error(w), BACKUP_LOST_MAX)) {
                charm_set(a, "pausing", "1");
                return charm_ask_wait(a, PAUSE);
        }
        go_wrong(a, charm_text(charm_paper(a), "%s could not be read back: %s: %.300s",
                               charm_state(w, "id"), outcome, charm_error(w)));
}

void upgrade_compare(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *wrong = "";
        size_t all = 0, bad = 0;

        if (charm_state(w, "half"))
                return charm_next(a);
        if (charm_state(w, "began-anew") && !charm_state(w, "loaded"))
                return go_wrong(a, charm_text(charm_paper(a), "%s was not read back",
                                              charm_state(w, "id")));
        if (!outcome && backup_ask_compare(w, a, "server"))
                return;
        if (outcome && strcmp(outcome, "done") != 0)
                return go_wrong(a, charm_text(charm_paper(a),
                                              "tables could not be compared: %s: "
                                              "%.300s",
                                              outcome, charm_error(w)));
        if (outcome)
                wrong = backup_compare(w, a, &all, &bad);
        if (bad && backup_same_version(charm_state(w, "version"), backup_noted(w, a, "server")))
                return go_wrong(a, charm_text(charm_paper(a),
                                              "%zu of %zu tables are not what was backed up: %s",
                                              bad, all, wrong));
        charm_set(a, "whole", "1");
        charm_result(a, "tables-compared", charm_text(charm_paper(a), "%zu", all));
        charm_next(a);
}

/* ---- the users of relations, which no backup has: the plan makes them */

/* The I-th thing that a client needs to log in; NULL: there are no more. */
static const char *account(const struct charm_world *w, struct charm_ask *a, size_t i) {
        const struct charm_view *v = charm_world_view(w);
        struct charm_plan *p = charm_paper(a);
        const struct charm_relation *r;

        for (size_t n = 0; (r = charm_relation(v, ENDPOINT_DATABASE, n)); n++)
                if (charm_told(r, "database") && i-- < 1)
                        return serve_label(p, r->id, "grant", serve_users(v, p, r->id).current);
        return NULL;
}

void upgrade_account(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *at = charm_state(w, "accounts"), *label;
        size_t i = at ? strtoul(at, NULL, 10) : 0;

        if (charm_state(w, "half"))
                return charm_next(a);
        if (outcome && strcmp(outcome, "done") != 0)
                charm_log(a, "not there yet: %s: %s", account(w, a, i), charm_error(w));
        i += outcome != NULL;
        label = account(w, a, i);
        if (!label)
                return charm_next(a);
        charm_set(a, "accounts", charm_text(charm_paper(a), "%zu", i));
        charm_ask_ready(a, label);
}

/* ---- what would be lost
 *
 * Counted by the server itself: each transaction that it wrote since has a GTID. */

const char *upgrade_gtid_query(const char *version) {
        return strstr(version, "MariaDB") ? "SELECT @@global.gtid_binlog_pos"
                                          : "SELECT @@global.gtid_executed";
}

const char *upgrade_gtids(struct charm_ask *a, const char *text) {
        char *out, *end;

        if (!text || !*text || strlen(text) > GTIDS_MAX)
                return UPGRADE_NO_GTID;
        out = end = charm_memory(charm_paper(a), strlen(text) + 1);
        for (; *text; text++)
                if (*text != '\n' && *text != ' ')
                        *end++ = *text;
        return out;
}

/* Of MariaDB, DOMAIN-SERVER-NUMBER of each domain: how much further each is. -1: not known. */
static long long count_numbers(struct charm_plan *p, const char *before, const char *now) {
        long long count = 0;

        for (; *now; now = charm_list_rest(now)) {
                const char *one = charm_list_first(p, now), *number = strrchr(one, '-');
                size_t domain = strcspn(one, "-");
                long long was = 0;

                for (const char *at = before; *at; at = charm_list_rest(at)) {
                        const char *other = charm_list_first(p, at);

                        if (strcspn(other, "-") == domain && !strncmp(one, other, domain) &&
                            strrchr(other, '-'))
                                was = strtoll(strrchr(other, '-') + 1, NULL, 10);
                }
                if (!number || strtoll(number + 1, NULL, 10) < was)
                        return -1;
                count += strtoll(number + 1, NULL, 10) - was;
        }
        return count;
}

/* Of MySQL, UUID:FROM-TO:FROM...,UUID:...: how many are in it. */
static long long count_set(const char *set) {
        long long count = 0, from, to;
        char *end;

        while ((set = strchr(set, ':'))) {
                from = strtoll(++set, &end, 10);
                if (end == set) /* a tag */
                        continue;
                to = *end == '-' ? strtoll(end + 1, &end, 10) : from;
                count += to - from + 1;
                set = end;
        }
        return count;
}

/* What upgraded-from has as its word I. */
static const char *noted(const struct charm_world *w, struct charm_ask *a, size_t i) {
        const char *text = charm_option(charm_world_view(w), OPTION_UPGRADED_FROM);

        for (; i && *text; i--) {
                text += strcspn(text, " ");
                text += *text == ' ';
        }
        return charm_text(charm_paper(a), "%.*s", (int)strcspn(text, " "), text);
}

static void look(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_sql(
                        a, "server",
                        CHARM_TEXTS("SELECT VERSION()",
                                    "SELECT COUNT(*) FROM information_schema.processlist WHERE "
                                    "user NOT IN ('root', 'event_scheduler', 'system user')"),
                        NULL);
        charm_set(a, "server", charm_answer(w, "/results/0/rows/0/0"));
        charm_set(a, "sessions", charm_answer(w, "/results/1/rows/0/0"));
        charm_next(a);
}

static void ask_count(const struct charm_world *w, struct charm_ask *a) {
        const char *before = noted(w, a, 3);

        if (strstr(charm_state(w, "server"), "MariaDB"))
                charm_ask_sql(a, "server",
                              CHARM_TEXTS(upgrade_gtid_query(charm_state(w, "server"))), NULL);
        else
                charm_ask_sql(a, "server",
                              CHARM_TEXTS("SELECT GTID_SUBTRACT(@@global.gtid_executed, "
                                          ":'before')"),
                              CHARM_VALUES({ "before", before }));
}

/* False: it has asked. *RET_COUNT is a number, or "an unknown number of". */
static bool count(const struct charm_world *w, struct charm_ask *a, const char **ret_count) {
        struct charm_plan *p = charm_paper(a);
        const char *before = noted(w, a, 3), *now = charm_answer(w, "/rows/0/0");
        long long n = -1;

        if (strcmp(before, UPGRADE_NO_GTID) != 0 && !charm_outcome(w)) {
                ask_count(w, a);
                return false;
        }
        if (now && strcmp(before, UPGRADE_NO_GTID) != 0)
                n = strstr(charm_state(w, "server"), "MariaDB")
                            ? count_numbers(p, before, upgrade_gtids(a, now))
                            : count_set(now);
        *ret_count = n < 0 ? "an unknown number of" : charm_text(p, "%lld", n);
        return true;
}

static const char *loss(const struct charm_world *w, struct charm_ask *a, const char *number) {
        return charm_text(charm_paper(a),
                          "%s transactions since %s, when the new server was opened, and %s "
                          "sessions of others are open",
                          number, noted(w, a, 2), charm_state(w, "sessions"));
}

static void tell_loss(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        const char *number, *image = charm_state(w, "image");

        if (!count(w, a, &number))
                return;
        charm_result(a, "backup-id", charm_state(w, "id"));
        charm_result(a, "image",
                     upgraded_option(image) ? image : charm_image(v, RESOURCE_MYSQL_IMAGE));
        charm_result(a, "server", backup_noted(w, a, "server"));
        charm_result(a, "transactions", number);
        charm_result(a, "since", noted(w, a, 2));
        charm_result(a, "would-be-lost", loss(w, a, number));
        charm_done(a);
}

const struct charm_step upgrade_check_steps[] = {
        { "choose", upgraded_choose, 0, 0 },
        { "find", backup_find, 300, CHARM_ALL },
        { "nearest", backup_offer_nearest, 300, CHARM_ALL },
        { "verify", backup_read_through, BACKUP_HOURS, CHARM_ALL },
        { "look", look, 300, 0 },
        { "tell", tell_loss, 300, 0 },
        {}
};

/* ---- rollback */

static void weigh(const struct charm_world *w, struct charm_ask *a) {
        const char *number;

        if (!count(w, a, &number))
                return;
        if (!charm_param_bool(w, "force"))
                return charm_give_up(a,
                                     "in use: %s; nothing was touched. What was written since is "
                                     "lost with force=true; make another backup first",
                                     loss(w, a, number));
        charm_next(a);
}

/* Nobody writes any more. */
static void count_exactly(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        const char *number;

        if (!count(w, a, &number))
                return;
        charm_log(a, "lost are %s transactions since %s", number, noted(w, a, 2));
        charm_result(a, "transactions-lost", number);
        charm_result(a, "since", noted(w, a, 2));
        charm_set(a, "was-image", charm_option(v, OPTION_SERVER_IMAGE));
        charm_set(a, "was-folder", charm_option(v, OPTION_DATA_FOLDER));
        charm_set(a, "was-in", upgrade_folder_of_first(v, charm_paper(a)));
        charm_set(a, "was-ahead", charm_option(v, OPTION_UNITS_AHEAD));
        charm_set(a, "was-folders", charm_option(v, OPTION_UNIT_FOLDERS));
        charm_set(a, "was-aside", charm_option(v, OPTION_UNITS_ASIDE));
        charm_next(a);
}

static void name_folder(const struct charm_world *w, struct charm_ask *a) {
        if (charm_outcome(w))
                return charm_next(a);
        charm_set(a, "folder", upgrade_new_folder(w, a));
        charm_ask_settled(a);
}

static void verdict(const struct charm_world *w, struct charm_ask *a) {
        if (charm_state(w, "half"))
                return charm_give_up(a, "%s. The newer server goes on, with all that it has",
                                     charm_state(w, "half"));
        charm_next(a);
}

static void open_old(const struct charm_world *w, struct charm_ask *a) {
        if (charm_outcome(w)) {
                charm_set(a, "over", "1");
                return charm_next(a);
        }
        charm_set(a, "opens", "1");
        charm_ask_options(a,
                          CHARM_VALUES({ OPTION_UPGRADED_FROM, NULL }, { OPTION_UNITS_ASIDE, NULL },
                                       { OPTION_MAINTENANCE, NULL }));
}

static void tell_back(const struct charm_world *w, struct charm_ask *a) {
        const char *was = charm_state(w, "was-in");

        charm_result(a, "completed", "ok");
        charm_result(a, "backup-id", charm_state(w, "id"));
        charm_result(a, "left", charm_text(charm_paper(a), "/var/lib/mysql/%s", was ? was : ""));
        charm_log(a, "the newer server's data are left in /var/lib/mysql/%s", was ? was : "");
        charm_done(a);
}

/* ---- what breaks off leads forward again */

/* What ends it between the ask and its answer finds that in the options. */
static bool is_over(const struct charm_world *w) {
        const struct charm_view *v = charm_world_view(w);

        return charm_state(w, "over") ||
               (charm_state(w, "opens") && !charm_option_set(v, OPTION_UPGRADED_FROM) &&
                !charm_option_bool(v, OPTION_MAINTENANCE));
}

static bool is_back(const struct charm_world *w) {
        return !charm_state(w, "fenced") || is_over(w);
}

static const char *set_or_null(const char *text) {
        return text && *text ? text : NULL;
}

static void forward(const struct charm_world *w, struct charm_ask *a) {
        if (is_back(w) || !charm_state(w, "began-anew") || charm_outcome(w))
                return charm_next(a);
        upgrade_begin_looks(a);
        charm_ask_options(
                a, CHARM_VALUES({ OPTION_SERVER_IMAGE, set_or_null(charm_state(w, "was-image")) },
                                { OPTION_DATA_FOLDER, set_or_null(charm_state(w, "was-folder")) },
                                { OPTION_UNITS_AHEAD, set_or_null(charm_state(w, "was-ahead")) },
                                { OPTION_UNIT_FOLDERS, set_or_null(charm_state(w, "was-folders")) },
                                { OPTION_UNITS_ASIDE, set_or_null(charm_state(w, "was-aside")) }));
}

static void settle_forward(const struct charm_world *w, struct charm_ask *a) {
        if (is_back(w) || !charm_state(w, "began-anew") || charm_outcome(w))
                return charm_next(a);
        charm_ask_settled(a);
}

/* The folder of before is not wanted again, whichever step failed by itself: the old server has
 * half of the backup in the other. */
static bool is_stuck(const struct charm_world *w) {
        const char *was = charm_state(w, "was-folder");

        return !is_back(w) && charm_state(w, "began-anew") &&
               strcmp(charm_option(charm_world_view(w), OPTION_DATA_FOLDER), was ? was : "") != 0;
}

static void come_forward(const struct charm_world *w, struct charm_ask *a) {
        struct upgrade_seen s;

        if (is_back(w) || is_stuck(w) || !charm_state(w, "began-anew"))
                return charm_next(a);
        switch (upgrade_await(w, a, false, NULL, charm_state(w, "folder"), &s)) {
        case UPGRADE_CAME_NOT:
                charm_set(a, "came-not", "1");
                charm_log(a, "the newer server does not come up: %s", upgrade_reason(w, a));
                return charm_next(a);
        case UPGRADE_CAME:
                return charm_next(a);
        case UPGRADE_WAITS:
                return;
        }
}

static void reopen(const struct charm_world *w, struct charm_ask *a) {
        if (is_back(w) || charm_outcome(w))
                return charm_next(a);
        if (is_stuck(w)) {
                charm_log(a, "the server stays read-only, with a part of %s: rollback force=true",
                          charm_state(w, "id"));
                return charm_next(a);
        }
        charm_ask_config(a, OPTION_MAINTENANCE, NULL);
}

/* What answers although the newer server did not come is the old one, with a part; the newer one
 * begins writable. */
static void write_again(const struct charm_world *w, struct charm_ask *a) {
        if (is_stuck(w) || charm_state(w, "came-not") || (is_back(w) && !is_over(w)))
                return charm_next(a);
        upgrade_let_write(w, a);
}

static void choose(const struct charm_world *w, struct charm_ask *a) {
        const char *moved = replica_moved(charm_world_view(w), charm_paper(a));

        if (moved)
                return charm_give_up(a, "%s; nothing was touched", moved);
        upgraded_choose(w, a);
}

const struct charm_step upgrade_rollback_steps[] = {
        { "choose", choose, 0, 0 },
        { "find", backup_find, 300, CHARM_ALL },
        { "nearest", backup_offer_nearest, 300, CHARM_ALL },
        { "verify", backup_read_through, BACKUP_HOURS, CHARM_ALL },
        { "look", look, 300, 0 },
        { "loss", weigh, 300, 0 },
        { "maintain", upgrade_maintain, 300, 0 },
        { "told", name_folder, 600, 0 },
        { "fence", upgrade_fence, 600, CHARM_ALL },
        { "exactly", count_exactly, 300, 0 },
        { "anew", upgrade_anew, 300, 0 },
        { "empty", upgrade_empty, 60, CHARM_ALL },
        { "load", upgrade_load, BACKUP_HOURS, CHARM_ALL },
        { "compare", upgrade_compare, BACKUP_HOURS, CHARM_ALL },
        { "verdict", verdict, 0, 0 },
        { "account", upgrade_account, 120, CHARM_ALL },
        { "over", open_old, 300, 0 },
        { "write", upgrade_let_write, 600, 0 },
        { "file", upgrade_await_file, 600, CHARM_ALL },
        { "done", tell_back, 0, 0 },
        { "forward", forward, 300, CHARM_CLEANUP | CHARM_ALL },
        { "forth", settle_forward, 120, CHARM_CLEANUP | CHARM_ALL },
        { "come", come_forward, 60, CHARM_CLEANUP | CHARM_ALL },
        { "reopen", reopen, 300, CHARM_CLEANUP | CHARM_ALL },
        { "again", write_again, 600, CHARM_CLEANUP | CHARM_ALL },
        {}
};
