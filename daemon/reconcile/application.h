/* SPDX-License-Identifier: Apache-2.0 */
/* application.h - the work on one application key, shared by the application-*.c files
 *
 *   dirty ──▶ view (read thread) ──▶ unchanged? status only
 *                 │ changed
 *                 ▼
 *             plan (charm worker) ──▶ prepare (job thread) ──▶ save (one transaction)
 *
 * A dying application has no plan: its wants are taken away, its storage detached or destroyed
 * by consent, and its rows go with its last resource. */
#pragma once

#include "certificate.h"
#include "limit.h"
#include "output.h"
#include "reconcile-internal.h"

struct prepared_output {               /* a value of another document of the plan, by label */
        char *label, *pointer, *place; /* PLACE: where its token stands */
        bool secret_place;             /* a secret may stand there */
        int64_t resource;              /* save: the other's row */
};

struct q_resource_row;

struct prepared {          /* one document of a plan */
        const char *label; /* borrowed from the plan, or owned by OWN_LABEL */
        char *own_label;
        const char *target; /* label of a declared target, or NULL */
        const struct provider *provider;
        uint8_t mark[DIGEST_SIZE]; /* of the plan's bytes and the model's options: equal is done */
        bool unchanged;            /* as the want that is there, */
        bool kept;                 /* and the plan says only that */
        struct identity identity;
        char *text; /* canonical, as it will be applied */
        size_t len;
        struct map uris; /* "URI:REVISION" of secrets whose tokens stand in it */
        struct prepared_output *outputs;
        size_t output_count, output_room;
        int64_t resource, target_id; /* save: its row, and that of its target */
        bool saved;
        bool fresh;    /* the row was made in this transaction */
        bool conflict; /* the row is another application's */
};

struct new_secret { /* asked for, not there yet: made before the transaction, which may run again */
        char *label, *field, *policy;
        char uri[SECRET_URI_SIZE];
        struct buf sealed;
};

struct new_certificate { /* asked for, or due: its key is made in a thread */
        char *label;
        json_t *spec;                     /* borrowed from the plan */
        bool needed;                      /* there is none that is right and has not ended */
        bool request;                     /* another application issues it: it is asked */
        const json_t *sign;               /* of the plan: no certificate of ours, or NULL */
        struct certificate_answer answer; /* its answer, borrowed from the view; csr NULL: none */
        struct secret_text key;
        struct buf chain;
};

struct application_work {
        struct store_call call;
        struct charm_call charm;
        struct job job;
        struct reconcile *rec;
        int64_t id;
        uint64_t changes; /* of its rows, told before they were read */
        struct list link;
        bool stopped;

        /* read: the row and its view */
        bool found, dying, destroy_storage, force;
        char *name, *charm_sha256, *charm_name, *channel, *model_name, *paused, *held, *plan_error;
        char *plan_status, *plan_message, *conflicts, *undecided;
        int64_t model, revision, created_at;
        uint8_t plan_digest[DIGEST_SIZE], release_digest[DIGEST_SIZE], release_changes[DIGEST_SIZE];
        bool plan_digest_valid, release_valid, release_changes_valid;
        bool was_active; /* once: until then all that changes belongs to its first convergence */
        struct limits limits;
        char *held_list, *held_content;
        json_t *view, *see, *model_options;
        struct world_refresh *refresh; /* one that is not over, or NULL */
        json_t *holds; /* {label: hold} of what a refresh reaches in stages; NULL: none */
        json_t *rotations; /* charm.yaml's "secrets", or NULL */
        struct certificate_view certificates;
        uint8_t rest_before[DIGEST_SIZE]; /* of the view of the last plan without certificates */
        bool rest_valid;
        struct world_want *wants; /* LENT: the application has them, and one work at a time */
        size_t want_count;
        bool lent;
        int64_t *providers;
        size_t provider_count;
        int64_t *peers;
        size_t peer_count;
        int64_t target; /* the model's default */
        const struct provider *provider;

        /* plan */
        char *view_text;
        uint8_t digest[DIGEST_SIZE], cause[DIGEST_SIZE];
        struct plan *plan;
        json_t *needs;          /* of the plan, by label; or NULL */
        struct map target_uris; /* the same of the plan's targets */
        struct prepared *docs;
        size_t doc_count, doc_room;
        struct new_secret *secrets;
        size_t secret_count, secret_room;
        struct new_certificate *issues;
        size_t issue_count, issue_room, issued;
        uint8_t rest[DIGEST_SIZE];
        bool replan;
        struct err err;

        int64_t *stuck; /* removal by force: resources that would wait for others for ever */
        size_t stuck_count, stuck_room;

        /* save */
        uint8_t removal[DIGEST_SIZE]; /* what this plan takes away, */
        uint8_t change[DIGEST_SIZE];  /* and what it changes */
        json_t *taken;                /* both, a line each */
        unsigned over;                /* limit.h's, of both */
        bool froze;                   /* the model, for that */
        bool certified;               /* it has certificates, and REST is known */
        bool renewal;                 /* nothing but certificates led to this plan */
        bool moved;                   /* something else than relation data led to this plan */
        bool again;                   /* secrets were made: plan once more with them */
        char *held_now;
        struct buf conflicts_now;
        int64_t *edges_to; /* where the edges lead that are new */
        size_t edge_count, edge_room;
        size_t removed, changed;
};

struct application_work *application_work_free(struct application_work *w);
/* application-view.c: on the read thread. */
int application_view_run(struct tx *tx, struct store_call *c, struct err *err);
/* application-stage.c: the row, on the read thread; on the loop, which of its workloads are held,
 * before its plan is made ready. */
int application_stage_read(struct tx *tx, struct application_work *w, struct err *err);
void application_stage_take(struct application_work *w, struct world_application *a);
void application_stage_hold(struct application_work *w);
void application_stage_free(struct application_work *w);
/* They lead to another plan, though the charm sees nothing of them. */
void application_stage_digest(const struct application_work *w, struct buf *b);
/* The hold of D, whose mark becomes that of both; NULL: it is not held. */
const json_t *application_stage_mark(const struct application_work *w, struct prepared *d);
/* application-pin.c: a charm may have been installed since. */
void application_pin(struct application_work *w);
/* application-secrets.c: of W's plan. */
int application_make_secrets(struct application_work *w, struct err *err);
/* application-certificates.c: what W's plan asks for and is not there, or is due. */
int application_ask_certificates(struct application_work *w, struct err *err);
bool application_certificates_due(const struct application_work *w);
void application_free_certificates(struct application_work *w);
void application_make_keys(void *arg); /* in a job thread; fills err */
int application_issue_run(struct tx *tx, struct store_call *c, struct err *err);
int application_issue_failed_run(struct tx *tx, struct store_call *c, struct err *err);
/* Without one of them nothing can be planned. */
bool application_needs_certificates(const struct application_work *w);
/* application-see.c */
void application_see_set(struct world_application *a, const json_t *see);
/* Around each change of what A wants or asks to see: withdraw, change, share. */
void application_see_withdraw(struct reconcile *rec, const struct world_application *a);
void application_see_share(struct reconcile *rec, const struct world_application *a);
/* Of what the rows that W read want: an application has no wants in the world before its first turn
 * since the start, and actions and plans of commands may come before that. */
json_t *application_seen_json(const struct application_work *w);
/* A field that its charm asked for has not been read since the start. */
bool application_awaits_fields(struct reconcile *rec, const struct world_application *a);
/* Whether its plan may depend on what is seen of its resources. */
bool application_plans_by_seen(const struct world_application *a);
/* application-plan.c: in a job thread; fills docs or err. */
void application_prepare(void *arg);
/* application-save.c: on the store thread. */
int application_save_kept(struct tx *tx, struct application_work *w, struct err *err);
int application_save_run(struct tx *tx, struct store_call *c, struct err *err);
int application_save_error_run(struct tx *tx, struct store_call *c, struct err *err);
/* application-limits.c: which wants of W go or become others, and digests of both. REPLACED: a
 * label stands for something else now; TELL is called for each, or NULL. */
struct limit_walk {
        int (*replaced)(void *arg, const struct prepared *d, const struct world_want *want,
                        bool *ret, struct err *err);
        int (*tell)(void *arg, const struct world_want *want, bool gone, struct err *err);
        void *arg;
};
int application_limit_digests(struct application_work *w, const struct limit_walk *walk,
                              struct err *err);
/* Inside the save: fills held_now where it is too much; and afterwards the row, and the freeze. */
int application_limits(struct tx *tx, struct application_work *w, struct err *err);
int application_limits_save(struct tx *tx, struct application_work *w, struct err *err);
/* Of W's view, which an equal plan follows from; of one that is HELD with the limits that it was
 * held against, so that it is judged again when they are other ones. */
void application_limits_view(const struct application_work *w, bool held,
                             uint8_t ret[DIGEST_SIZE]);
/* application-edges.c: inside the save. */
void application_sort_docs(struct application_work *w); /* by label */
struct prepared *application_doc(const struct application_work *w, const char *label);
/* D's text with ids for labels. */
int application_outputs_text(struct tx *tx, struct application_work *w, struct prepared *d,
                             struct buf *out, struct err *err);
bool application_outputs_placed(const struct application_work *w, const struct prepared *d);
int application_outputs_circle(const struct application_work *w, struct err *err);
int application_save_edges(struct tx *tx, struct application_work *w, struct err *err);
/* application-tell.c: on the store thread, inside the save. */
int application_tell(struct tx *tx, struct application_work *w, struct err *err);
/* application-remove.c: on the store thread. */
int application_remove_run(struct tx *tx, struct store_call *c, struct err *err);
void application_find_stuck(struct application_work *w); /* on the loop, before it */
/* Forgets it as detached storage: outside it stays, with the secrets that open it. */
int application_detach(struct tx *tx, const struct application_work *w,
                       const struct q_resource_row *row, struct err *err);
/* The relations that are being removed, once a plan without them is saved. */
int application_remove_ended(struct tx *tx, struct application_work *w, struct err *err);

/* inherit.c: what was made inside of a server whose storage is kept. It goes with W; is kept when
 * storage is; is W's own again, to be removed. */
int inherit_leave(struct tx *tx, const struct application_work *w, struct err *err);
int inherit_end(struct tx *tx, const struct application_work *w, struct err *err);
int inherit_take(struct tx *tx, const struct application_work *w, struct err *err);
