/* SPDX-License-Identifier: Apache-2.0 */
/* verb.h - what verb.c and verb-stream.c share: one thing that a step asked for, under way */
#pragma once

#include "reconcile-internal.h"
#include "stream.h"

struct verb {
        struct store_call call;
        struct op op;
        struct act_request request;
        struct list link;
        struct reconcile *rec;
        struct reconcile_verb what;
        char *target_label, *verb;
        json_t *ask;
        struct secret_values *values;
        const struct provider *provider;
        int64_t target, other; /* OTHER: of a stream's second end; 0: none */
        bool reading, out;
        /* of a stream: */
        bool streams;
        char *from_file, *to_file;
        struct buf key;
        struct mirror *mirror;
        struct sweep *sweep;
        reconcile_did_fn *done; /* NULL: nobody waits any more */
        void *arg;
};

/* The end that was waited for; V is freed. */
void verb_end(struct verb *v, enum outcome outcome, const char *fmt, ...) printf_(3, 4);
void verb_done(struct op *op);
/* The target of LABEL (NULL: the model's cluster), if it can be used now. NULL: V ended. */
struct world_target *verb_target(struct verb *v, const struct world_model *m, const char *label);
/* ASK's "pod" is one of the application's own; from here on with its namespace. False: V ended. */
bool verb_pod(struct verb *v, json_t *ask, const struct world_application *a,
              const struct world_model *m);

/* verb-stream.c: {"from": END, "to": END, "gzip", "key", "undo", "sha256"}; an END is {"pod",
 * "container", "argv", "stdin"}, {"target", "bucket", "key"} or {"file"}; no "to": nowhere. */
void verb_stream_start(struct verb *v, const struct world_application *a,
                       const struct world_model *m);
/* verb-mirror.c: at a store, {"bucket", "prefix", "after", "limit", "to": {"target", "bucket",
 * "prefix"}}. */
void verb_mirror_start(struct verb *v, const struct world_model *model, struct world_target *from);
struct mirror *verb_mirror_free(struct mirror *m);
bool verb_mirror_trouble(const struct mirror *m, char *text, size_t size);
uint64_t verb_mirror_moved(const struct mirror *m);
/* verb-sweep.c: at a store, {"bucket", "prefix", "lists", "infix", "folders", "after"}. */
void verb_sweep_start(struct verb *v, struct world_target *at);
struct sweep *verb_sweep_free(struct sweep *s);
