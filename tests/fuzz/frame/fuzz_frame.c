/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_frame.c - worker frames: the same frames come out in one piece and byte by byte, none
 * beyond its limit */
#include "frame.h"

#include <stdlib.h>

#define BODY_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes what comes out again as frames; returns the reader's last word. */
static int take_all(struct frame_reader *r, struct buf *out) {
        struct frame f;
        int e;

        while ((e = frame_next(r, &f, NULL)) == 1) {
                if (f.len > BODY_MAX)
                        abort();
                frame_put(out, f.type, f.body, f.len);
        }
        return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup_(frame_reader_deinit) struct frame_reader whole, slow;
        cleanup_(buf_free) struct buf a = BUF_INIT;
        cleanup_(buf_free) struct buf b = BUF_INIT;
        int ea, eb = 0;

        frame_reader_init(&whole, BODY_MAX);
        frame_reader_init(&slow, BODY_MAX);
        frame_feed(&whole, data, size);
        ea = take_all(&whole, &a);
        for (size_t i = 0; i < size && eb == 0; i++) {
                frame_feed(&slow, data + i, 1);
                eb = take_all(&slow, &b);
        }
        if (ea != eb || a.len != b.len || (a.len && memcmp(a.data, b.data, a.len) != 0))
                abort();
        /* What came out is what went in. */
        if (a.len > size || (a.len && memcmp(a.data, data, a.len) != 0))
                abort();
        return 0;
}
