/* SPDX-License-Identifier: Apache-2.0 */
/* act.h - what the verbs of all providers share: tokens in asks, texts in answers */
#pragma once

#include "provider.h"

#define ACT_TEXT_MAX (64u << 10) /* of an answer: what the journal keeps of a step */
#define ACT_HIDE_MIN 4           /* shorter values are not hidden: each word would hold them */

/* One verb of a provider; a table of them ends with {}. */
struct act_verb {
        const char *name;
        void (*start)(struct target *t, const struct act_request *r, struct op *op);
};
/* The verb whose document ASK is. NULL after err: there is none, or a token stands where none may,
 * or has no value. */
const struct act_verb *act_find(const struct act_verb *verbs, const struct act_request *r,
                                struct err *err);

/* TEXT with its tokens replaced; in memory that no growing left a piece of behind. */
int act_fill(const struct act_request *r, const char *text, struct buf *out, struct err *err);
/* In TEXT, "(hidden)" in the place of each value that a token of the ask stood for. */
void act_hide(const struct act_request *r, struct buf *text);
/* A copy of TOLD in which all texts are hidden so. */
json_t *act_hidden(const struct act_request *r, const json_t *told);
/* NAME is the text; or NAME-base64 is, where it is none of UTF-8. CUT: it was longer, and half a
 * letter at its end goes. */
void act_tell(json_t *told, const char *name, const struct buf *text, bool cut);
