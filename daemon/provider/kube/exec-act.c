/* SPDX-License-Identifier: Apache-2.0 */
/* exec-act.c - what an action wants of a command; see exec-act.h
 *
 * An action learns the exit code and what was printed, in bounds, and decides itself what that
 * means. An end of a stream cannot ask: there a command that fails breaks the stream, for its
 * bytes are not the whole of it. Values that went in by stdin do not come out again. */
#include "exec-act.h"

#include "operation.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>

#define SAID_MAX 300 /* bytes of its errors in an error */

/* ---- its errors' end */

struct tail {
        struct buf text;
        bool cut;
};

static void tail_add(struct tail *t, const uint8_t *data, size_t len) {
        if (len > EXEC_STDERR_MAX) {
                data += len - EXEC_STDERR_MAX;
                len = EXEC_STDERR_MAX;
                t->cut = true;
        }
        buf_add(&t->text, data, len);
        if (t->text.len > EXEC_STDERR_MAX) {
                buf_skip(&t->text, t->text.len - EXEC_STDERR_MAX);
                t->cut = true;
        }
}

/* What the command says of itself is shown as text, whatever bytes it is of. */
static json_t *tail_told(const struct tail *t) {
        cleanup_(freep) char *text = str_format("%s%s", t->cut ? "..." : "", buf_str(&t->text));

        return json_string(str_make_utf8(text));
}

/* ---- as an ask */

struct asked {
        struct operation operation;
        struct act_request request;
        struct exec *exec;
        struct buf out;
        uint64_t out_bytes;
        struct tail errors;
        struct timer deadline;
};

static void drop(struct operation *o) {
        struct asked *a = container_of(o, struct asked, operation);

        timer_cancel(&a->deadline);
        exec_free(a->exec);
        buf_wipe(&a->out);
        buf_wipe(&a->errors.text);
        operation_deinit(o);
        free(a);
}

static void answer(struct asked *a) {
        struct op *op = a->operation.op;

        op->outcome = a->operation.outcome;
        op->err = a->operation.err;
        op->private = NULL;
        drop(&a->operation);
        op->done(op);
}

static json_t *told(struct asked *a, int exit) {
        json_t *j = json_object();

        act_hide(&a->request, &a->out);
        act_hide(&a->request, &a->errors.text);
        json_object_set_new(j, "exit", json_integer(exit));
        act_tell(j, "stdout", &a->out, a->out_bytes > EXEC_STDOUT_MAX);
        json_object_set_new(j, "stdout-bytes", json_integer((json_int_t)a->out_bytes));
        if (a->out_bytes > EXEC_STDOUT_MAX)
                json_object_set_new(j, "truncated", json_true());
        json_object_set_new(j, "stderr", tail_told(&a->errors));
        return j;
}

static void on_end(void *arg, const struct exec_end *end) {
        struct asked *a = arg;

        operation_end(&a->operation, end->outcome, 0,
                      end->outcome == OUTCOME_DONE ? NULL : end->err);
        if (end->outcome == OUTCOME_DONE)
                a->operation.op->told = told(a, end->exit);
        answer(a);
}

static void on_output(void *arg, enum exec_channel from, const uint8_t *data, size_t len) {
        struct asked *a = arg;

        if (from == EXEC_STDERR)
                return tail_add(&a->errors, data, len);
        a->out_bytes += len;
        buf_add(&a->out, data, MIN_OF(len, EXEC_STDOUT_MAX - a->out.len));
}

static void on_room(void *arg) {
        /* All of the input was handed over at once: nothing waits for room. */
}

static void on_deadline(void *arg) {
        struct asked *a = arg;

        operation_say(&a->operation, OUTCOME_UNREACHABLE,
                      "exec in pod %s: no end within %lld s; it may go on", a->operation.path,
                      (long long)a->request.within_ms / 1000);
        answer(a);
}

static int begin(struct asked *a, struct target *t, struct err *err) {
        const char *input = json_get_str(a->request.ask, "stdin", NULL);
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        int r = input ? act_fill(&a->request, input, &text, err) : 0;

        if (r == 0)
                r = exec_open(t,
                              &(struct exec_how){ .ask = a->request.ask,
                                                  .input = input != NULL,
                                                  .on_output = on_output,
                                                  .on_room = on_room,
                                                  .on_end = on_end,
                                                  .arg = a },
                              &a->exec, err);
        if (r < 0 || !input)
                return r;
        exec_write(a->exec, text.data, text.len);
        exec_close_input(a->exec);
        return 0;
}

void exec_act_start(struct target *t, const struct act_request *r, struct op *op) {
        struct asked *a = mem_new(struct asked);
        struct err err = { 0 };

        operation_init(&a->operation, t, "Pod", json_get_str(r->ask, "pod", ""), op);
        a->operation.drop = drop;
        a->request = *r;
        timer_init(&a->deadline, t->loop, "exec-deadline", on_deadline, a);
        if (begin(a, t, &err) < 0) {
                drop(&a->operation);
                operation_refuse(t, op, &err);
        } else if (r->within_ms > 0) {
                timer_after(&a->deadline, r->within_ms);
        }
}

/* ---- as an end of a stream */

struct pipe {
        struct bytes bytes; /* first: what the caller holds */
        struct bytes_request request;
        struct exec *exec;
        struct tail errors;
};

static struct pipe *pipe_of(struct bytes *b) {
        return container_of(b, struct pipe, bytes);
}

static struct act_request given_to(const struct pipe *p) {
        return (struct act_request){ .ask = p->request.ask, .values = p->request.values };
}

static void pipe_output(void *arg, enum exec_channel from, const uint8_t *data, size_t len) {
        struct pipe *p = arg;

        if (from == EXEC_STDERR)
                tail_add(&p->errors, data, len);
        else if (!p->request.into)
                p->request.on_data(p->request.arg, data, len);
}

static void pipe_room(void *arg) {
        struct pipe *p = arg;

        p->request.on_room(p->request.arg);
}

/* Warnings come first, and why it ended last. From a line's begin, if it has one there. */
static const char *last_words(const char *said) {
        size_t n = strlen(said);
        const char *from = n > SAID_MAX ? said + n - SAID_MAX : said;
        const char *line = n > SAID_MAX ? strchr(from, '\n') : NULL;

        while (((unsigned char)*from & 0xc0) == 0x80) /* inside of a letter */
                from++;
        return line && line[1] ? line + 1 : from;
}

static void pipe_end(void *arg, const struct exec_end *end) {
        struct pipe *p = arg;
        const struct act_request given = given_to(p);
        const char *said;
        json_t *told;
        struct err err = *end->err;
        enum outcome outcome = end->outcome;

        act_hide(&given, &p->errors.text);
        told = json_pack("{s:i, s:o}", "exit", end->exit, "stderr", tail_told(&p->errors));
        said = json_get_str(told, "stderr", "");
        if (outcome == OUTCOME_DONE && (end->exit || end->unread)) {
                outcome = OUTCOME_REFUSED;
                err_set(&err, -EPIPE, "%s%s%s%s", end->err->text,
                        end->unread ? " before it had read all of its input" : "",
                        *said ? ": " : "", last_words(said));
        }
        p->request.on_end(p->request.arg, outcome, &err, told);
}

static void pipe_pause(struct bytes *b, bool paused) {
        exec_pause(pipe_of(b)->exec, paused);
}

static bool pipe_write(struct bytes *b, const void *data, size_t len) {
        return exec_write(pipe_of(b)->exec, data, len);
}

static void pipe_finish(struct bytes *b) {
        exec_close_input(pipe_of(b)->exec);
}

static struct bytes *pipe_free(struct bytes *b) {
        struct pipe *p = b ? pipe_of(b) : NULL;

        if (!p)
                return NULL;
        exec_free(p->exec);
        buf_wipe(&p->errors.text);
        free(p);
        return NULL;
}

/* What the command reads before the stream, or, where it is what is read from, in place of one. */
static int pipe_feed(struct pipe *p, struct err *err) {
        const struct act_request given = given_to(p);
        const char *input = json_get_str(given.ask, "stdin", NULL);
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        int r = input ? act_fill(&given, input, &text, err) : 0;

        if (r < 0 || !input)
                return r;
        exec_write(p->exec, text.data, text.len);
        if (!p->request.into)
                exec_close_input(p->exec);
        return 0;
}

struct bytes *exec_act_bytes(struct target *t, const struct bytes_request *r, struct err *err) {
        struct pipe *p = mem_new(struct pipe);

        p->bytes = (struct bytes){
                .pause = pipe_pause, .write = pipe_write, .finish = pipe_finish, .free = pipe_free
        };
        p->request = *r;
        if (exec_open(t,
                      &(struct exec_how){ .ask = r->ask,
                                          .input = r->into || json_get(r->ask, "stdin"),
                                          .on_output = pipe_output,
                                          .on_room = pipe_room,
                                          .on_end = pipe_end,
                                          .arg = p },
                      &p->exec, err) < 0 ||
            pipe_feed(p, err) < 0) {
                pipe_free(&p->bytes);
                return NULL;
        }
        return &p->bytes;
}
