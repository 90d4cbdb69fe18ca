/* SPDX-License-Identifier: Apache-2.0 */
/* stream.h - bytes from one end to another, of any size in bounded memory
 *
 * From a command's output, an object of a store or a file; compressed and sealed on the way, or
 * opened again; to a command's input, an object, a file, or nowhere (which verifies). The slower
 * end sets the pace. An end that breaks ends the other: an upload is aborted, a file taken away.
 * The work on bytes is done in threads. */
#pragma once

#include "provider.h"
#include "stream-code.h"

/* What a source brings is worked on in such pieces: a few milliseconds of a thread, so that going
 * there and back counts for little, also where others want the processor. */
#define STREAM_PIECE (512u << 10)

struct stream_end {
        const struct provider *provider; /* NULL: a file; and to: nowhere */
        struct target *target;
        const char *verb;                   /* of provider->bytes */
        const json_t *ask;                  /* for it */
        const struct secret_values *values; /* for the tokens in ASK; or NULL */
        const char *file;                   /* below FOLDER: "mysql/2026-11-22.dump"; or NULL */
};
struct stream_request { /* what it points to stays until the operation is done or cancelled */
        struct loop *loop;
        struct stream_end from, to;
        const char *folder; /* of files; or NULL: none may be named */
        struct stream_code_how how;
        /* Of the stored bytes (those on the sealed, compressed side); "": not known. What is other
         * is REFUSED, and TO is not finished. */
        const char *sha256;
        int64_t within_ms; /* UNREACHABLE when it takes longer; 0: as long as it takes */
};

/* OP->told: {"bytes", "sha256": of the stored bytes, "plain-bytes", "plain-sha256", "from", "to":
 * what the ends say}. OP->err says which end broke. */
void stream_start(const struct stream_request *r, struct op *op);
void stream_cancel(struct op *op);
/* Why it does not move now, and which end that is; false: nothing is wrong. */
bool stream_trouble(const struct op *op, char *text, size_t size);
uint64_t stream_moved(const struct op *op); /* plain bytes so far; 0 when it is over */
