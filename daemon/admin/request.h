/* SPDX-License-Identifier: Apache-2.0 */
/* request.h - one request of the admin API, and the table that says who handles it
 *
 * A route's handler runs on the loop when the whole body is there, decoded into a struct by the
 * route's field table, and ends, now or later, with one request_reply or request_fail. It never
 * touches JSON on the way in but through its struct. */
#pragma once

#include "admin.h"
#include "digest.h"
#include "json.h"
#include "loop.h"
#include "peer-process.h"

struct MHD_Connection;

enum role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN, ROLE_MAX };
const char *request_role_name(enum role r);

struct request;
typedef void request_handler(struct request *q);

struct route {
        const char *method;
        const char *path; /* "/v1/models/{model}/status" */
        enum role access; /* the least role */
        request_handler *handler;
        const struct json_field *fields; /* of the body; NULL: none is taken */
        size_t size;                     /* of the struct the body is decoded into */
        const char *const *query;        /* query parameters it knows, NULL-terminated, or NULL */
        const char *help;                /* one line, as in openapi.yaml */
        const char *action;              /* what it is called in the audit; NULL: it only reads */
};
extern const struct route route_table[]; /* routes.c; ends with a row whose method is NULL */

#define REQUEST_PARAMS_MAX 4

/* route.c: the row for METHOD and PATH; parts of the path that are {names} are allocated into
 * PARAMS, which the caller frees also after a failure. -ENOENT, -EPROTO: another method,
 * -EINVAL. */
int route_find(const char *method, const char *path, char *params[REQUEST_PARAMS_MAX],
               const struct route **ret, struct err *err);
/* DATA (zeroed, of the route's size) is filled and borrows from *RET. -EINVAL, -EBADMSG. */
int route_decode(const struct route *r, const char *body, size_t len, json_t **ret, void *data,
                 struct err *err);

struct request {
        struct admin *admin;
        struct MHD_Connection *connection;
        const struct route *route;
        char *params[REQUEST_PARAMS_MAX]; /* in the order of the path's {names} */
        json_t *query;                    /* {name: text} */
        struct buf body;
        json_t *json;        /* the decoded body, backing DATA */
        void *data;          /* struct of route->size, filled from the body */
        struct job decoding; /* of a large body, in a thread */
        struct err decode_err;
        int decoded;
        uid_t uid;
        char *user;  /* name or number */
        char *actor; /* "uid 1000 (alice)" */
        enum role role;
        char *key;                /* Idempotency-Key header, or NULL */
        char call[64];            /* what its write is called for that key; "": it has no name */
        char *reason;             /* Mooring-Reason header, or NULL */
        const char *action;       /* the route's; a read that shows secrets has its own */
        struct audit_entry entry; /* request_audit's, with what it borrows: */
        struct peer_process process;
        char *subject, *route_text, *login_name;
        int refs;  /* the connection, and each call that is out */
        bool gone; /* the connection ended: answers are dropped */
        bool started, replied, suspended, too_big;
        bool secret;  /* the reply holds a value: overwritten when it is freed */
        bool unread;  /* it failed while it was read: what it says may hold anything */
        bool at_once; /* a refusal waits for nothing */
        /* plans.c: the plan that is gone on with, and how far that is */
        struct shown *plan;
        bool trying;   /* it is made again, to compare */
        bool only_try; /* nothing is done after that */
        bool repeated; /* what moved is what an earlier request of the same key did */
        json_t *tried, *expected;
        uint8_t view[DIGEST_SIZE]; /* what a charm was asked with */
        uint8_t seed[DIGEST_SIZE]; /* of the command */
        bool seeded;
        unsigned status;
        char *reply; /* body */
        size_t reply_len;
        const char *type;      /* content type */
        struct stream *stream; /* stream.c's, when this is one */
        struct list link;
};

/* Whoever answers later holds it meanwhile. */
struct request *request_ref(struct request *q);
struct request *request_unref(struct request *q);
/* Parameters are copies: they stay when the connection ends, and may be read in any thread. */
const char *request_param(const struct request *q, size_t i);
const char *request_query(const struct request *q, const char *name); /* NULL: not given */
int64_t request_query_int(const struct request *q, const char *name, int64_t or);
bool request_query_bool(const struct request *q, const char *name);
int64_t request_query_lines(const struct request *q); /* "max" of a list, within its bounds */
/* A list whose rows are filtered one by one reads so many of them for one answer: what matches
 * nothing may not hold up the one thread that reads for all. 10,000 rows take some 10 ms. */
#define REQUEST_WINDOW 10000
/* Where such a list goes on, as "next": after the LAST row when it gave MAX of them, else before
 * the OLDEST row that was looked at. */
void request_next(json_t *j, size_t count, int64_t max, int64_t last, int64_t oldest);
/* "since": "2026-09-23T14:00:00Z", or how long ago: "2h". */
int request_query_since(const struct request *q, int64_t now, int64_t *ret, struct err *err);
/* Each ends the request; takes JSON over. */
void request_reply(struct request *q, unsigned status, json_t *json);
/* The same of an answer that may be large: it is printed in a thread. JSON shares nothing. */
void request_reply_long(struct request *q, json_t *json);
void request_reply_text(struct request *q, unsigned status, const char *type,
                        char *text); /* takes TEXT over */
/* {"error": {"code": word, "message": text}}; status and word from the errno. */
void request_fail(struct request *q, int r, const struct err *err);

/* The same with an answer that is there already. Takes JSON over. */
void request_refuse(struct request *q, unsigned status, json_t *json);
/* Fills data from the body. */
int request_decode(struct request *q, struct err *err);

/* Who asks, what, where and why, for the audit; NULL: nothing is kept of it. Lives as long as Q. */
const struct audit_entry *request_audit(struct request *q);

/* A read of the store as an answer; of a request with an action in one transaction with its row in
 * the audit: FN fills *ret_json inside the transaction. */
typedef int request_read_fn(struct tx *tx, struct request *q, json_t **ret, struct err *err);
void request_read(struct request *q, request_read_fn *fn,
                  void (*finish)(struct request *q, json_t *json));
/* For a request that has its row and reads no other: JSON is NULL. */
request_read_fn request_read_nothing;
/* A read that FINISH makes a command of: that one has the row. */
void request_look(struct request *q, request_read_fn *fn,
                  void (*finish)(struct request *q, json_t *json));
/* Of a request with a key: its write is called by what the request is now, whatever it becomes. */
void request_name(struct request *q);
/* 1: the write of that name was done before, and *RET is what was answered. */
int request_recorded(struct tx *tx, const struct request *q, json_t **ret, struct err *err);
/* Submits COMMAND (a struct whose head is a struct command, filled; owned here and freed after)
 * and answers with what it says. RELEASE NULL: it is no more than its head. */
struct command;
void request_command(struct request *q, struct command *command,
                     void (*release)(struct command *c));
/* The same, and what a dry run said goes to DRY (which answers) before RELEASE is called. */
void request_try(struct request *q, struct command *command, void (*release)(struct command *c),
                 void (*dry)(struct request *q, json_t *json, struct command *c));
