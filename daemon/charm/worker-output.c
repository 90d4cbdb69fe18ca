/* SPDX-License-Identifier: Apache-2.0 */
/* worker-output.c - a pipe, cut into lines, bounded; see worker-output.h
 *
 * A module that prints without an end waits for its pipe and meets the deadline of its call; of
 * what it prints meanwhile OUTPUT_LINES in OUTPUT_WINDOW_MS are logged, and the others counted. */
#include "worker-output.h"

#include "buf.h"
#include "clock.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define OUTPUT_LINE 1000       /* bytes; what is longer goes on in the next line */
#define OUTPUT_LINES 200       /* in a window: less than half of what debug-log keeps */
#define OUTPUT_WINDOW_MS 10000 /* as long as one plan may take */
#define OUTPUT_READ (16u << 10)
#define OUTPUT_READS 4 /* of that size: what a pipe holds */

struct worker_output {
        struct watcher *watcher;
        char *charm;
        struct buf line; /* begun, not ended */
        int fd;
        int64_t window_ends;
        size_t lines, left_out; /* in this window */
};

static void say(const struct worker_output *o, int level, const char *text) {
        log_event(level, "charm-output", (struct log_field[]){ { "CHARM", o->charm }, {} }, "%s",
                  text);
}

static void tell_left_out(struct worker_output *o) {
        cleanup_(freep) char *text = NULL;

        if (!o->left_out)
                return;
        text = str_format("%zu lines more were not logged: it printed more than %d within %d s",
                          o->left_out, OUTPUT_LINES, OUTPUT_WINDOW_MS / 1000);
        o->left_out = 0;
        say(o, LOG_WARNING, text);
}

static void end_line(struct worker_output *o) {
        int64_t now = clock_mono();

        if (now >= o->window_ends) {
                tell_left_out(o);
                o->lines = 0;
                o->window_ends = now + OUTPUT_WINDOW_MS;
        }
        if (o->lines++ < OUTPUT_LINES)
                say(o, LOG_INFO, str_make_utf8(o->line.data));
        else
                o->left_out++;
        buf_clear(&o->line);
}

static void take(struct worker_output *o, const char *text, size_t n) {
        for (size_t i = 0; i < n; i++) {
                if (text[i] != '\n')
                        buf_putc(&o->line, text[i]);
                if (o->line.len && (text[i] == '\n' || o->line.len >= OUTPUT_LINE))
                        end_line(o);
        }
}

/* >0: there may be more; 0: nothing now; <0: the worker's end is closed. */
static ssize_t read_some(struct worker_output *o) {
        char text[OUTPUT_READ];
        ssize_t n = read(o->fd, text, sizeof(text));

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -1;
        take(o, text, (size_t)n);
        return n ? n : -1;
}

static void on_output(void *arg, int fd, int events) {
        struct worker_output *o = arg;

        if (read_some(o) < 0)
                o->watcher = watcher_stop(o->watcher);
}

int worker_output_start(struct loop *l, const char *charm, struct worker_output **ret, int *ret_fd,
                        struct err *err) {
        struct worker_output *o;
        int pair[2], r;

        if (pipe2(pair, O_CLOEXEC) < 0)
                return err_set(err, -errno, "no pipe for a charm worker: %s", strerror(errno));
        o = mem_new(struct worker_output);
        o->charm = str_dup(charm);
        o->fd = pair[0];
        /* The worker's end stays blocking: for it a full pipe is a wait and no error. */
        r = fcntl(o->fd, F_SETFL, O_NONBLOCK) < 0
                    ? err_set(err, -errno, "no pipe for a charm worker: %s", strerror(errno))
                    : watcher_start(l, "charm output", o->fd, LOOP_READ, on_output, o, &o->watcher,
                                    err);
        if (r < 0) {
                close(pair[1]);
                worker_output_stop(o);
                return r;
        }
        *ret = o;
        *ret_fd = pair[1];
        return 0;
}

struct worker_output *worker_output_stop(struct worker_output *o) {
        if (!o)
                return NULL;
        /* A worker that is not gone yet may print on: what one pipe holds, and no more. */
        for (int i = 0; i < OUTPUT_READS && read_some(o) > 0; i++)
                ;
        if (o->line.len)
                end_line(o);
        tell_left_out(o);
        o->watcher = watcher_stop(o->watcher);
        closep(&o->fd);
        buf_free(&o->line);
        free(o->charm);
        free(o);
        return NULL;
}
