/* SPDX-License-Identifier: Apache-2.0 */
/* stream-seal.h - AES-256-GCM over a stream of any length, chunk by chunk
 *
 *      head    "mooring sealed 1" · flags · 0 0 0 · iterations · chunk size (both 4 bytes, big-
 *              endian) · salt (32)
 *      chunks  of 64 KiB, each followed by its tag (16); the last is shorter, perhaps empty
 *
 * The key is PBKDF2-HMAC-SHA256(key, salt, iterations); a chunk's nonce is its number (8 bytes,
 * big-endian) · 0 0 0 · 1 for the last, else 0; its associated data is the head. So nothing can be
 * changed, put in another order, cut off or added to without being noticed, and what comes out was
 * always part of what went in. */
#pragma once

#include "buf.h"
#include "err.h"

#define STREAM_SEAL_HEAD 60
#define STREAM_SEAL_CHUNK 65536
#define STREAM_SEAL_GZIP 1 /* flag: what is sealed is compressed */
/* OWASP's for PBKDF2-HMAC-SHA256 (2023): a quarter of a second once a stream. */
#define STREAM_SEAL_ITERATIONS 600000

struct stream_seal;
struct stream_seal *stream_seal_new(const void *key, size_t len, uint8_t flags); /* to seal */
struct stream_seal *stream_seal_opener(const void *key, size_t len);
struct stream_seal *stream_seal_free(struct stream_seal *s); /* wipes */
/* Appends to OUT what LEN bytes more give; LAST: that is all. -EBADMSG. */
int stream_seal_work(struct stream_seal *s, const void *in, size_t len, bool last, struct buf *out,
                     struct err *err);
uint8_t stream_seal_flags(const struct stream_seal *s); /* opener: once something came out */
