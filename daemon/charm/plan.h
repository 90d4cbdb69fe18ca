/* SPDX-License-Identifier: Apache-2.0 */
/* plan.h - what a charm's plan() said, and the stream of frames in which a worker says it
 *
 * Frames from the worker, each one byte of type and a body (frame.h):
 *
 *   R   ready: the module is loaded, its hashes were right, the sandbox is closed. Once, first.
 *   H   head of a plan: canonical JSON, members as in struct plan ("status", "message", "version",
 *       "tell", "secrets", "targets", "see", "needs", "keep",
 *       "sign")
 *   D   a document: label NUL target NUL SHA-256 (32 bytes) canonical JSON text; the target may be
 *       empty
 *   F   a file want: canonical JSON {"label", "resource", "edits"}
 *   E   end: the plan is whole
 *   A   what a step of an action said (step.h)
 *   X   refused: text. In place of R: the module cannot be used. In place of a plan or of A: the
 *       charm's own mistake
 *
 * To the worker: V, a view; S, the world of a step. Whatever a worker sends is an attacker's
 * word until checked here: types in their order, sizes, labels, hashes, and that a document is
 * canonical, by one pass over its bytes and without decoding it. Nothing is handed on before E.
 * Only lib is used, so that the worker's harness and the fuzzer have the same reader. */
#pragma once

#include "digest.h"
#include "frame.h"
#include "json.h"
#include "map.h"
#include "step.h"

#define CHARM_VIEW_MAX (256u << 10) /* what a worker decodes in some milliseconds */
#define CHARM_HEAD_MAX (256u << 10) /* ends up in other charms' views, which hold no more */
#define CHARM_DOC_MAX (3u << 20)    /* one document: what a kube-apiserver takes */
#define CHARM_PLAN_DOCS_MAX 20000
#define CHARM_PLAN_MAX (64u << 20) /* all documents and file wants of one plan */
#define CHARM_LABEL_MAX 200 /* fits a name of Kubernetes (253) with room for what the daemon adds */
#define CHARM_SEE_MAX 256   /* fields asked for, in all */
#define CHARM_POINTER_MAX 512 /* of one such field */
#define CHARM_SIGNED_MAX 80 /* by one authority: they are in its application's view, told */
#define CHARM_REQUEST_MAX 30000 /* bytes of a request that is to be signed */
#define CHARM_REFUSED_MAX 480 /* of a refusal's text; an err holds it with some words before */

enum plan_frame {
        PLAN_FRAME_VIEW = 'V',
        PLAN_FRAME_STEP = 'S',
        PLAN_FRAME_ANSWER = 'A',
        PLAN_FRAME_READY = 'R',
        PLAN_FRAME_REFUSED = 'X',
        PLAN_FRAME_HEAD = 'H',
        PLAN_FRAME_DOC = 'D',
        PLAN_FRAME_FILE = 'F',
        PLAN_FRAME_END = 'E',
};

struct plan_doc {
        char *label;
        char *target;                /* label of a declared target, or NULL */
        uint8_t sha256[DIGEST_SIZE]; /* of the bytes, checked */
        char *text;                  /* canonical JSON, an object */
        size_t len;
};
struct plan_file {
        char *label, *resource;
        json_t *edits; /* list or NULL */
};
/* The JSON members are never NULL: empty when nothing was said. */
struct plan {
        char *status, *message; /* charm's word or NULL: computed from readiness */
        char *version;          /* of the workload, or NULL */
        json_t *tell;           /* {"relation id": {key: value}} */
        json_t *secrets; /* {"label/field": {"length", "alphabet"}} asked for; alphabet may lack; or
                          * {"certificate": spec} (certificate.h), for LABEL/key and LABEL/crt */
        json_t *targets; /* {label: {"provider", "config": document}} */
        json_t *see;     /* {label: [pointer, ...]} */
        json_t *needs;   /* [{"label", "on", "kind": "exists" | "ready" | "value"}] */
        json_t *keep;    /* [label, ...]: wanted as it was, when it was */
        json_t *sign;    /* [{"label" of an authority, "request": PEM, "lifetime": seconds}] */
        struct plan_doc *docs; /* in the order in which they were wanted */
        size_t doc_count, doc_room;
        struct plan_file *files;
        size_t file_count, file_room;
};
struct plan *plan_free(struct plan *p);

struct plan_reader {
        struct frame_reader frames;
        struct plan *plan; /* being read, after its head */
        struct step *step; /* of PLAN_STEP, until it is taken */
        struct map labels; /* of docs and files, to find doubles */
        size_t bytes;      /* of docs and files */
        bool ready;        /* R was read */
};
void plan_reader_init(struct plan_reader *r);
void plan_reader_deinit(struct plan_reader *r);
void plan_reader_feed(struct plan_reader *r, const void *data, size_t len);

enum { PLAN_MORE, PLAN_READY, PLAN_WHOLE, PLAN_REFUSED, PLAN_STEP };
/* PLAN_MORE: feed more. PLAN_WHOLE: *RET_PLAN is the caller's. PLAN_STEP: R->step is for the
 * caller to take. PLAN_REFUSED: the charm's own text is in ERR. <0: what came is no plan, and
 * nothing that this worker says is to be believed any more: -EBADMSG, -E2BIG. */
int plan_reader_next(struct plan_reader *r, struct plan **ret_plan, struct err *err);
/* Bytes that were fed and not read as frames yet. */
size_t plan_reader_left(const struct plan_reader *r);

/* A label: 1 to CHARM_LABEL_MAX letters, digits, '.', '_', '-', '/'. */
bool plan_label_valid(const char *label);
/* TEXT is one JSON value in the form that json_canonical writes. -EBADMSG says at which byte it
 * is not. */
int plan_canonical(const char *text, size_t len, struct err *err);
