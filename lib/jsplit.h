/* SPDX-License-Identifier: Apache-2.0 */
/* jsplit.h - cuts single objects out of a JSON byte stream, so that no reply is parsed whole
 *
 * Two streams: JSPLIT_VALUES, JSON values one after the other with blanks between (a Kubernetes
 * watch), and JSPLIT_LIST, one object whose member "items" is a list: each item is handed out as
 * it ends, and the rest of the object (kind, metadata) is kept as text with an empty list in its
 * place.
 *
 * Cuts, does not judge: brackets are counted, not matched, and what stands inside a value is
 * left to json_parse, which every value goes through next. After an error nothing more is taken. */
#pragma once

#include "buf.h"
#include "err.h"

enum jsplit_mode { JSPLIT_VALUES, JSPLIT_LIST };

/* One value's exact bytes, valid during the call. Return <0 to stop: jsplit_feed passes it up. */
typedef int jsplit_item(void *arg, const char *text, size_t len, struct err *err);

struct jsplit {
        enum jsplit_mode mode;
        size_t item_max; /* bytes of one item, or of the rest; beyond: -E2BIG */
        jsplit_item *item;
        void *arg;

        /* private */
        struct buf part; /* the item so far, when it began in an earlier chunk */
        struct buf rest;
        int state;
        int depth;     /* open brackets inside the current value */
        bool scalar;   /* the current value is a number, true, false or null */
        bool in_string;
        bool escaped;  /* the chunk before ended in an odd run of backslashes inside a string */
        char key[16];  /* the member's name, cut */
        size_t key_len;
        uint64_t at;   /* bytes fed before this chunk, for messages */
};

void jsplit_init(struct jsplit *s, enum jsplit_mode mode, size_t item_max, jsplit_item *item,
                 void *arg);
void jsplit_deinit(struct jsplit *s);
/* -EBADMSG: not JSON; -E2BIG; or what the item function returned. */
int jsplit_feed(struct jsplit *s, const char *data, size_t len, struct err *err);
/* After the last byte: -EBADMSG when the stream ends inside a value. */
int jsplit_end(struct jsplit *s, struct err *err);
/* JSPLIT_LIST, after the end: the object without its items. */
const char *jsplit_rest(const struct jsplit *s, size_t *ret_len);
