/* SPDX-License-Identifier: Apache-2.0 */
/* world.h - what the loop remembers of the rows: targets, models, applications, resources, and
 * who needs whom
 *
 * A copy for speed of what the store holds, plus the newest observation of each resource.
 * Nothing here is truth: an entry marked stale is read again before it is used, and all of it is
 * built anew at the start. No objects are kept, only digests, unless an observation differs from
 * its baseline. Used by the files of this folder only. */
#pragma once

#include "decide.h"
#include "list.h"
#include "loop.h"
#include "map.h"
#include "provider.h"
#include "refresh.h"

struct reconcile;

struct world_target {
        struct reconcile *reconcile;
        int64_t id;
        char *name;
        const struct provider *provider;
        int64_t application;                /* whose plan made it, or 0 */
        char *label;                        /* of the plan */
        char *bound;                        /* identity it is bound to, or NULL */
        char *identity;                     /* as it said last, or NULL: not known yet */
        uint8_t config_digest[DIGEST_SIZE]; /* of what it was opened with */
        struct target *open;                /* NULL: not open */
        int64_t poll_ms;                    /* the daemon's option for providers that are polled */
        bool reachable, reach_known;
        int64_t reach_since; /* clock_wall */
        char *reach_why;     /* why not, or NULL */
        bool rereading;      /* its row is: perhaps it is to be opened anew */
        int64_t lost_at;     /* clock_wall when it was last seen well; 0: never */
        size_t in_flight;
        struct observer observer; /* borrowed by the provider while open */
        struct map followed;      /* type -> how far its first list is: outside.c's words */
};

struct world_model {
        int64_t id;
        char *name, *uuid;
        int64_t target;
        bool dying, force, destroy_storage;
        char *paused;          /* "alice: reason", or NULL */
        struct rules *rules;   /* and freezes; NULL: not read yet */
        uint64_t rules_turn;   /* rises with each change of them */
        int64_t scope;         /* resource of its namespace, or 0 */
        char *authority_waits; /* what the replacement of its CA waits for, or NULL */
        char *trouble;         /* why there is no such resource yet, or NULL */
        int64_t converged_at;  /* clock_wall when all of it was last known active; 0: never */
        size_t inactive;       /* metrics.c's: applications that are not active, as last counted */
        bool closed;           /* nothing of it may be written, as its resources were told last */
        bool scope_seen;       /* its namespace was, since this outside answers */
};

struct world_ids {
        int64_t *ids;
        size_t count, room;
};

struct world_want {
        char *label;
        int64_t resource;
        uint8_t document[DIGEST_SIZE];
};

struct world_wanted { /* a want, by its resource */
        int64_t resource;
        size_t want;
};

struct world_unit {
        char *name, *uid, *status, *agent, *message, *address, *node, *ports;
        const char *trouble; /* of unit_seen; NULL: none, or not seen since the start */
        int64_t number, since, restarts;
        bool listed; /* seen in the list that is coming in */
};

/* A refresh that is not over. */
struct world_refresh {
        enum refresh_stage stage;
        int64_t turn, stage_at, well_at; /* clock_wall; well_at 0: it is not well */
        char *paused;                    /* why, or NULL */
        json_t *units, *holds;           /* as the row has them */
        bool was_active;
        enum refresh_check check;
        char *check_text; /* of one that failed */
        char *to; /* "revision 2" */
        /* as this process has seen it; clock_mono */
        int64_t since, broken_since;
        char *waits; /* what it waits for now, or NULL */
        bool moving; /* its next move is with the store */
};
struct world_refresh *world_refresh_free(struct world_refresh *f);

struct world_application {
        struct reconcile *reconcile;
        int64_t id, model;
        char *name;
        char *charm;                    /* sha256 hex, or NULL */
        char *held_list, *held_content; /* of a plan that is held: lines, and limit.h's digests */
        char *charm_name, *held, *plan_error, *plan_word, *plan_message,
                *conflicts; /* as the row says */
        char *undecided;    /* what a person decides before it is planned; or NULL */
        char *pin_error;    /* why the charm that came does not fit, or NULL */
        int64_t scale;
        int64_t created_at;                /* clock_wall */
        bool planned;                      /* a plan was saved at least once */
        uint64_t changes, changes_planned; /* of its rows: told so far; those that a plan knows */
        bool dying;
        bool certified;                              /* it has certificates: */
        int64_t certificate_ends, certificate_renew; /* clock_wall: the first of them */
        int64_t authority_ends;                      /* and that of who issues them */
        bool noted;               /* perhaps a resource of it is fought over, or stays other */
        int8_t runs;              /* units: 1, or -1: what it wants runs none; 0: not known */
        char *paused;             /* "alice: reason", or NULL */
        struct world_want *wants; /* by label */
        size_t want_count;
        struct world_wanted *wanted; /* as many, by resource */
        uint64_t *tally;             /* tally.c's, TALLY_WORDS for each kind */
        size_t tally_words;
        char **see; /* flat: label, pointer, label, pointer, ... */
        size_t see_count;
        struct world_refresh *refresh; /* or NULL */
        struct map units;   /* pod name -> struct world_unit */
        int64_t *providers; /* applications whose relations feed this one */
        size_t provider_count;
        int64_t *peers; /* at the other ends of its other relations, also of those that are going */
        size_t peer_count;
        struct world_ids ending; /* tally.c: what tally_is_ending, and perhaps what was that */
        size_t leaving;  /* resources that it dropped, or may have, and that are not gone yet */
        bool replan;     /* every document is needed again: cache.db forgot some */
        bool reread;     /* its rows may be other than those that were read last */
        bool busy;       /* its handler is under way */
        bool executing;  /* a plan is being made or applied */
        json_t *actions; /* names of those that run on it, the oldest first; NULL: none */
        char status[16], *message; /* as shown last */
        int64_t status_at;
        char saved_status[16], *saved_message; /* as in its row */
        int64_t saved_at;
        int64_t planned_at; /* clock_mono of the last plan */
        int64_t plan_took_us;
        int64_t last_active; /* clock_wall it was last known active; 0: never */
        bool active;         /* it is, as this process saw itself */
};

struct world_need {
        int64_t id;
        enum need_kind kind;
        char *output; /* NEED_VALUE: pointer of what is taken; else NULL */
};

struct world_projection { /* shared by resources with equal field sets */
        uint8_t digest[DIGEST_SIZE];
        const struct provider *provider;
        struct projection *parsed;
        size_t users;
};

/* What differs of a resource, as it was judged last: valid for what was seen then. */
struct world_fields {
        struct verdict verdict;
        uint8_t digest[DIGEST_SIZE]; /* of the observation */
        uint64_t turn;               /* of the rules */
        uint8_t stands[DIGEST_SIZE]; /* of what differs and is not repaired now; zeros: nothing */
};

/* A removal that went out and whose end is not in the audit yet. */
struct world_removal {
        enum outcome outcome; /* of the newest; DONE while it goes on */
        char version[64];     /* of what went */
};

/* What a resource's open lines of the ledger tell; zeros: there is none, or not since the start. */
struct world_lines {
        int64_t found_at;            /* clock_mono_us: what is being repaired */
        uint8_t found[DIGEST_SIZE];  /* what was seen then */
        uint8_t stands[DIGEST_SIZE]; /* what is not repaired */
};

struct world_release { /* what a person let go */
        int64_t until; /* clock_wall */
        uint8_t digest[DIGEST_SIZE];
};

/* There may be 100,000 of them: what few of them have lies behind a pointer, flags stand
 * together. */
struct world_resource {
        struct reconcile *reconcile;
        int64_t id;
        int64_t target, owner, model; /* ids; owner 0: none, then model says whose it is */
        char *identity;               /* "target\ntype\npath" */
        const char *type;             /* world's, one for all of it */
        const char *path;             /* in IDENTITY */
        enum resource_state state;    /* by world_set_state, which counts */
        int tries;
        bool wanted_valid;
        bool woken;  /* while an operation is out, what it may wait for came up */
        bool listed; /* observed since the list of its type began */
        bool news;   /* something was observed since the operation that is out began */
        bool tried;  /* an apply of it may have reached the outside */
        bool busy, stale;
        bool waits_unread; /* for what is being read since this start */
        bool filling;    /* that it was seen filled is being written: its row does not say so yet */
        bool untold;     /* its row says that it failed, and it no longer does */
        bool look_again; /* what was seen last cannot be trusted: ask, though it is watched */
        bool document_lost; /* cache.db forgot what is wanted: a new plan is under way */
        struct resource_row row;
        uint8_t wanted[DIGEST_SIZE];
        struct world_projection *projection;
        struct interest interest;
        char **see; /* pointers that its wanters' charms want to see; NULL-terminated, or NULL */
        char **see_before; /* those of before they were gathered anew */
        char *reason;
        int64_t retry_at;         /* clock_mono; of a failed operation */
        int64_t retry_generation; /* the generation that failed: a newer one is tried at once */
        struct observation seen;
        struct world_need *needs;
        size_t need_count;
        int64_t *wanters; /* applications that want it */
        size_t wanter_count;
        int64_t leaves;                /* the application that counts it as leaving, or 0 */
        int64_t ends;                  /* the one in whose ENDING it is, or 0 */
        char *found;                   /* lost: incarnation of what stands in its place; or NULL */
        struct world_release *release; /* or NULL */
        struct resource_job *unsaved;  /* it ended, and its outcome could not be written yet */
        struct world_removal *removal; /* or NULL */
        int64_t drift;                 /* open line of the ledger, or 0 */
        int64_t standing;         /* that of what differs and is not repaired, or not yet; or 0 */
        struct world_lines *said; /* of both; NULL: nothing since the start */
        struct world_fields *judged; /* or NULL */
        struct fights *fights;       /* or NULL */
        json_t *kept; /* fields that rules kept at the last accepted apply; NULL: none */
};

struct world_order {
        int64_t id;
        struct world_resource *resource;
};

struct world {
        struct map targets, models, applications, resources; /* by id */
        struct world_order *order; /* all resources by id: for walks that stop and go on */
        size_t order_count, order_room;
        struct map identities;    /* "target\ntype\npath" -> resource, whose text it is */
        struct map types;         /* type -> that text: few, and never forgotten */
        struct map needed_by;     /* id -> struct world_ids of resources that need it */
        struct map projections;   /* digest -> struct world_projection */
        struct map model_names;   /* name -> model */
        size_t states[STATE_MAX]; /* resources: 100,000 are not counted each time */
};

void world_init(struct world *w);
void world_deinit(struct world *w);

struct world_target *world_target(struct world *w, int64_t id); /* each: NULL when not known */
struct world_model *world_model(struct world *w, int64_t id);
struct world_model *world_model_named(struct world *w, const char *name);
struct world_application *world_application(struct world *w, int64_t id);
struct world_resource *world_resource(struct world *w, int64_t id);
/* The one after the id AFTER; NULL: none. */
struct world_resource *world_resource_next(struct world *w, int64_t after);
/* The place in the order of the first that is not before ID. */
size_t world_order_at(const struct world *w, int64_t id);
struct world_resource *world_resource_at(struct world *w, int64_t target, const char *type,
                                         const char *path);
struct world_application *world_application_named(struct world *w, int64_t model, const char *name);

struct world_target *world_target_get(struct world *w,
                                      int64_t id); /* makes the entry when it is not there */
struct world_model *world_model_get(struct world *w, int64_t id);
struct world_application *world_application_get(struct world *w, int64_t id);
struct world_resource *world_resource_get(struct world *w, int64_t id, int64_t target,
                                          const char *type, const char *path);
void world_target_drop(struct world *w, struct world_target *t); /* must be closed */
void world_model_drop(struct world *w, struct world_model *m);
void world_application_drop(struct world *w, struct world_application *a);
void world_resource_drop(struct world *w, struct world_resource *r);
void world_set_state(struct world *w, struct world_resource *r, enum resource_state state);
/* What R's lines tell, to be written; and to be read, never NULL. */
struct world_lines *world_lines(struct world_resource *r);
const struct world_lines *world_lines_of(const struct world_resource *r);
void world_model_rename(struct world *w, struct world_model *m, const char *name);

void world_needs_free(struct world_need *needs, size_t n);
/* Replaces what R needs (copies), and who is therefore needed by it. */
void world_set_needs(struct world *w, struct world_resource *r, const struct world_need *needs,
                     size_t n);
const struct world_ids *world_needed_by(struct world *w, int64_t id); /* NULL: nobody */
/* The field set of R; TEXT is NULL when it has none. -EBADMSG: the text is not one. */
int world_set_fields(struct world *w, struct world_resource *r, const struct provider *p,
                     const uint8_t *digest, const char *text, struct err *err);
bool world_has_fields(struct world *w, const uint8_t *digest); /* then TEXT is not needed */
/* Takes the array over. */
void world_set_wants(struct world *w, struct world_application *a, struct world_want *wants,
                     size_t n);
/* Of an array sorted by label. */
const struct world_want *world_want_in(const struct world_want *wants, size_t n, const char *label);
const struct world_want *world_want(const struct world_application *a, const char *label);
/* R is to be seen at POINTER too; beyond PROVIDER_SEEN_MAX it is not. */
void world_see_add(struct world_resource *r, const char *pointer);
size_t world_see_count(const struct world_resource *r);
void world_see_withdraw(struct world_resource *r);     /* they are gathered anew */
char **world_see_copy(const struct world_resource *r); /* NULL: none */
void world_see_free(char **see);
/* R is to be seen at more than SEE, which an answer was made with. */
bool world_see_more(const struct world_resource *r, char *const *see);
void world_unit_free(void *unit);
void world_ids_add(struct world_ids *l, int64_t id);
