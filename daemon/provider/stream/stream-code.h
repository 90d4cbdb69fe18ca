/* SPDX-License-Identifier: Apache-2.0 */
/* stream-code.h - what is done to the bytes of a stream: gzip, sealing, and both undone
 *
 *      plain ──gzip──▶ ──seal──▶ stored        stored ──open──▶ ──gunzip──▶ plain
 *
 * Pure; one thread at a time, which need not be the same. Without a key the stored bytes are what
 * gzip writes, or the plain ones; with one, stream-seal.h's. */
#pragma once

#include "digest.h"

struct stream_code_how {
        bool undo;       /* stored bytes come in, plain ones go out */
        bool gzip;       /* undo of what is sealed: as its head says */
        const void *key; /* a passphrase or random bytes; NULL: not sealed. Copied, and wiped */
        size_t key_len;
};

struct stream_code;
struct stream_code *stream_code_new(const struct stream_code_how *how);
struct stream_code *stream_code_free(struct stream_code *c);
/* Works on LEN bytes more; LAST: there are none after them. Appends to OUT, in bounds whatever they
 * unpack to. 0: all of them are used; 1: call it again with none, there is more to come out.
 * -EBADMSG: they are cut off, were changed, or the key is another. */
int stream_code_work(struct stream_code *c, const void *in, size_t len, bool last, struct buf *out,
                     struct err *err);
struct stream_code_sum {
        uint64_t bytes;
        char sha256[DIGEST_HEX_SIZE];
};
/* When all was worked on. */
void stream_code_sums(const struct stream_code *c, struct stream_code_sum *ret_stored,
                      struct stream_code_sum *ret_plain);
uint64_t stream_code_plain(const struct stream_code *c); /* plain bytes so far */
