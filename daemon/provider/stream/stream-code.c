/* SPDX-License-Identifier: Apache-2.0 */
/* stream-code.c - see stream-code.h
 *
 * Packing gives little more than it was given, so that it is done at once; unpacking may give a
 * thousand times as much, so what is opened waits between the stages and is unpacked in steps. */
#include "stream-code.h"

#include "stream-seal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_BITS (15 + 16) /* of window, with gzip's head and sum */
#define GZIP_MEMORY 8
#define OUT_MAX (512u << 10) /* of one call, when unpacking */
#define ROOM (64u << 10)

struct sum {
        struct digest_stream hash;
        uint64_t bytes;
        char sha256[DIGEST_HEX_SIZE];
};

struct stream_code {
        bool undo, gzip, packing; /* PACKING: Z is begun */
        bool packed;              /* its end was reached */
        bool pending;             /* Z holds more than OUT had room for */
        bool all;                 /* undo: the last bytes came */
        struct stream_seal *seal;
        z_stream z;
        struct buf between; /* packed, or opened and not yet unpacked from BETWEEN_AT on */
        size_t between_at;
        bool same; /* what comes out is what went in: summed once */
        struct sum in, out;
};

struct stream_code *stream_code_new(const struct stream_code_how *how) {
        struct stream_code *c = mem_new(struct stream_code);

        c->undo = how->undo;
        c->gzip = how->gzip;
        c->same = !how->gzip && !how->key;
        digest_start(&c->in.hash);
        digest_start(&c->out.hash);
        if (how->key && how->undo)
                c->seal = stream_seal_opener(how->key, how->key_len);
        else if (how->key)
                c->seal = stream_seal_new(how->key, how->key_len, how->gzip ? STREAM_SEAL_GZIP : 0);
        return c;
}

struct stream_code *stream_code_free(struct stream_code *c) {
        if (!c)
                return NULL;
        if (c->packing && c->undo)
                inflateEnd(&c->z);
        else if (c->packing)
                deflateEnd(&c->z);
        stream_seal_free(c->seal);
        buf_wipe(&c->between);
        free(c);
        return NULL;
}

static void add(struct sum *s, const void *data, size_t len) {
        digest_add(&s->hash, data, len);
        s->bytes += len;
}

static void end(struct sum *s) {
        uint8_t digest[DIGEST_SIZE];

        digest_end(&s->hash, digest);
        digest_hex(digest, sizeof(digest), s->sha256);
}

/* ---- packing */

static void begin_z(struct stream_code *c) {
        int r;

        if (c->packing)
                return;
        c->packing = true;
        r = c->undo ? inflateInit2(&c->z, GZIP_BITS)
                    : deflateInit2(&c->z, Z_BEST_SPEED, Z_DEFLATED, GZIP_BITS, GZIP_MEMORY,
                                   Z_DEFAULT_STRATEGY);
        assert(r == Z_OK);
}

static void pack(struct stream_code *c, const void *in, size_t len, bool last, struct buf *out) {
        int r = Z_OK;

        begin_z(c);
        c->z.next_in = (Bytef *)in;
        c->z.avail_in = (uInt)len;
        while (c->z.avail_in || (last && r != Z_STREAM_END)) {
                buf_reserve(out, ROOM);
                c->z.next_out = (Bytef *)out->data + out->len;
                c->z.avail_out = ROOM;
                r = deflate(&c->z, last ? Z_FINISH : Z_NO_FLUSH);
                assert(r == Z_OK || r == Z_STREAM_END);
                out->len += ROOM - c->z.avail_out;
        }
}

static int work_forward(struct stream_code *c, const void *in, size_t len, bool last,
                        struct buf *out, struct err *err) {
        struct buf *packed = c->seal ? &c->between : out;
        int r;

        if (!c->gzip && c->seal)
                return stream_seal_work(c->seal, in, len, last, out, err);
        if (!c->gzip) {
                buf_add(out, in, len);
                return 0;
        }
        pack(c, in, len, last, packed);
        if (!c->seal)
                return 0;
        r = stream_seal_work(c->seal, c->between.data, c->between.len, last, out, err);
        buf_clear(&c->between);
        return r;
}

/* ---- unpacking */

static int inflate_some(struct stream_code *c, struct buf *out, struct err *err) {
        int r;

        if (c->packed)
                inflateReset(&c->z); /* gzip's files may stand one behind the other */
        buf_reserve(out, ROOM);
        c->z.next_in = (Bytef *)c->between.data + c->between_at;
        c->z.avail_in = (uInt)(c->between.len - c->between_at);
        c->z.next_out = (Bytef *)out->data + out->len;
        c->z.avail_out = ROOM;
        r = inflate(&c->z, Z_NO_FLUSH);
        out->len += ROOM - c->z.avail_out;
        c->between_at = c->between.len - c->z.avail_in;
        if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
                return err_set(err, -EBADMSG, "what is compressed is broken: %s",
                               c->z.msg ? c->z.msg : "no gzip");
        c->packed = r == Z_STREAM_END;
        c->pending = !c->packed && c->z.avail_out == 0;
        return 0;
}

/* 1: OUT is full. */
static int unpack(struct stream_code *c, bool last, struct buf *out, struct err *err) {
        begin_z(c);
        while (c->between_at < c->between.len || c->pending) {
                int r;

                if (out->len >= OUT_MAX)
                        return 1;
                r = inflate_some(c, out, err);
                if (r < 0)
                        return r;
        }
        buf_clear(&c->between);
        c->between_at = 0;
        if (last && !c->packed)
                return err_set(err, -EBADMSG, "what is compressed is cut off");
        return 0;
}

static int work_back(struct stream_code *c, const void *in, size_t len, bool last, struct buf *out,
                     struct err *err) {
        bool gzip = c->gzip;
        int r = 0;

        if (c->seal && !c->all)
                r = stream_seal_work(c->seal, in, len, last, &c->between, err);
        else if (!c->seal)
                buf_add(&c->between, in, len);
        if (r < 0)
                return r;
        c->all = last;
        if (c->seal)
                gzip = stream_seal_flags(c->seal) & STREAM_SEAL_GZIP;
        if (gzip)
                return unpack(c, last, out, err);
        buf_add(out, c->between.data, c->between.len);
        buf_clear(&c->between);
        return 0;
}

/* ---- both */

int stream_code_work(struct stream_code *c, const void *in, size_t len, bool last, struct buf *out,
                     struct err *err) {
        size_t before = out->len;
        int r;

        add(&c->in, in, len);
        r = c->undo ? work_back(c, in, len, last, out, err)
                    : work_forward(c, in, len, last, out, err);
        if (!c->same)
                add(&c->out, buf_str(out) + before, out->len - before);
        if (r != 0 || !last)
                return r;
        end(&c->in);
        if (!c->same)
                end(&c->out);
        return r;
}

static void tell(const struct sum *s, struct stream_code_sum *ret) {
        ret->bytes = s->bytes;
        str_copy(ret->sha256, sizeof(ret->sha256), s->sha256);
}

void stream_code_sums(const struct stream_code *c, struct stream_code_sum *ret_stored,
                      struct stream_code_sum *ret_plain) {
        tell(c->undo || c->same ? &c->in : &c->out, ret_stored);
        tell(c->undo && !c->same ? &c->out : &c->in, ret_plain);
}

uint64_t stream_code_plain(const struct stream_code *c) {
        return c->undo && !c->same ? c->out.bytes : c->in.bytes;
}
