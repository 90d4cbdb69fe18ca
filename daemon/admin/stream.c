/* SPDX-License-Identifier: Apache-2.0 */
/* stream.c - /v1/events and /v1/log: one JSON object a line, for as long as the reader stays
 *
 * A line waits in its stream's buffer until libmicrohttpd asks for it; while there is none the
 * connection is suspended. A suspended connection does not notice that its client left: every
 * ADMIN_STREAM_BEAT_MS an empty line goes out, and the write finds it. A reader that is more
 * than ADMIN_STREAM_LAG_MAX lines behind loses what waits and is told so with {"kind": "lagged",
 * "lost": n}: it reads the state again, as after any lost event.
 *
 * Log lines come from any thread: they are put into a mail box under a lock, and handed to the
 * streams on the loop. */
#include "admin-internal.h"
#include "routes.h"

#include "clock.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define STREAM_BLOCK 16384 /* bytes libmicrohttpd asks for at once */

enum stream_kind { STREAM_EVENTS, STREAM_LOG };

struct stream {
        struct request *request; /* borrowed: it ends the stream before it goes */
        enum stream_kind kind;
        int level; /* least important log level that is wanted */
        struct buf waiting;
        size_t lines; /* in WAITING */
        size_t lost;  /* since the last "lagged" */
        bool suspended, ended;
        struct list link;
};

struct mail_item {
        struct list link;
        int level;
        char *application;
        char *text;
};

struct mail {
        atomic_int refs;
        atomic_int readers; /* log streams: nobody writes letters to an empty house */
        pthread_mutex_t lock;
        struct list items;
        size_t count;
        bool posted;
        struct admin *admin; /* NULL: gone; the loop's thread only */
};

static void item_free(struct mail_item *i) {
        free(i->application);
        free(i->text);
        free(i);
}

static struct mail *mail_unref(struct mail *m) {
        if (!m || atomic_fetch_sub(&m->refs, 1) > 1)
                return NULL;
        list_each(link, &m->items)
                item_free(list_entry(link, struct mail_item, link));
        pthread_mutex_destroy(&m->lock);
        free(m);
        return NULL;
}

/* ---- one stream */

static void wake(struct stream *s) {
        if (!s->suspended)
                return;
        s->suspended = false;
        MHD_resume_connection(s->request->connection);
        server_kick(s->request->admin);
}

static void add_line(struct stream *s, const char *text) {
        if (s->lines >= ADMIN_STREAM_LAG_MAX) {
                s->lost += s->lines;
                s->lines = 0;
                buf_clear(&s->waiting);
        }
        if (s->lost && s->lines == 0) {
                buf_printf(&s->waiting, "{\"kind\":\"lagged\",\"lost\":%zu}\n", s->lost);
                s->lost = 0;
                s->lines = 1;
        }
        buf_puts(&s->waiting, text);
        buf_putc(&s->waiting, '\n');
        s->lines++;
        wake(s);
}

static size_t count_lines(const char *data, size_t len) {
        size_t n = 0;

        for (size_t i = 0; i < len; i++)
                n += data[i] == '\n';
        return n;
}

static ssize_t read_more(void *arg, uint64_t at, char *out, size_t max) {
        struct stream *s = arg;
        size_t n = MIN_OF(s->waiting.len, max);

        if (n == 0 && s->ended)
                return MHD_CONTENT_READER_END_OF_STREAM;
        if (n == 0) {
                s->suspended = true;
                MHD_suspend_connection(s->request->connection);
                return 0;
        }
        memcpy(out, s->waiting.data, n);
        s->lines -= MIN_OF(s->lines, count_lines(out, n));
        buf_skip(&s->waiting, n);
        return (ssize_t)n;
}

int stream_respond(struct request *q) {
        struct MHD_Response *response = MHD_create_response_from_callback(
                MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_more, q->stream, NULL);
        enum MHD_Result r;

        MHD_add_response_header(response, "Content-Type", "application/x-ndjson");
        MHD_add_response_header(response, "Cache-Control", "no-store");
        r = MHD_queue_response(q->connection, 200, response);
        MHD_destroy_response(response);
        return r;
}

void stream_free(struct request *q) {
        struct stream *s = take_ptr(q->stream);

        if (!s)
                return;
        list_unlink(&s->link);
        q->admin->stream_count--;
        if (s->kind == STREAM_LOG)
                atomic_fetch_sub(&q->admin->mail->readers, 1);
        buf_free(&s->waiting);
        free(s);
}

static struct stream *start(struct request *q, enum stream_kind kind) {
        struct admin *a = q->admin;
        struct stream *s;
        struct err err = { 0 };

        if (a->stream_count >= ADMIN_STREAMS_MAX) {
                err_set(&err, -EAGAIN, "%d streams are open, which is as many as there can be",
                        ADMIN_STREAMS_MAX);
                request_fail(q, -EAGAIN, &err);
                return NULL;
        }
        s = q->stream = mem_new(struct stream);
        s->request = q;
        s->kind = kind;
        s->level = LOG_DEBUG;
        list_append(&a->streams, &s->link);
        a->stream_count++;
        if (kind == STREAM_LOG)
                atomic_fetch_add(&a->mail->readers, 1);
        return s;
}

/* ---- events */

void stream_events(struct request *q) {
        struct stream *s = start(q, STREAM_EVENTS);

        if (s)
                add_line(s, "{\"kind\":\"begin\"}");
}

static bool wants_event(const struct stream *s, const json_t *event) {
        const char *model = request_query(s->request, "model");
        const char *kind = request_query(s->request, "kind");

        return s->kind == STREAM_EVENTS &&
               (!model || str_eq(model, json_get_str(event, "model", ""))) &&
               (!kind || str_eq(kind, json_get_str(event, "kind", "")));
}

void admin_event(struct admin *a, const json_t *event) {
        cleanup_(freep) char *text = NULL;

        list_each(link, &a->streams) {
                struct stream *s = list_entry(link, struct stream, link);

                if (!wants_event(s, event))
                        continue;
                if (!text)
                        text = json_text(event);
                add_line(s, text);
        }
}

/* ---- log */

static const char *field_of(const struct log_line *line, const char *name) {
        for (const struct log_field *f = line->fields; f && f->name; f++)
                if (str_eq(f->name, name))
                        return f->value;
        return NULL;
}

static char *line_text(const struct log_line *line) {
        cleanup_(json_freep) json_t *j = json_object();
        json_t *fields = json_object();
        char stamp[CLOCK_TEXT_MAX];

        json_object_set_new(j, "at", json_string(clock_iso(line->at, true, stamp)));
        json_object_set_new(j, "level", json_string(log_level_name(line->level)));
        json_object_set_new(j, "event", json_string(line->event));
        /* Not UTF-8 is left out, with the rest of the line in place. */
        json_object_set_new(j, "text", json_string(line->text));
        for (const struct log_field *f = line->fields; f && f->name; f++)
                if (f->value)
                        json_object_set_new(fields, f->name, json_string(f->value));
        json_object_set_new(j, "fields", fields);
        return json_text(j);
}

static bool wants_line(const struct stream *s, int level, const char *application) {
        const char *wanted = request_query(s->request, "application");

        return s->kind == STREAM_LOG && level <= s->level &&
               (!wanted || str_eq(wanted, application));
}

static void hand_out(struct admin *a, const struct mail_item *i) {
        list_each(link, &a->streams) {
                struct stream *s = list_entry(link, struct stream, link);

                if (wants_line(s, i->level, i->application))
                        add_line(s, i->text);
        }
}

/* On the loop. */
static void deliver(void *arg) {
        struct mail *m = arg;
        struct list items, *l;

        list_init(&items);
        pthread_mutex_lock(&m->lock);
        while ((l = list_pop(&m->items)))
                list_append(&items, l);
        m->count = 0;
        m->posted = false;
        pthread_mutex_unlock(&m->lock);
        while ((l = list_pop(&items))) {
                struct mail_item *i = list_entry(l, struct mail_item, link);

                if (m->admin)
                        hand_out(m->admin, i);
                item_free(i);
        }
        mail_unref(m);
}

void admin_log(struct admin *a, const struct log_line *line) {
        struct mail *m = a->mail;
        struct mail_item *i;
        bool post;

        if (atomic_load(&m->readers) == 0)
                return;
        i = mem_new(struct mail_item);
        i->level = line->level;
        i->application = str_dup(field_of(line, "APPLICATION"));
        i->text = line_text(line);
        pthread_mutex_lock(&m->lock);
        if (m->count == ADMIN_STREAM_LAG_MAX) {
                item_free(list_entry(list_pop(&m->items), struct mail_item, link));
                m->count--;
        }
        list_append(&m->items, &i->link);
        m->count++;
        post = !m->posted;
        m->posted = true;
        pthread_mutex_unlock(&m->lock);
        if (!post)
                return;
        atomic_fetch_add(&m->refs, 1);
        loop_post(a->options.loop, "stream", deliver, m);
}

struct replay {
        struct stream *stream;
        size_t skip; /* lines before those that are wanted */
        size_t count;
        bool counting;
};

static void replay_line(void *arg, const struct log_line *line) {
        struct replay *r = arg;
        cleanup_(freep) char *text = NULL;

        if (!wants_line(r->stream, line->level, field_of(line, "APPLICATION")))
                return;
        if (r->counting) {
                r->count++;
                return;
        }
        if (r->skip) {
                r->skip--;
                return;
        }
        text = line_text(line);
        add_line(r->stream, text);
}

/* The lines that are kept: all with "replay", else the last "tail". */
static void replay(struct stream *s, const struct request *q) {
        int64_t tail =
                request_query_int(q, "tail", request_query_bool(q, "replay") ? INT64_MAX : 10);
        struct replay r = { .stream = s, .counting = true };

        log_recent(replay_line, &r);
        r.counting = false;
        r.skip = (int64_t)r.count > tail ? r.count - (size_t)MAX_OF(tail, 0) : 0;
        log_recent(replay_line, &r);
}

void stream_log(struct request *q) {
        const char *level = request_query(q, "level");
        const char *follow = request_query(q, "follow");
        int number = level ? log_level_from_name(level) : LOG_DEBUG;
        struct err err = { 0 };
        struct stream *s;

        if (number < 0) {
                err_set(&err, -EINVAL,
                        "level: must be error, warning, notice, info or debug, is \"%s\"", level);
                return request_fail(q, -EINVAL, &err);
        }
        s = start(q, STREAM_LOG);
        if (!s)
                return;
        s->level = number;
        replay(s, q);
        s->ended = follow && !request_query_bool(q, "follow");
}

/* ---- all of them */

static void beat(void *arg) {
        struct admin *a = arg;

        list_each(link, &a->streams) {
                struct stream *s = list_entry(link, struct stream, link);

                if (s->waiting.len == 0)
                        add_line(s, "");
        }
        timer_after(&a->beat, ADMIN_STREAM_BEAT_MS);
}

void stream_init(struct admin *a) {
        a->mail = mem_new(struct mail);
        atomic_store(&a->mail->refs, 1);
        pthread_mutex_init(&a->mail->lock, NULL);
        list_init(&a->mail->items);
        a->mail->admin = a;
        timer_init(&a->beat, a->options.loop, "admin streams", beat, a);
        timer_after(&a->beat, ADMIN_STREAM_BEAT_MS);
}

void stream_deinit(struct admin *a) {
        timer_cancel(&a->beat);
        a->mail->admin = NULL;
        a->mail = mail_unref(a->mail);
}

void stream_end_all(struct admin *a) {
        list_each(link, &a->streams) {
                struct stream *s = list_entry(link, struct stream, link);

                s->ended = true;
                wake(s);
        }
}
