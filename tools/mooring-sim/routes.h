/* SPDX-License-Identifier: Apache-2.0 */
/* routes.h - which part answers a request */
#pragma once

#include "request.h"
#include "sim.h"

enum routes_next {
        ROUTES_DONE,    /* answered */
        ROUTES_WATCH,   /* http.c makes a stream of watch_new */
        ROUTES_FORWARD, /* http.c upgrades to a port-forward */
        ROUTES_EXEC,    /* the same, to a command */
        ROUTES_NEXT_MAX
};

enum routes_next routes_handle(struct sim *sim, struct request *q, struct reply *reply);
/* Fills what a request says of an object: kind, namespace, name. False: no such path. */
bool routes_find(struct sim *sim, struct request *q);
void routes_request_deinit(struct request *q);
