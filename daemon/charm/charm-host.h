/* SPDX-License-Identifier: Apache-2.0 */
/* charm-host.h - runs plan() of charm modules in sandboxed workers (mooring-charm); no module is ever opened in the daemon
 *
 * Folder NAME below a charm directory is an offered charm. At deploy it is copied to <state>/charms/<sha256>/ and kept while an
 * application is pinned to it. A worker belongs to one (sha256, model), is a cache (CHARM_WORKERS_MAX live, idle ones end), dies with
 * the daemon, and can hurt only the call it is working on: crash, loop, garbage and oversize end that call with an error and the worker
 * with a kill; back-off is the caller's.
 *
 * View (JSON, canonical, at most CHARM_VIEW_MAX):
 *   { "application": name, "model": name, "scale": n, "config": {name: value}, "images": {resource: reference}, "files": {resource: sha256},
 *     "constraints": {name: text}, "storage": {name: {"class": text|null, "size": bytes}}, "secrets": {"label/field": token},
 *     "relations": [{"id", "endpoint", "interface", "application", "told": {key: value}, "role"}], 
 *     "seen": {label: {"exists", "ready", "reason", "incarnation", "fields": {pointer: value}}} }
 * Plan: a stream of frames: H head JSON, D one document (label, target, SHA-256, canonical bytes), F a file want, E end. Nothing is handed on
 * before the end frame. */
#pragma once

#include "digest.h"
#include "json.h"
#include "loop.h"

#define CHARM_VIEW_MAX (256u << 10)
#define CHARM_DOC_MAX (3u << 20)        /* one document: what a kube-apiserver takes */
#define CHARM_PLAN_DOCS_MAX 20000
#define CHARM_PLAN_MAX (64u << 20)
#define CHARM_WORKERS_MAX 64            /* live at once: all applications of Charmed Kubeflow and some */
#define CHARM_CALL_MS 10000             /* wall clock of one plan */
#define CHARM_WORKER_MEMORY (512u << 20)
#define CHARM_WORKER_CPU_S 20           /* of one plan */

struct plan_doc {
        char *label;
        char *target;              /* label of a declared target, or NULL */
        uint8_t sha256[DIGEST_SIZE]; /* of the bytes, checked by the host */
        char *text;                /* canonical JSON */
        size_t len;
};
struct plan_file {
        char *label, *resource;
        json_t *edits;             /* list or NULL */
};
struct plan {
        char *status, *message;    /* charm's word or NULL: computed from readiness */
        char *version;
        json_t *tell;              /* {"relation id": {key: value}} */
        json_t *secrets;           /* {"label/field": {"length", "alphabet"}} asked for */
        json_t *targets;           /* {label: {"provider", "config": document}} */
        json_t *see;               /* {label: [pointer, ...]} */
        json_t *needs;             /* [{"label", "on", "kind"}] */
        struct plan_doc *docs;
        size_t doc_count, doc_room;
        struct plan_file *files;
        size_t file_count, file_room;
};
struct plan *plan_free(struct plan *p);

struct charm_host;
struct charm_host_options {
        const char *state_dir;
        const char *const *charm_dirs; /* NULL-terminated; first match wins */
        const char *worker;        /* path of mooring-charm */
        const char *user;          /* unprivileged user when the daemon is root, "nobody" when NULL */
        bool dev;                  /* follow changes of the folders while running */
        bool sandbox;              /* false only in sanitizer builds */
};
/* Refuses to start when seccomp or landlock is missing (unless sandbox is off, which release builds refuse too). */
int charm_host_new(struct loop *l, const struct charm_host_options *o, struct charm_host **ret, struct err *err);
struct charm_host *charm_host_free(struct charm_host *h);

/* Offered charms. */
struct charm_offer {
        char sha256[DIGEST_HEX_SIZE]; /* of the folder's content */
        char *folder;
        struct charm_meta *meta;
        char *refused;             /* why it cannot be used (others can write there, bad charm.yaml, no module), or NULL */
};
/* Reads the directories again; cheap when nothing changed. */
int charm_host_scan(struct charm_host *h, struct err *err);
const struct charm_offer *charm_host_offers(const struct charm_host *h, size_t *ret_n);
/* The offer of that name that serves CHANNEL (NULL: any) and REVISION (<0: newest). -ENOENT: names what is there: "no charm module \"dex-auth\" ...",
 * "minio has channels ..., not ...". */
int charm_host_find(const struct charm_host *h, const char *name, const char *channel, int64_t revision,
                    const struct charm_offer **ret, struct err *err);
/* Copies the offer into the state folder (idempotent, checked by hash, fsynced). */
int charm_host_pin(struct charm_host *h, const struct charm_offer *offer, struct err *err);
int charm_host_unpin(struct charm_host *h, const char *sha256, struct err *err); /* no application is pinned to it any more */
/* Folder of a pinned charm: "<state>/charms/<sha256>". Free it. */
char *charm_host_folder(const struct charm_host *h, const char *sha256);

struct charm_call {
        char sha256[DIGEST_HEX_SIZE];
        int64_t model, application;
        const char *view;          /* borrowed until done */
        size_t view_len;
        void (*done)(struct charm_call *c, int r, struct plan *plan, const struct err *err); /* once, on the loop; owns PLAN */
        void *arg;
        struct list link;          /* private from here */
        struct charm_host *host;
        struct worker *worker;
        int64_t queued_us, took_us;
};
/* Calls of one application never run side by side: the caller keeps that. */
void charm_host_plan(struct charm_host *h, struct charm_call *c);
void charm_host_cancel(struct charm_call *c);
/* Live workers, for status and figures. */
size_t charm_host_workers(const struct charm_host *h);
