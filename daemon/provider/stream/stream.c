/* SPDX-License-Identifier: Apache-2.0 */
/* stream.c - the pump between two ends; see stream.h
 *
 *      source ──on_data──▶ in ──(thread: code)──▶ out ──write──▶ sink
 *
 * IN takes up to two pieces before the source is paused (what it brings in one go it may bring
 * more), OUT is one piece's, so that three pieces and what the ends hold is all there ever is. The
 * sink is opened when there is something for it: a command that fails at once, or a key that is
 * wrong, touches nothing. Whatever ends first in trouble ends all: first the thread is waited for,
 * then the ends are let go, then it is told. */
#include "stream.h"

#include "stream-file.h"

#include <errno.h>
#include <stdlib.h>

#define FROM_END "where the bytes come from"
#define TO_END "where the bytes go to"

struct stream {
        struct stream_request request;
        struct op *op; /* NULL: cancelled */
        struct bytes *source, *sink;
        struct stream_code *code;
        struct buf in;
        struct later soon;
        struct timer deadline;
        bool paused, drained; /* the source: told to wait; at its end */
        bool full, finished;  /* the sink: told us to wait; told that this was all, or nowhere */
        bool failed, told;
        uint64_t moved;
        enum outcome outcome;
        struct err err;
        json_t *from, *to;
        /* the thread's, while it is out: */
        struct job job;
        struct buf piece, out;
        bool last, more, coded; /* CODED: all of it went through */
        struct err code_err;
};

static void go_on(void *arg);

/* ---- the end */

static void stream_free(struct stream *s) {
        later_cancel(&s->soon);
        timer_cancel(&s->deadline);
        if (s->source)
                s->source->free(s->source);
        if (s->sink)
                s->sink->free(s->sink);
        stream_code_free(s->code);
        buf_wipe(&s->in);
        buf_wipe(&s->piece);
        buf_wipe(&s->out);
        json_decref(s->from);
        json_decref(s->to);
        free(s);
}

static json_t *told(const struct stream *s) {
        struct stream_code_sum stored, plain;
        json_t *j = json_object();

        stream_code_sums(s->code, &stored, &plain);
        json_object_set_new(j, "bytes", json_integer((json_int_t)stored.bytes));
        json_object_set_new(j, "sha256", json_string(stored.sha256));
        json_object_set_new(j, "plain-bytes", json_integer((json_int_t)plain.bytes));
        json_object_set_new(j, "plain-sha256", json_string(plain.sha256));
        if (s->from)
                json_object_set(j, "from", s->from);
        if (s->to)
                json_object_set(j, "to", s->to);
        return j;
}

static void tell(struct stream *s) {
        struct op *op = s->op;

        op->private = NULL;
        op->outcome = s->outcome;
        op->err = s->err;
        if (s->outcome == OUTCOME_DONE)
                op->told = told(s);
        stream_free(s);
        op->done(op);
}

static void end_as(struct stream *s, enum outcome outcome, const struct err *why,
                   const char *which) {
        if (s->failed)
                return;
        s->failed = true;
        s->outcome = outcome;
        err_set(&s->err, why->code ? why->code : -EIO, "%s: %s", which, err_text(why));
        later_run(&s->soon);
}

static void on_deadline(void *arg) {
        struct stream *s = arg;
        struct err err = { 0 };

        err_set(&err, -ETIMEDOUT, "not over within %lld s", (long long)s->request.within_ms / 1000);
        end_as(s, OUTCOME_UNREACHABLE, &err, "the stream");
}

/* ---- the source */

static bool wants_more(const struct stream *s) {
        return s->in.len < STREAM_PIECE;
}

static void on_data(void *arg, const void *data, size_t len) {
        struct stream *s = arg;

        if (s->failed)
                return;
        buf_add(&s->in, data, len);
        if (!wants_more(s) && !s->paused) {
                s->paused = true;
                s->source->pause(s->source, true);
        }
        if (!wants_more(s))
                later_run(&s->soon);
}

static void on_source_end(void *arg, enum outcome outcome, const struct err *err, json_t *j) {
        struct stream *s = arg;

        s->from = j;
        s->drained = true;
        if (outcome != OUTCOME_DONE)
                end_as(s, outcome, err, FROM_END);
        later_run(&s->soon);
}

static void on_no_room(void *arg) {
        /* Of a source. */
}

/* ---- the sink */

static void on_no_data(void *arg, const void *data, size_t len) {
        /* Of a sink. */
}

static void on_room(void *arg) {
        struct stream *s = arg;

        s->full = false;
        later_run(&s->soon);
}

static void on_sink_end(void *arg, enum outcome outcome, const struct err *err, json_t *j) {
        struct stream *s = arg;
        struct err early = { 0 };

        s->to = j;
        if (outcome == OUTCOME_DONE && s->finished) {
                s->told = true;
                later_run(&s->soon);
                return;
        }
        if (outcome == OUTCOME_DONE)
                err_set(&early, -EPIPE, "it ended before it had all of them");
        end_as(s, outcome == OUTCOME_DONE ? OUTCOME_REFUSED : outcome,
               outcome == OUTCOME_DONE ? &early : err, TO_END);
}

static struct bytes *open_end(struct stream *s, const struct stream_end *e, bool into,
                              struct err *err) {
        struct bytes_request r = { .verb = e->verb,
                                   .ask = e->ask,
                                   .values = e->values,
                                   .into = into,
                                   .on_data = into ? on_no_data : on_data,
                                   .on_room = into ? on_room : on_no_room,
                                   .on_end = into ? on_sink_end : on_source_end,
                                   .arg = s };

        if (!e->provider)
                return stream_file_open(s->request.loop, s->request.folder, e->file, &r, err);
        if (e->provider->bytes)
                return e->provider->bytes(e->target, &r, err);
        err_set(err, -ENOTSUP, "no stream begins or ends at a target of %s", e->provider->name);
        return NULL;
}

static bool is_nowhere(const struct stream_end *e) {
        return !e->provider && !e->file;
}

static bool open_sink(struct stream *s) {
        struct err err = { 0 };

        if (s->sink)
                return true;
        s->sink = open_end(s, &s->request.to, true, &err);
        if (!s->sink)
                end_as(s, OUTCOME_REFUSED, &err, TO_END);
        return s->sink != NULL;
}

/* What came out of the thread. */
static void hand_out(struct stream *s) {
        if (s->out.len && !is_nowhere(&s->request.to) && open_sink(s))
                s->full = !s->sink->write(s->sink, s->out.data, s->out.len);
        buf_clear(&s->out);
}

static bool sum_is_right(struct stream *s) {
        struct stream_code_sum stored, plain;
        const char *want = s->request.sha256 ? s->request.sha256 : "";
        struct err err = { 0 };

        stream_code_sums(s->code, &stored, &plain);
        if (!*want || str_eq(want, stored.sha256))
                return true;
        err_set(&err, -EBADMSG, "their SHA-256 is %s, not %.64s", stored.sha256, want);
        end_as(s, OUTCOME_REFUSED, &err, "the bytes");
        return false;
}

static void finish(struct stream *s) {
        if (s->finished || !sum_is_right(s))
                return;
        s->finished = true;
        if (is_nowhere(&s->request.to)) {
                s->told = true;
                later_run(&s->soon);
        } else if (open_sink(s)) {
                s->sink->finish(s->sink);
        }
}

/* ---- the thread */

static void work(void *arg) {
        struct stream *s = arg;
        int r = stream_code_work(s->code, s->piece.data, s->piece.len, s->last, &s->out,
                                 &s->code_err);

        s->more = r == 1;
        s->coded = r == 0 && s->last;
}

static void on_worked(void *arg) {
        struct stream *s = arg;

        if (!s->op)
                return stream_free(s);
        s->moved = stream_code_plain(s->code);
        buf_clear(&s->piece);
        if (s->code_err.code)
                end_as(s, OUTCOME_REFUSED, &s->code_err, "the bytes");
        later_run(&s->soon);
}

static void send_to_work(struct stream *s) {
        struct buf empty = s->piece; /* cleared; its room goes on being used */

        if (!s->more) {
                s->piece = s->in;
                s->in = empty;
                s->last = s->drained;
        }
        job_start(&s->job);
        if (s->paused && wants_more(s)) {
                s->paused = false;
                if (!s->drained)
                        s->source->pause(s->source, false);
        }
}

static void go_on(void *arg) {
        struct stream *s = arg;

        if (s->job.busy)
                return;
        if (s->failed || s->told)
                return tell(s);
        hand_out(s);
        if (s->full || s->failed)
                return;
        if (s->coded)
                finish(s);
        else if (s->more || s->drained || !wants_more(s))
                send_to_work(s);
}

/* ---- begin and cancel */

void stream_start(const struct stream_request *r, struct op *op) {
        struct stream *s = mem_new(struct stream);
        struct err err = { 0 };

        s->request = *r;
        s->op = op;
        op->private = s;
        s->code = stream_code_new(&r->how);
        s->job = (struct job){ .loop = r->loop,
                               .work = work,
                               .done = on_worked,
                               .dropped = on_worked,
                               .arg = s,
                               .name = "stream" };
        later_init(&s->soon, r->loop, "stream", go_on, s);
        timer_init(&s->deadline, r->loop, "stream-deadline", on_deadline, s);
        if (r->within_ms > 0)
                timer_after(&s->deadline, r->within_ms);
        s->source = open_end(s, &r->from, false, &err);
        if (!s->source)
                end_as(s, OUTCOME_REFUSED, &err, FROM_END);
}

void stream_cancel(struct op *op) {
        struct stream *s = take_ptr(op->private);

        if (!s)
                return;
        s->op = NULL;
        timer_cancel(&s->deadline);
        if (s->source)
                s->source = s->source->free(s->source);
        if (s->sink)
                s->sink = s->sink->free(s->sink);
        later_cancel(&s->soon);
        if (!s->job.busy)
                stream_free(s);
}

static bool in_trouble(const struct bytes *b, char *text, size_t size) {
        return b && b->trouble && b->trouble(b, text, size);
}

bool stream_trouble(const struct op *op, char *text, size_t size) {
        const struct stream *s = op->private;
        char why[ERR_TEXT_MAX];

        if (s && in_trouble(s->source, why, sizeof(why)))
                snprintf(text, size, FROM_END ": %s", why);
        else if (s && in_trouble(s->sink, why, sizeof(why)))
                snprintf(text, size, TO_END ": %s", why);
        else
                return false;
        return true;
}

uint64_t stream_moved(const struct op *op) {
        const struct stream *s = op->private;

        return s ? s->moved : 0;
}
