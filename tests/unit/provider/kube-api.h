/* SPDX-License-Identifier: Apache-2.0 */
/* kube-api.h - a scripted API server and the kube provider's target on it
 *
 * It says that it is "cluster" and serves one kind of group "" besides what the test routes.
 * Routes are added between kube_api_init and kube_api_open. */
#pragma once

#include "http.h"
#include "kube.h"
#include "server.h"

#include <setjmp.h>
#include <cmocka.h>

#define KUBE_API_WAIT_MS 20000 /* only reached when the test has failed */

struct kube_api {
        struct loop *loop;
        struct http *http;
        struct server *server;
        struct target *target;
        char *core; /* the document of "/api" */
        bool reachable;
};

/* KIND: "{\"resource\":\"configmaps\",...}" as discovery tells it, without its group. */
void kube_api_init(struct kube_api *k, const char *kind);
/* TELLS: what of the observer the test wants for itself, its arg among them; NULL: nothing. */
void kube_api_open(struct kube_api *k, const struct observer *tells, json_t *(*options)(void));
int kube_api_until_reachable(struct kube_api *k); /* 0, -1: not */
void kube_api_deinit(struct kube_api *k);
json_t *kube_api_json(const char *text);
