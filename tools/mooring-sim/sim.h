/* SPDX-License-Identifier: Apache-2.0 */
/* sim.h - the simulated cluster as one struct, and how its parts reach each other
 *
 *   http → routes → discovery, read, write, watch, portforward: requests
 *   write → managed (ssa), defaults, validate, crd → store: one change
 *   store → watch, work (controllers): what follows from it
 *   control → faults, write, store: a person or a test breaks things
 *
 * Single-threaded: everything runs from loop.c, one piece of work at a time. */
#pragma once

#include "kinds.h"
#include "list.h"

struct MHD_Daemon;
struct reply;

enum store_change { STORE_ADDED, STORE_MODIFIED, STORE_DELETED, STORE_CHANGE_MAX };

struct store_event {
        uint64_t version;
        enum store_change change;
        struct collection *collection; /* compared only: a CRD's may be gone */
        json_t *object;
        json_t *before; /* NULL when added */
};

/* Events that a watch can still be given. Kubernetes keeps about 5 minutes; beyond this a watch
 * gets 410. */
#define STORE_HISTORY_MAX 20000
/* Objects in all: 100,000 managed ones are the largest design figure; more is refused with 507. */
#define STORE_OBJECTS_MAX 400000

struct store {
        uint64_t version;            /* of the last change */
        uint64_t compacted;          /* versions up to this one are forgotten */
        struct store_event *history; /* ring of STORE_HISTORY_MAX */
        size_t first, count;
        size_t objects;
};

struct fault {
        struct list entry;
        int code;     /* answered: 429, 500, 410 ...; 0: the connection is reset */
        int64_t left; /* requests that it still hits; -1: all until cleared */
        char *path;   /* part of the path, or NULL: every path */
        char *method; /* or NULL */
};

struct pod_fault {
        struct list entry;
        char *pattern; /* of the pod's name, as a shell's */
        char *reason;  /* ImagePullBackOff, CrashLoopBackOff, Unschedulable, ... */
};

struct faults {
        struct list requests; /* struct fault */
        struct list pods;     /* struct pod_fault */
        int64_t latency_ms;
        bool silence;     /* watches go mute */
        bool stale_reads; /* reads answer what was true at FROZEN */
        uint64_t frozen;
};

struct forward {
        struct list entry;
        char *namespace, *pattern, *address;
        int port;
};

struct sim_options {
        char *listen, *address_file, *kubeconfig, *control, *token, *state, *certificate, *key;
        int64_t pod_start_ms, crd_delay_ms, bookmark_ms, history;
        bool no_watch_list;
        int log_level;
};

struct sim_stats {
        uint64_t requests, writes, watches, applies, faults;
};

struct sim {
        struct sim_options options;
        struct kinds kinds;
        struct store store;
        struct faults faults;
        struct sim_stats stats;
        struct list watches;   /* struct watch */
        struct list work;      /* struct work_item, by time */
        struct map work_keys;  /* key -> struct work_item */
        struct list forwards;  /* struct forward */
        struct list execs;     /* struct forward, whose address is a program */
        struct list streams;   /* struct upgraded */
        struct list clients;   /* struct control_client */
        struct list delayed;   /* struct exchange that faults.latency_ms holds back */
        struct list pollers;   /* struct poller */
        struct map dependents; /* owner's uid -> count of objects that name it, as a pointer */
        struct MHD_Daemon *daemon;
        char *address; /* "127.0.0.1:41234" */
        bool stopping;
        bool resumed; /* a suspended connection waits for libmicrohttpd to look at it */
        uint64_t seed, next_uid, next_ip, next_node;
};

int sim_init(struct sim *s, struct err *err);
void sim_deinit(struct sim *s);
/* Called by the store after each change. */
void sim_changed(struct sim *s, struct kind *kind, const struct store_event *event);
/* "2026-09-23T14:02:07Z" of now, as a new text value. */
json_t *sim_now(void);
json_t *sim_new_uid(struct sim *s);
/* Pods of a shell's PATTERN lead to ADDRESS. TO is sim.forwards: that port of theirs; sim.execs
 * (NAMESPACE is a pattern too, no port): their commands run by that program, which gets them as its
 * arguments, or by themselves ("-"). */
void sim_lead(struct list *to, const char *namespace, const char *pattern, int port,
              const char *address);
