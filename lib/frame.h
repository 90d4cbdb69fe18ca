/* SPDX-License-Identifier: Apache-2.0 */
/* frame.h - length-framed messages over a socketpair: daemon and charm worker
 *
 * A frame is 4 bytes length of what follows (little-endian), 1 byte type, then the body. The
 * reader is a push parser, so that both a blocking worker and the loop can feed it; a length
 * beyond its limit is refused before a byte of the body is taken in. */
#pragma once

#include "buf.h"
#include "err.h"

struct frame {
        uint8_t type;
        const char *body; /* valid until the next call on the reader */
        size_t len;
};

struct frame_reader {
        struct buf in;
        size_t done;  /* bytes at the head of IN that were handed out */
        size_t max;   /* largest body */
};

void frame_reader_init(struct frame_reader *r, size_t max);
void frame_reader_deinit(struct frame_reader *r);
void frame_feed(struct frame_reader *r, const void *data, size_t len);
/* 1: a frame; 0: not whole yet; -E2BIG; -EBADMSG for a frame without even a type. */
int frame_next(struct frame_reader *r, struct frame *ret, struct err *err);

/* Appends one frame to OUT. */
void frame_put(struct buf *out, uint8_t type, const void *body, size_t len);
/* Blocking, whole frames, for workers; both return 0 when done. -EPIPE at end of file between
 * frames; -EBADMSG inside one. Writing to a socket whose other side is gone raises SIGPIPE as
 * usual. */
int frame_write(int fd, uint8_t type, const void *body, size_t len, struct err *err);
int frame_read(int fd, struct frame_reader *r, struct frame *ret, struct err *err);
