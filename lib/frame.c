/* SPDX-License-Identifier: Apache-2.0 */
/* frame.c - length-framed messages; see frame.h
 *
 * The worker's sandbox leaves it read and write, so nothing else is called here. */
#include "frame.h"

#include "file.h"

#include <errno.h>
#include <unistd.h>

#define HEAD_SIZE 5 /* length and type */
/* Of a blocking read: an ordinary view; the buffer stays, in each of forty workers. */
#define READ_SIZE (8u << 10)

void frame_reader_init(struct frame_reader *r, size_t max) {
        *r = (struct frame_reader){ .in = BUF_INIT, .max = max };
}

void frame_reader_deinit(struct frame_reader *r) {
        buf_free(&r->in);
        r->done = 0;
}

static void drop_done(struct frame_reader *r) {
        if (!r->done)
                return;
        buf_skip(&r->in, r->done);
        r->done = 0;
}

void frame_feed(struct frame_reader *r, const void *data, size_t len) {
        drop_done(r);
        buf_add(&r->in, data, len);
}

static uint32_t read_length(const char *data) {
        const uint8_t *p = (const uint8_t *)data;

        return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int frame_next(struct frame_reader *r, struct frame *ret, struct err *err) {
        const char *head = r->in.data + r->done;
        size_t have = r->in.len - r->done;
        uint32_t length;

        if (have < 4)
                return 0;
        length = read_length(head);
        if (length == 0)
                return err_set(err, -EBADMSG, "a frame without a type");
        if (length - 1 > r->max)
                return err_set(err, -E2BIG, "a frame of %u bytes, at most %zu are allowed",
                               length - 1, r->max);
        if (have < 4 + (size_t)length)
                return 0;
        *ret = (struct frame){ .type = (uint8_t)head[4],
                               .body = head + HEAD_SIZE,
                               .len = length - 1 };
        r->done += 4 + (size_t)length;
        return 1;
}

static void put_head(uint8_t head[HEAD_SIZE], uint8_t type, size_t len) {
        uint32_t length = (uint32_t)len + 1;

        head[0] = (uint8_t)length;
        head[1] = (uint8_t)(length >> 8);
        head[2] = (uint8_t)(length >> 16);
        head[3] = (uint8_t)(length >> 24);
        head[4] = type;
}

void frame_put(struct buf *out, uint8_t type, const void *body, size_t len) {
        uint8_t head[HEAD_SIZE];

        put_head(head, type, len);
        buf_reserve(out, len + HEAD_SIZE);
        buf_add(out, head, sizeof(head));
        buf_add(out, body, len);
}

int frame_write(int fd, uint8_t type, const void *body, size_t len, struct err *err) {
        cleanup_(buf_free) struct buf whole = BUF_INIT;
        int r;

        if (len >= UINT32_MAX)
                return err_set(err, -E2BIG, "a frame of %zu bytes", len);
        /* One write for head and body: a copy costs less than a second wake of the reader. */
        frame_put(&whole, type, body, len);
        r = file_write_all(fd, whole.data, whole.len);
        return r < 0 ? err_set(err, r, "cannot write a frame: %s", strerror(-r)) : 0;
}

/* >0: bytes were taken in. */
static int read_some(int fd, struct frame_reader *r, struct err *err) {
        ssize_t n;
        int e;

        drop_done(r);
        buf_reserve(&r->in, READ_SIZE);
        do {
                n = read(fd, r->in.data + r->in.len, READ_SIZE);
                e = -errno;
        } while (n < 0 && e == -EINTR);
        if (n < 0)
                return err_set(err, e, "cannot read a frame: %s", strerror(-e));
        if (n == 0 && r->in.len)
                return err_set(err, -EBADMSG, "the stream ends inside a frame");
        if (n == 0)
                return err_set(err, -EPIPE, "the other side is gone");
        r->in.len += (size_t)n;
        r->in.data[r->in.len] = '\0';
        return 1;
}

int frame_read(int fd, struct frame_reader *r, struct frame *ret, struct err *err) {
        int e;

        for (;;) {
                e = frame_next(r, ret, err);
                if (e != 0)
                        return e < 0 ? e : 0;
                e = read_some(fd, r, err);
                if (e < 0)
                        return e;
        }
}
