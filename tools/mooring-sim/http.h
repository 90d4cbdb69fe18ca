/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - the HTTP server: libmicrohttpd run from loop.c */
#pragma once

#include "sim.h"

int http_start(struct sim *sim, struct err *err);
/* Ends every stream before the server, as libmicrohttpd wants it. */
void http_stop(struct sim *sim);
/* Lets delayed requests go and libmicrohttpd do what is due; returns when to call again, or -1. */
int64_t http_tick(struct sim *sim);
