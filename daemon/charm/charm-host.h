/* SPDX-License-Identifier: Apache-2.0 */
/* charm-host.h - runs plan() of charm modules in sandboxed workers (mooring-charm); no module is
 * ever opened in the daemon
 *
 * Folder NAME below a charm directory is an offered charm. At deploy it is copied to
 * <state>/charms/<sha256>/ and kept while an application is pinned to it. A worker belongs to
 * one (sha256, model), is a cache (CHARM_WORKERS_MAX live, idle ones end), dies with the daemon,
 * and can hurt only the call it is working on: crash, loop, garbage and oversize end that call
 * with an error and the worker with a kill; back-off is the caller's. The next views lie with the
 * worker before it is done with one; those that it was not at yet go to another.
 *
 * View (JSON, canonical, at most CHARM_VIEW_MAX):
 *   { "application": name, "model": name, "scale": n, "config": {name: value},
 *     "images": {resource: reference}, "files": {resource: sha256}, "constraints": {name: text},
 *     "storage": {name: {"class": text|null, "size": bytes}}, "secrets": {"label/field": token},
 *     "certificates": {label: {"ca": PEM, "csr", "signed"}}, (certificate.h)
 *     "relations": [{"id", "endpoint", "interface", "role", "application", "told": {key: value}}],
 *     "seen": {label: {"exists", "ready", "reason", "incarnation", "fields": {pointer: value}}},
 *     "ready": [label, ...] }
 * "ready" is the short form for labels that exist and are ready and of which no field was asked
 * for: with thousands of them "seen" would not fit.
 *
 * Plan: frames as plan.h says. A plan that asks for a secret which "secrets" of its view lacks
 * is a draft: in its place stands {{want:LABEL/FIELD:FORM}}; make the secrets, plan again, apply
 * nothing of the draft. */
#pragma once

#include "loop.h"
#include "map.h"
#include "plan.h"

#define CHARM_WORKERS_MAX 64 /* live at once: all applications of Charmed Kubeflow and some */
#define CHARM_CALL_MS 10000  /* wall clock of one plan, from the view to the last frame */
#define CHARM_WORKER_MEMORY                                                                        \
        (512u << 20) /* address space: a plan of 64 MiB is held twice while it is put together */
#define CHARM_WORKER_CPU_S                                                                         \
        20 /* of one worker; one that used half of it is replaced between two calls */
/* An idle worker costs 0.3 MB and starts in 3 ms: kept as long as events come in bursts. */
#define CHARM_IDLE_MS 120000
#define CHARM_STARTS 64 /* workers started at once: all applications after a restart */
#define CHARM_STARTS_PER_S                                                                         \
        20 /* beyond that: modules that crash at every call cost a tenth of a core */

struct charm_host;
struct worker_spec;
struct charm_host_options {
        const char *state_dir;
        const char *const *charm_dirs; /* NULL-terminated; first match wins */
        const char *worker;            /* path of mooring-charm */
        const char *user; /* unprivileged user when the daemon is root, "nobody" when NULL */
        bool dev;         /* scan as soon as a folder changes; what modules print is logged */
        bool sandbox;     /* false only in sanitizer builds */
        void (*changed)(void *arg); /* a scan found other offers than the last one. May be NULL */
        void *arg;
};
/* Refuses to start when seccomp or landlock is missing (unless sandbox is off, which release
 * builds refuse too). Tries both in a worker: blocking, some milliseconds. The strings of O are
 * copied. */
int charm_host_new(struct loop *l, const struct charm_host_options *o, struct charm_host **ret,
                   struct err *err);
struct charm_host *charm_host_free(struct charm_host *h);

/* Offered charms. */
struct charm_offer {
        char sha256[DIGEST_HEX_SIZE]; /* of the folder's content */
        char *folder;
        struct charm_meta *meta;
        char *refused; /* why it cannot be used (others can write there, no module, ...), or NULL */
};
/* Reads the directories again; cheap when nothing changed. */
int charm_host_scan(struct charm_host *h, struct err *err);
const struct charm_offer *charm_host_offers(const struct charm_host *h, size_t *ret_n);
/* The offer of that name that serves CHANNEL (NULL: any) and REVISION (<0: newest). -ENOENT:
 * names what is there: "no charm module \"dex-auth\" ...", "minio has channels ..., not ...". */
int charm_host_find(const struct charm_host *h, const char *name, const char *channel,
                    int64_t revision, const struct charm_offer **ret, struct err *err);
/* The charm in FOLDER (charm-offer.h), which need not be on offer. Cleared by the caller. */
int charm_host_read(const char *folder, struct charm_offer *ret, struct err *err);
void charm_host_clear(struct charm_offer *offer);
/* Copies the offer into the state folder (idempotent, checked by hash, fsynced). Blocks for the
 * disk: where that matters, call charm_pin (charm-pin.h) from a job. */
int charm_host_pin(struct charm_host *h, const struct charm_offer *offer, struct err *err);
/* Adds the contents that a live worker or a waiting call uses. */
void charm_host_used(const struct charm_host *h, struct map *sha256s);

struct charm_call {
        char sha256[DIGEST_HEX_SIZE];
        int64_t model, application;
        const char *view; /* borrowed until done */
        size_t view_len;
        void (*done)(struct charm_call *c, int r, struct plan *plan,
                     const struct err *err); /* once, on the loop; owns PLAN */
        /* The same in place of DONE, where VIEW is the world of a step of an action (step.h). */
        void (*stepped)(struct charm_call *c, int r, struct step *step, const struct err *err);
        void *arg;
        struct list link;        /* private from here */
        struct charm_host *host; /* NULL: not with the host, or no longer */
        struct worker *worker;
        int64_t queued_us, took_us;
};
/* How workers are started, without folder and content: for charm_load_try (charm-load.h). */
const struct worker_spec *charm_host_spec(const struct charm_host *h);
/* Plans of one application are never made side by side: the caller keeps that. */
void charm_host_plan(struct charm_host *h, struct charm_call *c);
void charm_host_cancel(struct charm_call *c);    /* fine when it is done */
bool charm_host_has(const struct charm_call *c); /* it waits, or a worker is at it */
/* Live workers, for status and figures. */
size_t charm_host_workers(const struct charm_host *h);
/* Workers that died at work or idle since the start; stamps are clock_wall, 0: never. */
struct charm_host_deaths {
        size_t total;
        int64_t last, fifth; /* the last one, and the fifth last */
};
void charm_host_deaths(const struct charm_host *h, struct charm_host_deaths *ret);
void charm_host_metrics(struct charm_host *h); /* sets the gauges (metric.h) to what is so now */
