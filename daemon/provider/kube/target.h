/* SPDX-License-Identifier: Apache-2.0 */
/* target.h - inside the folder: one cluster, with what is known of it and what runs against it */
#pragma once

#include "audit-trail.h"
#include "credential.h"
#include "discovery.h"
#include "list.h"
#include "provider.h"
#include "units.h"
#include "watch.h"

#define TARGET_CRD "CustomResourceDefinition.apiextensions.k8s.io"
#define TARGET_API_SERVICE "APIService.apiregistration.k8s.io"

struct follow;
struct poke_queue;

struct kinds_watch {
        struct target *target;
        struct watch *watch;
        bool listed; /* once: what a later list shows may have changed unseen */
};

struct target {
        int64_t id;
        char *name, *controller;
        uint8_t hash_key[DIGEST_SIZE];
        struct loop *loop;
        struct http *http;
        struct http_server *server;
        struct http_server_config
                how; /* its texts are ours: a plugin's certificate makes another server of it */
        struct credential *credential;
        char *certificate; /* PEM of the kubeconfig's, or NULL */
        struct observer observer;
        struct audit_trail *trail; /* NULL: its audit log is nowhere here */

        struct discovery discovery;
        struct timer discover_timer;
        int discover_tries;
        struct map parked;  /* types that somebody waits for */
        struct map leaving; /* "things.example.org": definitions that are being deleted, or were */

        char *identity;     /* uid of the namespace kube-system */
        bool identity_sure; /* it was read since a connection broke */
        bool identity_asked;
        struct http_request identity_request;
        struct timer identity_timer;
        int identity_tries;
        bool reachable, told;
        char *why;

        struct map follows; /* type -> struct follow */
        struct follow *pods;
        struct kinds_watch kinds[2]; /* what says that discovery is out of date */
        struct map unit_pods;   /* "ns/name" -> struct units_pod */
        struct list operations; /* struct operation */
        struct poke_queue *pokes;
        int64_t silence_ms, pulse_ms; /* 0: the defaults */
};

int target_open(const struct target_config *c, const struct observer *o, struct target **ret,
                struct err *err);
struct target *target_close(struct target *t);
void target_watches(const struct target *t, void (*tell)(void *arg, const struct watch_seen *w),
                    void *arg);
void target_follow(struct target *t, const char *type);
json_t *target_manner(const struct target *t); /* the provider's */
int target_user(struct target *t, const struct user_question *q, char *text, size_t size);
void target_begin_discovery(void *target);
/* Discovery begins them anew. */
void target_end_watches(struct target *t);
/* Those that wait after an error go on now. True: one of them stands, or there is none. */
bool target_wake_watches(struct target *t);
void target_doubt_watches(struct target *t); /* watch_doubt of each */

/* target-reach.c */
int64_t target_back_off(int *tries); /* milliseconds */
void target_begin_identity(void *target);
void target_lost(struct target *t, const char *why);
/* Something answered: good once it is known who. */
void target_reached(struct target *t);
/* Somebody answers, and it may be another one than before. */
void target_ask_who(struct target *t);
int64_t target_next_try(const struct target *t); /* the provider's */

void target_discover_soon(struct target *t);
/* Of all objects of TYPE that SELECTOR (or NULL) takes; NULL: it is not served, or not listable. */
struct watch *target_new_watch(struct target *t, const char *type, const char *selector,
                               const struct watch_config *how);

/* target-kinds.c */
void target_begin_kinds(struct target *t);
/* The definition of this kind is being deleted. */
bool target_leaves(const struct target *t, const struct discovery_kind *kind,
                   const struct discovery_version *version);
/* Somebody waits for a kind that is not served: discovery is read again until it is. */
void target_park(struct target *t, const char *type);
/* The API server refused our credentials, or took them. */
void target_refused(struct target *t, const char *why);
/* Reason for a workload that is not ready, from its pods; NULL: they say nothing. Caller frees. */
char *target_pod_reason(struct target *t, const char *type, const char *path);
