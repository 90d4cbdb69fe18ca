/* SPDX-License-Identifier: Apache-2.0 */
/* desk.h - an admin socket with all that stands behind it, in a folder of its own, and a client
 * in the same thread
 *
 * The peer is whoever the test says (desk_role). A request is written to a socket, then the loop
 * is stepped until the answer is there; nothing is timed. */
#pragma once

#include "admin-internal.h"
#include "routes.h"

#include "charm-host.h"
#include "http.h"
#include "json.h"

#include <setjmp.h>
#include <cmocka.h>

struct desk {
        char *dir, *socket;
        struct loop *loop;
        struct store *store;
        struct sealer *sealer;
        struct rekey *rekey;
        struct audit audit;
        struct charm_host *host;
        struct http *http;
        struct reconcile *reconcile;
        struct admin *admin;
};

int desk_set_up(void **state);
int desk_tear_down(void **state);
int desk_open_admin(struct desk *d, struct admin **ret,
                    struct err *err); /* another one on the same socket */
void desk_role(enum role role);       /* of all peers from now on */

struct answer {
        int status;
        struct buf head, body;
        json_t *json; /* of the body, or NULL */
};
void answer_deinit(struct answer *a);
/* HEADERS: lines that end in "\r\n", or NULL. */
void desk_ask(struct desk *d, const char *method, const char *path, const char *headers,
              const void *body, size_t len, struct answer *ret);
int desk_status(struct desk *d, const char *method, const char *path, const char *body);
/* The message of the error. */
char *desk_refusal(struct desk *d, const char *method, const char *path, const char *body,
                   int status);

/* A connection on which nothing was asked yet. */
int desk_knock(struct desk *d);
/* A connection that stays open: streams. */
int desk_connect(struct desk *d, const char *path);
int desk_begin(struct desk *d, const char *method, const char *path, const char *body);
/* Reads until WHAT is in OUT; fails the test when the other side ends first. */
void desk_read_until(struct desk *d, int fd, const char *what, struct buf *out);
bool desk_ended(struct desk *d, int fd); /* steps until the other side closed */
void desk_write(struct desk *d, int (*run)(struct tx *tx, struct store_call *c, struct err *err),
                void *arg);
