/* SPDX-License-Identifier: Apache-2.0 */
/* shown.h - plans that were shown to people and may be gone on with: a name, what was asked (a
 * request of the admin API, sealed, for it may hold secrets; or nothing: what the loop would do),
 * and the lines that were shown
 *
 * A plan is not executed from what is kept here: it is made anew and compared line by line. What is
 * kept only says what a person agreed to. A line is an object
 *
 *   {"text": sentence}                                     what a command does to the model, or
 *   {"type", "path", "do", "content", "seen", "server"}    what becomes of an object outside:
 *
 * CONTENT stands for what would be written, SEEN for what was there, SERVER for what the outside
 * said of it when it was only tried. Other members are for readers, and not compared. */
#pragma once

#include "faults.h"
#include "seal.h"
#include "store.h"

#define SHOWN_NAME_SIZE 9              /* with its end: eight letters, as people type them */
#define SHOWN_KEEP_MS (24 * 3600000ll) /* who is asked in the night answers by day */
#define SHOWN_OWNER_MAX 20   /* of one person: older ones go, so that nobody drives out others' */
#define SHOWN_LINES_MAX 2000 /* of one plan: 300 KB; beyond it has no name */
#define SHOWN_REQUEST_MAX (256u << 10) /* bytes of a request: parsing more would hold the loop */

struct shown {
        int64_t id, model, at; /* id 0: a plan that limits hold (limit.h), and nothing to compare */
        char *name, *application, *owner;
        json_t *request; /* opened; NULL: what the loop would do */
        json_t *lines;
};
struct shown *shown_free(struct shown *s);

struct shown_new {
        const char *model, *application, *owner; /* application "": all */
        const json_t *request, *lines;           /* request NULL: what the loop would do */
};
/* Those parts of LINES that are compared; a new list. */
json_t *shown_lines(const json_t *lines);
/* Writes its name to RET. -E2BIG: too much to keep. */
int shown_keep(struct tx *tx, const struct sealer *sealer, const struct shown_new *in,
               char ret[SHOWN_NAME_SIZE], struct err *err);
/* -ENOENT: there is none of that name in MODEL, or not any more. */
int shown_find(struct tx *tx, const struct sealer *sealer, const char *model, const char *name,
               struct shown **ret, struct err *err);
/* What is other in NOW than THEN, one fault each. SINCE: tells who changed an object; or NULL. */
void shown_moved(const json_t *then, const json_t *now, const json_t *since, struct faults *ret);
/* Who did what since S was shown: {"people": [text], "objects": {"TYPE PATH": writer}}. */
int shown_since(struct tx *tx, const struct shown *s, json_t **ret, struct err *err);
