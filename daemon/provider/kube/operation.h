/* SPDX-License-Identifier: Apache-2.0 */
/* operation.h - inside the folder: what look, apply, remove and pokes have in common
 *
 * A flow with an address and an outcome. Every step sees every outcome (FLOW_ALL): the
 * reconciler has a back-off for each resource of its own and wants to know at once. */
#pragma once

#include "answer.h"
#include "target.h"

#define OPERATION_STEP_MS 70000 /* a kube-apiserver gives a request 60 s */

struct operation {
        struct flow flow;
        struct target *target;
        struct op *op; /* NULL: nobody outside waits (a poke) */
        struct list link;
        char *type, *path;
        char *version; /* "apps/v1": what it is asked in; NULL: the preferred one */
        char *url;     /* path of the request */
        const char *headers[4];
        bool makes; /* not while the definition of its kind is going */
        bool decided;
        enum outcome outcome;
        int64_t again_at;
        struct err err;
        void (*ended)(
                struct operation *
                        o); /* fills the answer into OP, then frees itself; before done is called */
        void (*drop)(struct operation *o); /* frees what embeds it */
};

void operation_init(struct operation *o, struct target *t, const char *type, const char *path,
                    struct op *op);
void operation_deinit(struct operation *o);
void operation_run(struct operation *o, const char *name, const struct flow_step *steps);
/* Finds the address: 0, or FLOW_END when the kind is not served (decided then). */
int operation_address(struct operation *o);
struct http_request *operation_ask(struct operation *o, struct ask *a, const char *method,
                                   const char *query);
/* Reads an answer; its body stays in the ask. */
struct scan_slice operation_got(struct operation *o, const struct ask *a, enum answer_verb verb,
                                struct answer_meaning *ret, struct err *ret_why);
/* What the server warns of, besides: added to *LIST, which is made for the first. */
void operation_warnings(const struct http_request *r, json_t **list);
/* Decides, and ends the flow. */
int operation_end(struct operation *o, enum outcome outcome, int64_t again_at,
                  const struct err *why);
int operation_say(struct operation *o, enum outcome outcome, const char *fmt, ...) printf_(3, 4);
/* OP ends as REFUSED, for WHY, and nothing was asked. */
void operation_refuse(struct target *t, struct op *op, const struct err *why);
