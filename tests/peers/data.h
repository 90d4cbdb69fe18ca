/* SPDX-License-Identifier: Apache-2.0 */
/* data.h - what the tests of the sql and s3 providers against real servers share: a loop, a
 * target, one thing at a time
 *
 * A thing is a wanted document with what the reconciler would keep of it. Operations run to
 * their end here. */
#pragma once

#include "provider.h"

#include "clock.h"
#include "http.h"

#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#define DATA_WAIT_MS 60000 /* generous: only reached when the test has failed */

struct data {
        struct loop *loop;
        struct http *http;
        const struct provider *provider;
        struct target *target;
        struct observer observer;
        const struct provider *through; /* for targets with "via"; or NULL */
        struct target *reach;
        json_t *(*options)(void); /* of the daemon, for targets; or NULL */
        int reached, lost;        /* what the target told */
};

struct thing {
        json_t *wanted, *baseline;
        struct identity id;
        uint8_t digest[DIGEST_SIZE];
        char incarnation[64];
        bool made;
};

const char *data_env(const char *name); /* fails the test when it is not set */
int data_port(const char *name);
char *data_file(const char *path);
struct data *data_new(const struct provider *p);
struct data *data_free(struct data *d);
int data_open(struct data *d, json_t *config,
              struct err *err); /* steals CONFIG; closes an older target */
/* Waits for at most MS until the loop has nothing to do: for what happens by itself. */
void data_turn(struct data *d, int64_t ms);

struct thing thing_of(struct data *d, const char *fmt, ...) printf_(2, 3); /* JSON with ' for " */
void thing_free(struct thing *t);
enum data_verb { DATA_LOOK, DATA_APPLY, DATA_REMOVE };
/* The answer is in RET until op_clear. Keeps baseline and incarnation of a done apply. */
enum outcome thing_do(struct data *d, struct thing *t, enum data_verb verb, unsigned flags,
                      struct op *ret);
/* Opens CONFIG (stolen) and looks for a database that is not there; what is said goes to RET. */
enum outcome data_try(struct data *d, json_t *config, struct err *ret);
void thing_make(struct data *d, struct thing *t); /* applied, and a look says it is as it was */
void thing_same(struct data *d, struct thing *t); /* a look finds no drift */
/* A look finds drift in just these fields ("a b"), or "(absent)", "(replaced)"; then an apply
 * puts it right. */
void thing_healed(struct data *d, struct thing *t, const char *fields);
/* Made once for each send through WAY, which breaks there; again from the top, and it is right. */
struct tunnel_tcp;
void thing_broken_everywhere(struct data *d, struct tunnel_tcp *way, const char *json);
void thing_gone(struct data *d, struct thing *t); /* removed, looked at, freed */
/* What an action asks, JSON with ' for "; waited for. */
struct op data_act(struct data *d, const char *verb, const char *ask,
                   const struct secret_values *values);
/* It ended so, and says TEXT (NULL: whatever); then its memory goes. */
void data_must(struct op *op, enum outcome outcome, const char *text);
