/* SPDX-License-Identifier: Apache-2.0 */
/* sql-target.c - the line of operations, the thread that does them, and their answers; see
 * sql-target.h
 *
 *      start ──▶ waiting ──▶ (tunnel) ──▶ in a thread ──▶ answered, from the loop
 *                  └── cancel ──▶ gone      └── cancel ──▶ it ends by its deadlines, untold
 *
 * The session belongs to whoever works: to the thread while one is out, else to the loop. A
 * target that is closed with a thread out lives on, without anybody's seeing it, until the
 * thread is back. */
#include "sql-target.h"

#include "clock.h"
#include "forward.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

struct line {                       /* one operation in line */
        struct sql_pending pending; /* first */
        struct list link;
        struct target *target;
        struct op *op; /* NULL: cancelled while a thread has it */
        struct sql_task task;
        struct later soon; /* when it failed before it was begun */
        struct polled_known known;
};

struct target {
        struct sql_config config;
        const struct sql_engine *engine;
        const struct observer *observer;
        struct loop *loop;
        struct forward *forward; /* via; NULL: direct */
        struct sql_session *session;
        struct list waiting;
        struct line *busy;
        struct job job;
        struct later next;
        struct timer idle;
        size_t count;
        struct sql_lane acts; /* what actions ask, beside the line */
        int tunnel_port;
        int64_t opened_at, login_ms; /* of the session; how long one is kept at most */
        /* Shared with the thread: */
        pthread_mutex_t lock;
        int socket; /* of the session, while it is open; -1 */
        bool closing;
        int reachable; /* -1: not known */
};

/* ---- in the thread */

typedef int engine_fn(struct sql_session *s, struct sql_task *t);

static void note_socket(struct target *t, int fd) {
        pthread_mutex_lock(&t->lock);
        t->socket = fd;
        pthread_mutex_unlock(&t->lock);
}

static bool is_closing(struct target *t) {
        bool closing;

        pthread_mutex_lock(&t->lock);
        closing = t->closing;
        pthread_mutex_unlock(&t->lock);
        return closing;
}

/* Wakes a thread that waits for the server. Its descriptor stays open, so it is nobody else's. */
static void break_off(struct target *t) {
        pthread_mutex_lock(&t->lock);
        t->closing = true;
        if (t->socket >= 0)
                shutdown(t->socket, SHUT_RDWR);
        pthread_mutex_unlock(&t->lock);
}

static int do_once(struct target *t, struct sql_task *k) {
        engine_fn *const fns[] = { t->engine->look, t->engine->apply, t->engine->remove };

        if (!t->session)
                t->session = t->engine->open(&t->config, t->tunnel_port, k);
        note_socket(t, t->session ? t->engine->socket(t->session) : -1);
        return t->session ? fns[k->verb](t->session, k) : -1;
}

static void drop_session(struct target *t) {
        note_socket(t, -1);
        t->session = t->engine->close(t->session);
}

static void work(void *arg) {
        struct target *t = arg;
        struct sql_task *k = &t->busy->task;
        bool kept = t->session != NULL;
        int r = do_once(t, k);

        if (r < 0 && kept && t->session && t->engine->lost(t->session) && !is_closing(t)) {
                drop_session(t);
                r = do_once(t, k);
        }
        if (t->session && t->engine->lost(t->session))
                drop_session(t);
        if (r == 0)
                k->outcome = OUTCOME_DONE;
}

/* ---- tasks */

static void line_free(struct line *l) {
        list_unlink(&l->link);
        later_cancel(&l->soon);
        sql_document_free(&l->task.doc);
        wipep(&l->task.password);
        json_decref(l->task.seen);
        json_decref(l->task.warnings);
        free(l);
}

/* The one thing of a document that is a secret: of a user, or what a server is to show. */
static int fill_secret(struct sql_task *k, const struct apply_request *r, struct err *err) {
        const char *token = k->doc.password ? k->doc.password : k->doc.certificate;
        struct buf text = BUF_INIT;
        int rc;

        if (!token)
                return 0;
        buf_reserve(&text, 4096); /* so that no growing leaves a piece behind */
        rc = r->values ? secret_values_fill(r->values, token, &text, err) : 0;
        if (!r->values)
                buf_puts(&text, token);
        if (rc == 0)
                k->password = str_dup(buf_str(&text));
        buf_wipe(&text);
        if (rc == 0 && k->doc.password && strlen(k->password) > SQL_PASSWORD_MAX)
                return err_set(err, -EINVAL, "password: longer than %d bytes", SQL_PASSWORD_MAX);
        return rc;
}

static int fill_task(struct sql_task *k, enum sql_verb verb, const struct apply_request *r,
                     struct err *err) {
        int rc = r->wanted ? sql_document_parse(r->wanted, &k->doc, err)
                           : sql_document_at(r->type, r->path, &k->doc, err);

        if (rc < 0)
                return rc;
        k->verb = verb;
        k->first = r->first;
        k->adopt = (r->flags & (APPLY_ADOPT | APPLY_TAKE_OVER)) != 0;
        str_copy(k->incarnation, sizeof(k->incarnation), r->incarnation);
        snprintf(k->mark, sizeof(k->mark), "%s %s", json_get_str(r->marks, "model-uuid", "-"),
                 json_get_str(r->marks, "application", "-"));
        return verb == SQL_APPLY ? fill_secret(k, r, err) : 0;
}

/* ---- answers */

static void fill_observation(const struct line *l, struct observation *o) {
        const struct sql_task *k = &l->task;

        polled_observe(&l->known,
                       &(struct polled_seen){ .present = k->present,
                                              .ours = k->ours,
                                              .filled = k->filled,
                                              .incarnation = k->found_incarnation,
                                              .body = k->seen },
                       o);
}

/* Whether there is a connection that works: a server that starts, a pod that is not ready and an
 * administrator who is not let in are all "away", so that the way back wakes what waits. */
static void tell_reach(struct target *t, const struct sql_task *k) {
        polled_reach(t->observer, &t->reachable, t->session != NULL, &k->err);
}

/* Through a tunnel the client library only sees a connection that ended: the tunnel knows why. */
static void explain(struct target *t, struct sql_task *k) {
        const struct err *why = t->forward ? forward_last(t->forward) : NULL;

        if (k->outcome != OUTCOME_UNREACHABLE || !why || !why->text[0])
                return;
        k->outcome = forward_outcome(why);
        k->err = *why;
}

static void answer(struct line *l) {
        struct op *op = l->op;
        struct sql_task *k = &l->task;

        op->private = NULL;
        op->outcome = k->outcome;
        op->err = k->err;
        if (k->outcome == OUTCOME_DONE)
                fill_observation(l, &op->seen);
        if (k->outcome == OUTCOME_DONE && k->verb != SQL_APPLY && !k->present)
                op->outcome = OUTCOME_GONE;
        if (k->outcome == OUTCOME_DONE && k->verb == SQL_REMOVE)
                op->outcome = OUTCOME_DONE;
        if (k->outcome == OUTCOME_DONE && k->verb == SQL_APPLY)
                polled_applied(op, SQL_FIELDS, k->seen, k->created);
        line_free(l);
        op->done(op);
}

/* ---- the line */

static void target_free(struct target *t) {
        drop_session(t);
        pthread_mutex_destroy(&t->lock);
        sql_config_free(&t->config);
        free(t);
}

/* When nothing of it is out any more. */
static void on_idle_lane(void *arg) {
        struct target *t = arg;

        if (!t->busy)
                target_free(t);
}

static void on_dropped(void *arg) {
        struct target *t = arg;
        struct line *l = take_ptr(t->busy);

        line_free(l);
        if (!t->closing)
                later_run(&t->next);
        else if (!t->acts.threads)
                target_free(t);
}

static void on_done(void *arg) {
        struct target *t = arg;
        struct line *l = take_ptr(t->busy);

        explain(t, &l->task);
        timer_after(&t->idle, SQL_IDLE_MS);
        later_run(&t->next);
        tell_reach(t, &l->task);
        answer(l);
}

static void on_idle(void *arg) {
        struct target *t = arg;

        if (!t->busy)
                drop_session(t);
}

/* With a session that is not too old to say whether its user is still let in; else without. */
static void renew_session(struct target *t) {
        if (t->session && clock_mono() - t->opened_at >= t->login_ms)
                drop_session(t);
        if (!t->session)
                t->opened_at = clock_mono();
}

static void begin(void *arg) {
        struct target *t = arg;
        struct list *first;

        if (t->busy)
                return;
        first = list_pop(&t->waiting);
        if (!first)
                return;
        t->count--;
        t->busy = list_entry(first, struct line, link);
        timer_cancel(&t->idle);
        renew_session(t);
        if (t->forward)
                forward_forget(t->forward);
        job_start(&t->job);
}

static void on_refused(void *arg) {
        answer(arg);
}

static void cancel_line(struct op *op) {
        struct line *l = take_ptr(op->private);

        l->op = NULL;
        if (l == l->target->busy) {
                job_cancel(&l->target->job);
                return;
        }
        if (list_linked(&l->link))
                l->target->count--;
        line_free(l);
}

void sql_target_start(struct target *t, enum sql_verb verb, const struct apply_request *r,
                      struct op *op) {
        struct line *l = mem_new(struct line);
        struct err err = { 0 };

        list_init(&l->link);
        l->pending.cancel = cancel_line;
        l->target = t;
        l->op = op;
        polled_know(&l->known, r);
        op->private = l;
        later_init(&l->soon, t->loop, "sql-refused", on_refused, l);
        if (fill_task(&l->task, verb, r, &err) < 0) {
                sql_fail(&l->task, OUTCOME_REFUSED, "%s", err_text(&err));
                return later_run(&l->soon);
        }
        if (t->count >= SQL_WAITING_MAX) {
                sql_fail(&l->task, OUTCOME_NOT_YET, "%d operations are waiting for this server",
                         SQL_WAITING_MAX);
                return later_run(&l->soon);
        }
        /* What a server is it stays, and goes with its pod, which may be gone already. */
        if (verb == SQL_REMOVE && l->task.doc.kind == SQL_REPLICATION) {
                l->task.outcome = OUTCOME_DONE;
                return later_run(&l->soon);
        }
        list_append(&t->waiting, &l->link);
        t->count++;
        later_run(&t->next);
}

void sql_target_cancel(struct op *op) {
        struct sql_pending *p = op->private;

        if (p)
                p->cancel(op);
}

void sql_target_act(struct target *t, const struct act_request *r, struct op *op) {
        sql_act_start(&t->acts, r, op);
}

int sql_target_open(const struct target_config *c, const struct observer *o, struct target **ret,
                    struct err *err) {
        cleanup_(json_freep) json_t *options = c->options ? c->options() : NULL;
        struct target *t = mem_new(struct target);
        int r = sql_config_parse(c->credential ? c->credential : c->config, &t->config, err);

        if (r == 0 && t->config.via)
                r = forward_open(c->loop, c->reach_provider, c->reach, t->config.via,
                                 t->config.port, &t->forward, err);
        if (r < 0) {
                if (t->config.user)
                        sql_config_free(&t->config);
                free(t);
                return err_add(err, r, "%s", c->name);
        }
        memcpy(t->config.hash_key, c->hash_key, DIGEST_SIZE);
        t->engine = sql_engine_of(t->config.engine);
        t->login_ms = json_get_int(options, "login-ms", SQL_LOGIN_MS);
        t->observer = o;
        t->loop = c->loop;
        t->tunnel_port = t->forward ? forward_port(t->forward) : 0;
        t->reachable = t->socket = -1;
        pthread_mutex_init(&t->lock, NULL);
        list_init(&t->waiting);
        t->acts = (struct sql_lane){ .config = &t->config,
                                     .engine = t->engine,
                                     .loop = t->loop,
                                     .forward = t->forward,
                                     .tunnel_port = t->tunnel_port,
                                     .idle = on_idle_lane,
                                     .arg = t };
        sql_act_init(&t->acts);
        t->job = (struct job){ .loop = c->loop,
                               .work = work,
                               .done = on_done,
                               .dropped = on_dropped,
                               .arg = t,
                               .name = "sql" };
        later_init(&t->next, c->loop, "sql-next", begin, t);
        timer_init(&t->idle, c->loop, "sql-idle", on_idle, t);
        *ret = t;
        return 0;
}

struct target *sql_target_close(struct target *t) {
        bool free_now;

        if (!t)
                return NULL;
        free_now = sql_act_close(&t->acts);
        later_cancel(&t->next);
        timer_cancel(&t->idle);
        for (struct list *l; (l = list_pop(&t->waiting));)
                line_free(list_entry(l, struct line, link));
        t->forward = forward_close(t->forward);
        if (t->busy) {
                break_off(t);
                job_cancel(&t->job);
        } else if (free_now) {
                target_free(t);
        }
        return NULL;
}

json_t *sql_target_manner(const struct target *t) {
        static const char *const words[SQL_TLS_MAX] = { "verify-full", "verify-ca", "encrypt",
                                                        "plain" };
        const struct sql_config *c = &t->config;

        return json_pack("{s:s, s:s, s:b}", "server", c->via ? c->via : c->host, "tls",
                         words[c->tls], "via", c->via != NULL);
}
