/* SPDX-License-Identifier: Apache-2.0 */
/* sql-act.c - a list of statements in a thread; see sql-act.h
 *
 * Beside the line of the reconciler's operations: a statement of an action may take minutes, and
 * what the reconciler looks at does not wait for it. What a thread reads it owns. */
#include "sql-act.h"

#include "forward.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

struct doing {
        struct sql_pending pending; /* first */
        struct list link;
        struct sql_lane *lane;
        struct op *op; /* NULL: cancelled while a thread has it */
        struct act_request request;
        struct job job;
        struct later refused;
        /* the thread's, while it is out: */
        json_t *ask; /* with its secrets; wiped */
        struct sql_task task;
        struct sql_session *session;
        json_t *results;
        size_t index; /* of the statement */
        pthread_mutex_t lock;
        int socket;  /* shared: of the session, while it is open; -1 */
        bool broken; /* shared: cancelled */
        bool open;   /* it came to the statements */
};

/* ---- writing statements */

struct writing {
        const json_t *values, *params;
        size_t used; /* of PARAMS */
        sql_quote_fn *quote;
        struct sql_session *session;
        struct buf *out;
};

static int put_value(struct writing *w, const json_t *value, const char *name, bool identifier,
                     struct err *err) {
        if (!value || json_is_object(value) || json_is_array(value))
                return err_set(err, -EINVAL, "values: no text, number, boolean or null for %s",
                               name);
        if (identifier && !json_is_string(value))
                return err_set(err, -EINVAL, "values: %s: an identifier is a text", name);
        if (json_is_string(value))
                w->quote(w->session, json_string_value(value), identifier, w->out);
        else if (json_is_integer(value))
                buf_printf(w->out, "%lld", (long long)json_integer_value(value));
        else if (json_is_real(value))
                buf_printf(w->out, "%.17g", json_real_value(value));
        else
                buf_puts(w->out, json_is_true(value)    ? "TRUE"
                                 : json_is_false(value) ? "FALSE"
                                                        : "NULL");
        return 0;
}

/* The length of :'NAME' or :"NAME" at P, 0: it is none. */
static size_t placeholder(const char *p, char ret_name[64]) {
        const char *from = p + 2;
        size_t n = 0;

        if (p[0] != ':' || (p[1] != '\'' && p[1] != '"'))
                return 0;
        while (isalnum((unsigned char)from[n]) || from[n] == '_' || from[n] == '-')
                n++;
        if (!n || n >= 64 || from[n] != p[1])
                return 0;
        memcpy(ret_name, from, n);
        ret_name[n] = '\0';
        return n + 3;
}

/* The length of a quoted text at P, 0: it is none. A doubled quote ends one and begins another. */
static size_t quoted(const char *p) {
        const char *end = strchr("'\"`", *p) ? p + 1 : NULL;

        while (end && *end && *end != *p)
                end += *end == '\\' && end[1] ? 2 : 1;
        return end ? (size_t)(end - p) + (*end != '\0') : 0;
}

/* What stands at P, written; its length. */
static int write_one(struct writing *w, const char *p, struct err *err) {
        char name[64] = "?";
        size_t n = placeholder(p, name);
        int r;

        if (!n && w->params && *p == '?')
                r = put_value(w, json_array_get(w->params, w->used++), name, false, err);
        else if (n)
                r = put_value(w, json_get(w->values, name), name, p[1] == '"', err);
        else {
                n = quoted(p);
                buf_add(w->out, p, MAX_OF(n, (size_t)1));
                r = 0;
        }
        return r < 0 ? r : (int)MAX_OF(n, (size_t)1);
}

int sql_act_write(const json_t *statement, sql_quote_fn *quote, struct sql_session *s,
                  struct buf *out, struct err *err) {
        struct writing w = { .values = json_get(statement, "values"),
                             .params = json_get(statement, "params"),
                             .quote = quote,
                             .session = s,
                             .out = out };
        int n;

        for (const char *p = json_get_str(statement, "sql", ""); *p; p += n) {
                n = write_one(&w, p, err);
                if (n < 0)
                        return n;
        }
        if (w.used != json_array_size(w.params))
                return err_set(err, -EINVAL, "params: %zu for %zu places",
                               json_array_size(w.params), w.used);
        return 0;
}

/* ---- in the thread */

static void note_socket(struct doing *d, int fd) {
        pthread_mutex_lock(&d->lock);
        d->socket = fd;
        if (d->broken && fd >= 0)
                shutdown(fd, SHUT_RDWR);
        pthread_mutex_unlock(&d->lock);
}

static int do_statement(struct doing *d, const json_t *statement) {
        const struct sql_engine *e = d->lane->engine;
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        json_t *result = NULL;
        struct err err = { 0 };

        if (sql_act_write(statement, e->quote, d->session, &text, &err) < 0)
                return sql_fail(&d->task, OUTCOME_REFUSED, "%s", err_text(&err));
        if (text.len > SQL_STATEMENT_MAX)
                return sql_fail(&d->task, OUTCOME_REFUSED, "a statement of %zu bytes", text.len);
        if (e->query(d->session, &d->task, &text, &result) < 0)
                return -1;
        json_array_append_new(d->results, result);
        return 0;
}

static void work(void *arg) {
        struct doing *d = arg;
        const struct sql_engine *e = d->lane->engine;
        const json_t *statement;

        d->session = e->open(d->lane->config, d->lane->tunnel_port, &d->task);
        if (!d->session)
                return;
        d->open = true;
        note_socket(d, e->socket(d->session));
        json_array_foreach(json_get(d->ask, "statements"), d->index, statement)
                if (do_statement(d, statement) < 0)
                        break;
        if (d->index == json_array_size(json_get(d->ask, "statements")))
                d->task.outcome = OUTCOME_DONE;
        note_socket(d, -1);
        d->session = e->close(d->session);
}

/* ---- on the loop */

static void doing_free(struct doing *d) {
        list_unlink(&d->link);
        later_cancel(&d->refused);
        json_wipe(d->ask);
        json_decref(d->results);
        json_decref(d->task.seen);
        json_decref(d->task.warnings);
        pthread_mutex_destroy(&d->lock);
        free(d);
}

/* The threads are the process's, and so is who waits for one; the loop's only. */
static size_t threads_out;
static struct list starved = LIST_INIT(starved);

static void begin_next(struct sql_lane *l) {
        struct doing *d;

        if (l->threads >= SQL_ACTS_MAX || list_empty(&l->waiting))
                return;
        list_unlink(&l->starved);
        if (threads_out >= SQL_ACTS_ALL_MAX) {
                list_append(&starved, &l->starved);
                return;
        }
        d = list_entry(list_pop(&l->waiting), struct doing, link);
        list_append(&l->working, &d->link);
        l->threads++;
        threads_out++;
        if (l->forward)
                forward_forget(l->forward);
        job_start(&d->job);
}

/* A row may hold what a token of a statement stood for: the journal keeps it hidden. */
static json_t *told(struct doing *d) {
        json_t *results = act_hidden(&d->request, d->results), *j;

        if (d->task.outcome == OUTCOME_DONE && json_array_size(results) == 1) {
                j = json_incref(json_array_get(results, 0));
                json_decref(results);
                return j;
        }
        j = json_object();
        json_object_set_new(j, "results", results);
        if (d->task.outcome == OUTCOME_DONE || !d->open)
                return j;
        json_object_set_new(j, "statement", json_integer((json_int_t)d->index));
        if (d->task.sqlstate[0])
                json_object_set_new(j, "sqlstate", json_string(d->task.sqlstate));
        if (d->task.number)
                json_object_set_new(j, "number", json_integer(d->task.number));
        return j;
}

/* Through a tunnel the client library only sees a connection that ended: the tunnel knows why. */
static void explain(struct doing *d) {
        const struct err *why = d->lane->forward ? forward_last(d->lane->forward) : NULL;

        if (d->task.outcome != OUTCOME_UNREACHABLE || !why || !why->text[0])
                return;
        d->task.outcome = forward_outcome(why);
        d->task.err = *why;
}

static void answer(struct doing *d) {
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        struct op *op = d->op;

        op->private = NULL;
        op->outcome = d->task.outcome;
        if (op->outcome != OUTCOME_DONE) {
                buf_puts(&text, err_text(&d->task.err));
                act_hide(&d->request, &text);
                if (d->open)
                        err_set(&op->err, -EIO, "statement %zu: %s", d->index + 1, buf_str(&text));
                else
                        err_set(&op->err, -EIO, "%s", buf_str(&text));
                str_make_utf8(op->err.text);
        }
        op->told = told(d);
        doing_free(d);
        op->done(op);
}

static void begin_starved(void) {
        struct list *pos;

        while (threads_out < SQL_ACTS_ALL_MAX && (pos = list_pop(&starved)))
                begin_next(list_entry(pos, struct sql_lane, starved));
}

static void on_out(void *arg) {
        struct doing *d = arg;
        struct sql_lane *l = d->lane;

        l->threads--;
        threads_out--;
        begin_starved();
        if (l->closing) {
                doing_free(d);
                if (!l->threads)
                        l->idle(l->arg);
                return;
        }
        begin_next(l);
        if (!d->op)
                return doing_free(d);
        explain(d);
        answer(d);
}

static void on_refused(void *arg) {
        answer(arg);
}

static void break_off(struct doing *d) {
        pthread_mutex_lock(&d->lock);
        d->broken = true;
        if (d->socket >= 0)
                shutdown(d->socket, SHUT_RDWR);
        pthread_mutex_unlock(&d->lock);
}

static void cancel(struct op *op) {
        struct doing *d = take_ptr(op->private);

        d->op = NULL;
        if (d->job.busy)
                break_off(d);
        else
                doing_free(d);
}

/* ---- begin */

static const struct act_verb verbs[] = { { "sql", NULL }, {} };

static int check(const json_t *ask, struct err *err) {
        const json_t *list = json_get(ask, "statements"), *statement;
        size_t i;

        if (!json_array_size(list) || json_array_size(list) > SQL_STATEMENTS_MAX)
                return err_set(err, -EINVAL, "statements: a list of 1 to %d", SQL_STATEMENTS_MAX);
        json_array_foreach((json_t *)list, i, statement)
                if (!json_get_str(statement, "sql", NULL))
                        return err_set(err, -EINVAL, "statements[%zu]: no text \"sql\"", i);
        return 0;
}

static int fill_one(void *arg, const char *text, struct buf *out, struct err *err) {
        return act_fill(arg, text, out, err);
}

static int fill(struct doing *d, struct err *err) {
        int64_t seconds =
                d->request.within_ms ? (d->request.within_ms + 999) / 1000 : SQL_ACT_SECONDS;
        int r;

        if (!act_find(verbs, &d->request, err))
                return -EINVAL;
        r = check(d->request.ask, err);
        if (r == 0)
                r = json_fill(d->request.ask, fill_one, &d->request, &d->ask, err);
        if (r < 0)
                return r;
        d->task.database = json_get_str(d->ask, "database", NULL);
        d->task.answer_seconds = (int)MIN_OF(seconds, (int64_t)INT32_MAX / 1000);
        return 0;
}

void sql_act_start(struct sql_lane *l, const struct act_request *r, struct op *op) {
        struct doing *d = mem_new(struct doing);
        struct err err = { 0 };

        d->pending.cancel = cancel;
        list_init(&d->link);
        d->lane = l;
        d->op = op;
        d->request = *r;
        d->results = json_array();
        d->socket = -1;
        pthread_mutex_init(&d->lock, NULL);
        op->private = d;
        later_init(&d->refused, l->loop, "sql-refused", on_refused, d);
        d->job = (struct job){ .loop = l->loop,
                               .work = work,
                               .done = on_out,
                               .dropped = on_out,
                               .arg = d,
                               .name = "sql-act" };
        if (fill(d, &err) < 0) {
                sql_fail(&d->task, OUTCOME_REFUSED, "%s", err_text(&err));
                later_run(&d->refused);
                return;
        }
        list_append(&l->waiting, &d->link);
        begin_next(l);
}

void sql_act_init(struct sql_lane *l) {
        list_init(&l->waiting);
        list_init(&l->working);
        list_init(&l->starved);
}

bool sql_act_close(struct sql_lane *l) {
        l->closing = true;
        list_unlink(&l->starved);
        for (struct list *pos; (pos = list_pop(&l->waiting));)
                doing_free(list_entry(pos, struct doing, link));
        list_each(pos, &l->working)
                break_off(list_entry(pos, struct doing, link));
        l->forward = NULL; /* closed with the target */
        return l->threads == 0;
}
