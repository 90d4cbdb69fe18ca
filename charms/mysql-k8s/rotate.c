/* SPDX-License-Identifier: Apache-2.0 */
/* rotate.c - a relation gets another user and password, and no connection fails meanwhile
 *
 * rotate-relation-credentials makes a second user with the grants of the first, tells that to the
 * relation, waits until the other side's pods run with it and no session of the first is left,
 * and locks the first. drop-relation-user, a day later and by schedule, drops it, unless logins of
 * it were refused meanwhile: then somebody still has the old password. unlock-relation-user lets it
 * in again.
 *
 * What is so now is in one option (serve.h), so that plans want it, whoever dies: each step only
 * moves that on, if it is as the step has seen it. So the three may run beside each other, and a
 * rotation that gave up goes on where it was when it is run again. */
#include "serve.h"

#include "backup.h"
#include "charm.gen.h"

#include <stdlib.h>

#define MAKE_S 600         /* for the new user to be there */
#define TOLD_LOOKS 300     /* a second each, until our plan has told it */
#define ROLL_S (11 * 3600) /* for the other side's pods; within the action's deadline */
#define QUIET_LOOKS 450    /* two asks each: an action may ask for 1,000 things */
#define PAUSE_MAX_S 30     /* between two of them */
#define CANDIDATES_MAX 10  /* relations that are named when it is not clear which is meant */

/* ---- which relation */

static bool is_meant(const struct charm_relation *r, const char *wanted) {
        char *end;
        int64_t id = strtoll(wanted, &end, 10);

        return *end || end == wanted ? !strcmp(r->application, wanted) : r->id == id;
}

/* The one of the parameter, by its number or the application's name; without, the only one there
 * is, or the only one with a user that is LOCKED. NULL: the action gave up. */
static const struct charm_relation *find_relation(const struct charm_world *w, struct charm_ask *a,
                                                  bool locked) {
        const struct charm_view *v = charm_world_view(w);
        const char *wanted = charm_param(w, "relation"), *names = "";
        const struct charm_relation *found = NULL;
        size_t count = 0;

        for (size_t i = 0; i < charm_relations(v, ENDPOINT_DATABASE); i++) {
                const struct charm_relation *r = charm_relation(v, ENDPOINT_DATABASE, i);

                if (wanted ? !is_meant(r, wanted)
                           : locked && !serve_users(v, charm_paper(a), r->id).until)
                        continue;
                found = r;
                if (++count <= CANDIDATES_MAX)
                        names = charm_text(charm_paper(a), "%s%s%lld (%s)", names,
                                           *names ? ", " : "", (long long)r->id, r->application);
        }
        if (count == 1)
                return found;
        if (count)
                charm_give_up(a, "which one? relation=NUMBER is one of %s", names);
        else if (wanted)
                charm_give_up(a, "no relation of database is \"%.64s\"", wanted);
        else
                charm_give_up(a, locked ? "no user of a relation is locked"
                                        : "no application is related to database");
        return NULL;
}

/* The one that the first step has found; NULL: it is gone, and its users with it. */
static const struct charm_relation *of_state(const struct charm_world *w) {
        const struct charm_view *v = charm_world_view(w);
        int64_t id = strtoll(charm_state(w, "relation"), NULL, 10);

        for (size_t i = 0; i < charm_relations(v, ENDPOINT_DATABASE); i++)
                if (charm_relation(v, ENDPOINT_DATABASE, i)->id == id)
                        return charm_relation(v, ENDPOINT_DATABASE, i);
        return NULL;
}

struct rotation {
        const struct charm_view *view;
        struct charm_plan *paper;
        const struct charm_relation *relation;
        struct serve_users users;
        const char *new, *old; /* names */
};

static void fill(const struct charm_world *w, struct charm_ask *a, const struct charm_relation *r,
                 struct rotation *ret) {
        const struct charm_view *v = charm_world_view(w);
        struct charm_plan *p = charm_paper(a);
        struct serve_users u = serve_users(v, p, r->id);

        *ret = (struct rotation){ .view = v,
                                  .paper = p,
                                  .relation = r,
                                  .users = u,
                                  .new = serve_user_name(v, p, r->id, u.current),
                                  .old = serve_user_name(v, p, r->id, u.old) };
}

/* False: the action gave up, for the relation has gone, or another action has moved on. */
static bool read_state(const struct charm_world *w, struct charm_ask *a, struct rotation *ret) {
        const struct charm_relation *r = of_state(w);

        if (!r) {
                charm_give_up(a, "the relation was removed meanwhile, and its users with it");
                return false;
        }
        fill(w, a, r, ret);
        if (ret->users.old)
                return true;
        charm_give_up(a, "the user of before was dropped meanwhile, by another action");
        return false;
}

static void note_relation(const struct rotation *r, struct charm_ask *a) {
        charm_set(a, "relation", charm_text(r->paper, "%lld", (long long)r->relation->id));
}

/* Moves the option on from what this call has seen. */
static void ask_users(const struct rotation *r, struct charm_ask *a, struct serve_users u) {
        charm_ask_config_from(a, OPTION_RELATION_USERS,
                              charm_option(r->view, OPTION_RELATION_USERS),
                              serve_users_option(r->view, r->paper, r->relation->id, &u));
}

/* What was asked for ended as it should. Else the action gave up, and said what is so now: both
 * let in. */
static bool went_well(const struct charm_world *w, const struct rotation *r, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!strcmp(outcome, "done"))
                return true;
        charm_give_up(a,
                      "%s: %.300s; %s and %s both let in. Run rotate-relation-credentials "
                      "relation=%lld once more: it goes on where this one ended",
                      outcome, charm_error(w), r->old, r->new, (long long)r->relation->id);
        return false;
}

static bool is_conflict(const struct charm_world *w) {
        return charm_outcome(w) && !strcmp(charm_outcome(w), "conflict");
}

/* ---- rotate: the second user */

static bool may_begin(const struct rotation *r, struct charm_ask *a) {
        if (!serve_is_told(r->view, r->paper, r->relation->id, r->users.current) && !r->users.old)
                charm_give_up(a, "%s was not given a user yet: there is nothing to rotate",
                              r->relation->application);
        else if (r->users.until)
                charm_give_up(a,
                              "%s, which %s had before, is locked and watched until %s: let it in "
                              "again (unlock-relation-user) or drop it now (drop-relation-user "
                              "now=true), and then rotate",
                              r->old, r->relation->application,
                              backup_time(r->paper, r->users.until * 1000));
        else
                return true;
        return false;
}

static void begin_rotation(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_relation *relation = find_relation(w, a, false);
        const char *outcome = charm_outcome(w);
        struct rotation r;

        if (!relation)
                return;
        fill(w, a, relation, &r);
        if (outcome && !is_conflict(w) && strcmp(outcome, "done") != 0)
                return charm_give_up(a, "%s: %.300s; nothing was changed", outcome, charm_error(w));
        if (!may_begin(&r, a))
                return;
        note_relation(&r, a);
        if (r.users.old) {
                if (!outcome)
                        charm_log(a, "goes on: %s has two users since an earlier rotation",
                                  relation->application);
                return charm_next(a);
        }
        ask_users(&r, a,
                  (struct serve_users){ .current = r.users.current + 1, .old = r.users.current });
}

static void make_user(const struct charm_world *w, struct charm_ask *a) {
        struct rotation r;

        if (!read_state(w, a, &r))
                return;
        if (!charm_outcome(w))
                return charm_ask_ready(
                        a, serve_label(r.paper, r.relation->id, "grant", r.users.current));
        if (!strcmp(charm_outcome(w), "done"))
                return charm_next(a);
        charm_give_up(a,
                      "the user %s could not be made: %s: %.300s; %s has %s as before. Run "
                      "rotate-relation-credentials relation=%lld once more: it goes on",
                      r.new, charm_outcome(w), charm_error(w), r.relation->application, r.old,
                      (long long)r.relation->id);
}

/* Our plan tells it as soon as it has seen that it is there. */
static void tell_user(const struct charm_world *w, struct charm_ask *a) {
        const char *looks = charm_state(w, "looks");
        int64_t n = looks ? strtoll(looks, NULL, 10) : 0;
        struct rotation r;

        if (!read_state(w, a, &r) || (charm_outcome(w) && !went_well(w, &r, a)))
                return;
        if (!charm_outcome(w))
                return charm_ask_settled(a);
        if (serve_is_told(r.view, r.paper, r.relation->id, r.users.current)) {
                charm_log(a, "%s is told the user %s; %s lets in as long as anybody has it",
                          r.relation->application, r.new, r.old);
                return charm_next(a);
        }
        if (n >= TOLD_LOOKS)
                return charm_give_up(a, "%s is there, and %s was not told of it; %s lets in", r.new,
                                     r.relation->application, r.old);
        charm_set(a, "looks", charm_text(r.paper, "%lld", (long long)n + 1));
        charm_ask_wait(a, 1);
}

/* ---- rotate: until nobody has the first */

/* A token. The plan has asked for it as long as that user is wanted. */
static const char *password_of_old(const struct charm_world *w, const struct rotation *r) {
        return charm_owned(w, serve_secret(r->paper, r->relation->id, r->users.old),
                           SERVE_PASSWORD);
}

static void roll_consumer(const struct charm_world *w, struct charm_ask *a) {
        struct rotation r;

        if (!read_state(w, a, &r))
                return;
        if (!charm_outcome(w))
                return charm_ask_taken(a, r.relation->application, password_of_old(w, &r));
        if (!went_well(w, &r, a))
                return;
        charm_log(a, "the pods of %s run with %s", r.relation->application, r.new);
        charm_next(a);
}

/* Sessions of now, and how many there ever were where the server counts that: who connects for
 * moments is in no list when it is looked at. */
static void ask_sessions(const struct rotation *r, struct charm_ask *a) {
        charm_ask_sql(a, "server",
                      CHARM_TEXTS("SELECT (SELECT COUNT(*) FROM information_schema.PROCESSLIST "
                                  "WHERE USER = :'old'), (SELECT COALESCE(SUM(TOTAL_CONNECTIONS), "
                                  "0) FROM performance_schema.accounts WHERE USER = :'old')"),
                      CHARM_VALUES({ "old", r->old }));
}

/* Since when it is quiet, in ms: now, if it is not. */
static int64_t quiet_since(const struct charm_world *w, struct charm_ask *a) {
        const char *sessions = charm_answer(w, "/rows/0/0"), *ever = charm_answer(w, "/rows/0/1");
        const char *before = charm_state(w, "ever"), *since = charm_state(w, "quiet");

        if (since && before && !strcmp(sessions, "0") && !strcmp(before, ever))
                return strtoll(since, NULL, 10);
        charm_set(a, "ever", ever);
        charm_set(a, "quiet", charm_text(charm_paper(a), "%lld", (long long)charm_now(w)));
        return charm_now(w);
}

static void tell_sessions(const struct charm_world *w, const struct rotation *r,
                          struct charm_ask *a) {
        const char *sessions = charm_answer(w, "/rows/0/0"), *told = charm_state(w, "sessions");

        if (told ? strcmp(told, sessions) != 0 : strcmp(sessions, "0") != 0)
                charm_log(a, "sessions of %s: %s", r->old, sessions);
        charm_set(a, "sessions", sessions);
}

static void look_for_sessions(const struct charm_world *w, struct charm_ask *a) {
        const char *looks = charm_state(w, "quiet-looks");
        int64_t n = looks ? strtoll(looks, NULL, 10) : 0, since;
        struct rotation r;

        if (!read_state(w, a, &r))
                return;
        if (!charm_outcome(w))
                return ask_sessions(&r, a);
        if (!went_well(w, &r, a))
                return;
        tell_sessions(w, &r, a);
        since = quiet_since(w, a);
        if (!strcmp(charm_answer(w, "/rows/0/0"), "0") &&
            charm_now(w) - since >= charm_param_int(w, "quiet") * 1000)
                return charm_goto(a, "count");
        if (n >= QUIET_LOOKS)
                return charm_give_up(a,
                                     "%s is still used (sessions now: %s), though %s has %s: both "
                                     "let in. Run rotate-relation-credentials relation=%lld once "
                                     "more when that has ended",
                                     r.old, charm_answer(w, "/rows/0/0"), r.relation->application,
                                     r.new, (long long)r.relation->id);
        charm_set(a, "quiet-looks", charm_text(r.paper, "%lld", (long long)n + 1));
        charm_next(a);
}

static void pause_looking(const struct charm_world *w, struct charm_ask *a) {
        int64_t seconds = charm_param_int(w, "quiet") / 8;

        if (charm_outcome(w))
                return charm_goto(a, "sessions");
        charm_ask_wait(a, seconds < 1 ? 1 : seconds > PAUSE_MAX_S ? PAUSE_MAX_S : seconds);
}

/* ---- refused logins
 *
 * MySQL counts the logins of locked accounts, of all of them together: nobody logs in as one of
 * its own. MariaDB counts connections that came to nothing, and among them wrong passwords and
 * those that never logged in; the rest may be ours, or somebody's whom TLS or a limit stopped. So
 * it is never too low. Both begin at 0 when the server starts. */

static void ask_counters(struct charm_ask *a) {
        charm_ask_sql(a, "server",
                      CHARM_TEXTS("SHOW GLOBAL STATUS WHERE Variable_name IN ('Locked_connects', "
                                  "'Aborted_connects', 'Aborted_connects_preauth', "
                                  "'Access_denied_errors')"),
                      NULL);
}

/* Of the answer; -1: the server does not tell. */
static int64_t counter(const struct charm_world *w, struct charm_ask *a, const char *name) {
        struct charm_plan *p = charm_paper(a);
        const char *is;

        for (int i = 0; (is = charm_answer(w, charm_text(p, "/rows/%d/0", i))); i++)
                if (!strcmp(is, name))
                        return strtoll(charm_answer(w, charm_text(p, "/rows/%d/1", i)), NULL, 10);
        return -1;
}

static int64_t refused_so_far(const struct charm_world *w, struct charm_ask *a) {
        int64_t locked = counter(w, a, "Locked_connects");
        int64_t rest = counter(w, a, "Aborted_connects");

        if (locked >= 0)
                return locked;
        rest -= counter(w, a, "Aborted_connects_preauth") + counter(w, a, "Access_denied_errors");
        return rest > 0 ? rest : 0;
}

static const char *whose(const struct charm_world *w, struct charm_ask *a) {
        return counter(w, a, "Locked_connects") >= 0 ? "logins of locked users were refused"
                                                     : "connections of any user were refused for "
                                                       "no wrong password (this server does not "
                                                       "say whose)";
}

/* ---- rotate: the lock */

static void count_refused(const struct charm_world *w, struct charm_ask *a) {
        struct rotation r;

        if (!read_state(w, a, &r))
                return;
        if (!charm_outcome(w))
                return ask_counters(a);
        if (!went_well(w, &r, a))
                return;
        charm_set(a, "refused", charm_text(r.paper, "%lld", (long long)refused_so_far(w, a)));
        charm_set(a, "until",
                  charm_text(r.paper, "%lld",
                             (long long)(charm_now(w) / 1000 + charm_param_int(w, "watch"))));
        charm_next(a);
}

/* Before the lock, so that none is forgotten locked; if that does not come to be, the run finds
 * nothing to drop. */
static void schedule_drop(const struct charm_world *w, struct charm_ask *a) {
        if (charm_outcome(w) || !charm_param_int(w, "watch"))
                return charm_next(a);
        charm_ask_run_at(a, strtoll(charm_state(w, "until"), NULL, 10) * 1000 + 1000,
                         ACTION_DROP_RELATION_USER,
                         CHARM_VALUES({ "relation", charm_state(w, "relation") }));
}

static void lock_user(const struct charm_world *w, struct charm_ask *a) {
        struct rotation r;

        if (!read_state(w, a, &r))
                return;
        if (charm_outcome(w) && !is_conflict(w) && !went_well(w, &r, a))
                return;
        if (r.users.until)
                return charm_next(a);
        r.users.until = strtoll(charm_state(w, "until"), NULL, 10);
        r.users.refused = strtoll(charm_state(w, "refused"), NULL, 10);
        ask_users(&r, a, r.users);
}

static void see_locked(const struct charm_world *w, struct charm_ask *a) {
        struct rotation r;

        if (!read_state(w, a, &r))
                return;
        if (!charm_outcome(w))
                return charm_ask_settled(a);
        charm_result(a, "user", r.new);
        charm_result(a, "locked", r.old);
        if (!charm_param_int(w, "watch"))
                return charm_goto(a, "drop");
        charm_result(a, "dropped-after", backup_time(r.paper, r.users.until * 1000));
        charm_log(a, "%s is locked; unlock-relation-user relation=%lld lets it in again", r.old,
                  (long long)r.relation->id);
        charm_done(a);
}

/* ---- the end of the first; also of drop-relation-user */

static void drop_user(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_relation *relation = of_state(w);
        const char *outcome = charm_outcome(w);
        struct rotation r;

        if (!relation)
                return charm_done(a); /* they went with it */
        fill(w, a, relation, &r);
        if (outcome && !is_conflict(w) && strcmp(outcome, "done") != 0)
                return charm_give_up(a, "%s: %.300s; %s is locked and not dropped", outcome,
                                     charm_error(w), r.old);
        if (!r.users.old)
                return charm_next(a);
        if (!r.users.until)
                return charm_give_up(a, "%s was unlocked meanwhile, and is not dropped", r.old);
        charm_result(a, "dropped", r.old);
        ask_users(&r, a, (struct serve_users){ .current = r.users.current });
}

static void see_dropped(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_settled(a);
        charm_done(a);
}

const struct charm_step rotate_steps[] = { { "begin", begin_rotation, 60, CHARM_ALL },
                                           { "make", make_user, MAKE_S, CHARM_ALL },
                                           { "tell", tell_user, MAKE_S, CHARM_ALL },
                                           { "roll", roll_consumer, ROLL_S, CHARM_ALL },
                                           { "sessions", look_for_sessions, 600, CHARM_ALL },
                                           { "pause", pause_looking, 0, 0 },
                                           { "count", count_refused, 600, CHARM_ALL },
                                           { "schedule", schedule_drop, 0, 0 },
                                           { "lock", lock_user, 60, CHARM_ALL },
                                           { "locked", see_locked, 600, 0 },
                                           { "drop", drop_user, 60, CHARM_ALL },
                                           { "dropped", see_dropped, 600, 0 },
                                           {} };

/* ---- unlock-relation-user */

static void unlock_user(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_relation *relation;
        const char *outcome = charm_outcome(w);
        struct rotation r;

        if (outcome && !strcmp(outcome, "done"))
                return charm_next(a);
        relation = find_relation(w, a, true);
        if (!relation)
                return;
        fill(w, a, relation, &r);
        if (outcome && !is_conflict(w))
                return charm_give_up(a, "%s: %.300s; %s is still locked", outcome, charm_error(w),
                                     r.old);
        if (!r.users.until)
                return charm_give_up(a, "no user of %s is locked", relation->application);
        note_relation(&r, a);
        charm_result(a, "unlocked", r.old);
        ask_users(&r, a, (struct serve_users){ .current = r.users.current, .old = r.users.old });
}

static void see_unlocked(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_settled(a);
        charm_log(a,
                  "it lets in again, and stays until rotate-relation-credentials relation=%s is "
                  "run once more, which locks it when nobody uses it",
                  charm_state(w, "relation"));
        charm_done(a);
}

const struct charm_step unlock_steps[] = { { "unlock", unlock_user, 60, CHARM_ALL },
                                           { "unlocked", see_unlocked, 600, 0 },
                                           {} };

/* ---- drop-relation-user */

/* The relation that a schedule has by its number. */
static bool is_gone(const struct charm_world *w) {
        const struct charm_view *v = charm_world_view(w);
        const char *wanted = charm_param(w, "relation");
        size_t i = 0;

        if (!wanted || wanted[strspn(wanted, "0123456789")])
                return false;
        while (i < charm_relations(v, ENDPOINT_DATABASE) &&
               !is_meant(charm_relation(v, ENDPOINT_DATABASE, i), wanted))
                i++;
        return i == charm_relations(v, ENDPOINT_DATABASE);
}

/* A run by schedule finds nothing to do where somebody was here before it: that is no failure. */
static bool has_locked(const struct rotation *r, struct charm_ask *a) {
        if (r->users.until)
                return true;
        if (r->users.old)
                charm_log(a, "%s was unlocked, and stays", r->old);
        else
                charm_log(a, "%s has one user: there is none to drop", r->relation->application);
        charm_done(a);
        return false;
}

static void judge_refused(const struct charm_world *w, const struct rotation *r,
                          struct charm_ask *a) {
        int64_t now = refused_so_far(w, a), before = r->users.refused;
        int64_t refused = now >= before ? now - before : now; /* the server was restarted */

        charm_result(a, "refused", charm_text(r->paper, "%lld", (long long)refused));
        if (charm_now(w) / 1000 < r->users.until && !charm_param_bool(w, "now")) {
                charm_log(a, "%s is watched until %s; so far %lld %s", r->old,
                          backup_time(r->paper, r->users.until * 1000), (long long)refused,
                          whose(w, a));
                return charm_done(a);
        }
        if (refused && !charm_param_bool(w, "force"))
                return charm_give_up(
                        a,
                        "since %s was locked %lld %s, so it stays, locked. Find who still has its "
                        "password: unlock-relation-user relation=%lld lets it in meanwhile; "
                        "drop-relation-user relation=%lld force=true drops it all the same",
                        r->old, (long long)refused, whose(w, a), (long long)r->relation->id,
                        (long long)r->relation->id);
        charm_next(a);
}

static void check_refused(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);
        const struct charm_relation *relation;
        struct rotation r;

        if (is_gone(w)) {
                charm_log(a, "the relation is gone, and its users with it");
                return charm_done(a);
        }
        relation = find_relation(w, a, true);
        if (!relation)
                return;
        fill(w, a, relation, &r);
        note_relation(&r, a);
        if (!has_locked(&r, a))
                return;
        if (!outcome)
                return ask_counters(a);
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "%s: %.300s; %s is locked and not dropped", outcome,
                                     charm_error(w), r.old);
        judge_refused(w, &r, a);
}

const struct charm_step drop_steps[] = { { "check", check_refused, 600, CHARM_ALL },
                                         { "drop", drop_user, 60, CHARM_ALL },
                                         { "dropped", see_dropped, 600, 0 },
                                         {} };
