/* SPDX-License-Identifier: Apache-2.0 */
/* loop-fixture.h - the real reconciler on a state folder of its own, as the controller builds it
 * but without the admin socket: store (on any engine), charm workers in the real sandbox, the
 * provider "slow" beside the real ones, and a mooring-sim as the cluster
 *
 * The parts can be taken down and built again on the same folder, as a restart does; the
 * simulator and the outside of "slow" go on meanwhile. TEST_CHARM_DIR, TEST_WORKER and TEST_SIM
 * are set by the build. */
#pragma once

#include "command.h"
#include "provider-slow.h"
#include "reconcile.h"
#include "store-engine.h"

#define FIXTURE_MODEL "across"
#define FIXTURE_DIR "/var/tmp/mooring-loop-XXXXXX"

struct fixture {
        const struct store_engine *engine; /* NULL: SQLite */
        char dir[64];
        char *kubeconfig, *server, *token;
        pid_t sim, remover; /* of the folder */
        struct loop *loop;
        struct store *store;
        struct sealer *sealer;
        struct charm_host *host;
        struct http *http;
        struct reconcile *rec;
};

void fixture_init(struct fixture *f, const struct store_engine *engine); /* and opens */
void fixture_deinit(struct fixture *f);
/* The state folder alone, which goes with this process at the latest, however that ends. */
void fixture_folder(struct fixture *f);
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
/* Submits and waits. 0, or what it failed with. */
int fixture_command(struct fixture *f, struct command *c, struct err *err);

/* The cluster, the model and application NAME of charm "across" with these options ({name:
 * value}, stolen). */
void fixture_deploy(struct fixture *f, const char *name, json_t *options);
void fixture_config(struct fixture *f, const char *name, json_t *set); /* steals SET */

/* Turns the loop until FN says so; fails with WHAT after a long while. */
void fixture_until(struct fixture *f, const char *what,
                   bool (*fn)(struct fixture *f, const void *arg), const void *arg);
/* ... until application NAME's status is WORD with TEXT in its message. */
void fixture_until_status(struct fixture *f, const char *name, const char *word, const char *text);
/* Turns the loop until there is nothing to do but wait. */
void fixture_settle(struct fixture *f);
char *fixture_why(struct fixture *f, const char *subject); /* the lines of `why`; free it */
/* An object of the cluster, or NULL. PATH: "/api/v1/namespaces/...". */
json_t *fixture_object(struct fixture *f, const char *path);
/* As somebody else does: a JSON patch. */
void fixture_edit(struct fixture *f, const char *path, const char *json_patch);
/* A write of the test's own, waited for. */
int fixture_write(struct fixture *f, int (*run)(struct tx *, struct store_call *, struct err *),
                  void *arg);
int64_t fixture_number(struct fixture *f, const char *sql); /* of model.db, read beside the store */
