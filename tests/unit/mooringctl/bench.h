/* SPDX-License-Identifier: Apache-2.0 */
/* bench.h - mooringctl's command line against a scripted daemon on a socket in a folder of its
 * own; the tests' only model is "m" */
#pragma once

#include "cli.h"
#include "server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct bench {
        char dir[32];
        char *socket, *out, *err;
        struct server *server;
        char *asked; /* "METHOD path?query body" of the last request */
};

int bench_set_up(void **state);
int bench_tear_down(void **state);
/* Runs the command with stdout and stderr in files; arguments to a NULL. */
int bench_run(struct bench *b, char **ret_out, char **ret_err, const char *first, ...);
char *bench_read(const char *path);
/* Handlers of routes. */
void bench_note(struct server_call *c, void *bench);    /* keeps what was asked */
void bench_changed(struct server_call *c, void *bench); /* and says what was done */
void bench_models(struct server_call *c, void *bench);
void bench_hold(struct server_call *c, void *bench); /* no answer: no event comes */
void bench_nothing_to_do(struct server_call *c, void *bench);
