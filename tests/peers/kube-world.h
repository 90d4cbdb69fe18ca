/* SPDX-License-Identifier: Apache-2.0 */
/* kube-world.h - a target of the Kubernetes provider with an observer that remembers, for tests
 * against a server
 *
 * One world a program. Calls of the provider are waited for; somebody else's writes go out by
 * plain requests under another field manager. Nothing depends on time: each wait is for an
 * event, with a deadline that only a failure meets. */
#pragma once

#include "clock.h"
#include "http.h"
#include "kube.h"
#include "kubeconfig-flatten.h"
#include "map.h"
#include "project.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 60000
#define OTHER "kubectl-edit"

struct thing {
        struct interest interest;
        uint8_t digest[DIGEST_SIZE]; /* of the baseline, once there is one */
        struct projection *projection;
        json_t *baseline;
        struct observation last;
        int seen; /* observations so far */
};

struct world {
        struct loop *loop;
        struct http *http;
        struct http_server *server;
        struct target *target;
        json_t *config, *credential, *marks;
        struct map things;
        struct map units; /* name -> status text */
        char namespace[32];
        bool reachable;
        char identity[64];
        int changed;
        int listed_kinds;
};

extern struct world w;
extern const struct provider *const kube;

#define wait_for(condition)                                                                        \
        do {                                                                                       \
                int64_t end_ = clock_mono() + DEADLINE_MS;                                         \
                while (!(condition)) {                                                             \
                        if (clock_mono() > end_)                                                   \
                                fail_msg("line %d: never came: %s", __LINE__, #condition);         \
                        loop_step(w.loop, 100);                                                    \
                }                                                                                  \
        } while (0)

struct asked {
        unsigned flags;
        bool first;
        int64_t since;
        const struct secret_values *values;
        const char *token;
        const char *incarnation;
};
typedef void call(struct target *t, const struct apply_request *r, struct op *op);

int world_setup(void **state);
int world_teardown(void **state);
/* For main's return: a failed test lets go of nothing, and the report of its leaks would be all
 * that the end of a log shows. Does not come back then. */
int world_exit(int failed);
struct thing *world_thing(const char *type, const char *path);
void world_done(struct op *op); /* sets the bool that arg points at */
json_t *world_parse(const char *text);
void world_call(call *fn, const json_t *wanted, const char *type, const char *path,
                const struct asked *a, struct op *op);
enum outcome world_apply_tree(const json_t *wanted, struct asked a, struct op *ret);
enum outcome world_apply(const char *text, struct asked a, struct op *ret);
void world_apply_ok(const char *text);
enum outcome world_look(const char *type, const char *path, struct op *ret);
char *world_path(const char *name);                 /* "NS/NAME" */
char *world_url(const char *api, const char *rest); /* "API/namespaces/NS/REST" */
long world_send(const char *method, const char *type, const char *body, const char *path);
void world_edit(const char *path, const char *json_patch); /* as OTHER */
json_t *world_fetch(const char *path);                     /* NULL: not there */
struct drift_list world_drift(const char *type, const char *path);
bool world_drifted(const struct thing *t);
bool world_in_place(const struct thing *t);
bool world_unit_is(const char *prefix, const char *status);
void world_assert_drift(const struct drift *d, const char *field, const char *wanted,
                        const char *found, const char *who);
/* Applied again, the server has it as wanted, with the same baseline, and so says the watch. */
void world_heal(const char *text, unsigned flags, const char *type, const char *path);

#define CONFIG_MAP(name, data)                                                                     \
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"" name "\"},"      \
        "\"data\":" data "}"
#define DEPLOYMENT(name, replicas)                                                                 \
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"" name       \
        "\"},"                                                                                     \
        "\"spec\":{\"replicas\":" replicas ",\"selector\":{\"matchLabels\":{\"app\":\"" name       \
        "\"}},"                                                                                    \
        "\"template\":{\"metadata\":{\"labels\":{\"app\":\"" name                                  \
        "\"}},\"spec\":{\"containers\":["                                                          \
        "{\"name\":\"main\",\"image\":\"registry.example/pause:1\"}]}}}}"
