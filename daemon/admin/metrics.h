/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - everything that is measured, as Prometheus' text
 *
 * Two ask for it: the admin socket (GET /v1/metrics) and the listener on TCP (metrics-server.c). */
#pragma once

#include "action.h"
#include "reconcile.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics_parts { /* borrowed */
        struct store *store;
        struct reconcile *reconcile;
        struct charm_host *host;
        struct action *action; /* or NULL */
};

/* Reads what is counted in the rows, gathers what is so now, and hands the text (yours to free) to
 * DONE, once, on the loop. Rows that cannot be read have no series; the rest is there all the
 * same. WANTED says just before whether it is still: the parts may be gone when it is not. */
void metrics_gather(const struct metrics_parts *p, bool (*wanted)(void *arg),
                    void (*done)(void *arg, char *text), void *arg);
