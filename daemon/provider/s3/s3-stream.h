/* SPDX-License-Identifier: Apache-2.0 */
/* s3-stream.h - an object as an end of a stream: {"bucket", "key", "part-size": bytes,
 * "content-type", "copy-of": the ETag of another}
 *
 * Out: piece by piece, each by its range and the tag of the first, so that a connection that breaks
 * costs a piece and an object that is replaced meanwhile is noticed. Into: one request, or
 * uploaded in parts where it is larger than one; on_end's TOLD is {"etag", "parts"}. An upload that
 * does not end well is aborted, also one that a killed daemon left: the next into the same key
 * finds it. Nothing is seen under the key before all of it is there. */
#pragma once

#include "provider.h"

#define S3_PIECE (2u << 20) /* out: asked for at once */
#define S3_PART (8u << 20)  /* into: two are in memory; S3 takes 10,000 of 5 MiB to 5 GiB */
#define S3_PART_MIN (5u << 20)
#define S3_PART_MAX (12u << 20) /* so that a stream's memory stays below 32 MiB: 120 GB at most */
#define S3_PARTS_MAX 10000

/* The provider's `bytes`, whose one verb is "object". */
struct bytes *s3_stream_open(struct target *t, const struct bytes_request *r, struct err *err);
void s3_stream_end_all(struct target *t); /* those that abort behind their owner's back, too */
