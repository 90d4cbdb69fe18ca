/* SPDX-License-Identifier: Apache-2.0 */
/* stage.h - the whole reconciler on a real store, between charms whose plans the test writes down
 * and an outside that lives in this process; time is the test's
 *
 *   {"type": "Thing", "name": "one", "data": true, "empty": true, "inside": true,
 *    "needs": [{"type", "name", "kind": "exists"}], ...}
 *
 * is a document; anything else in it is its content. "inside" in a target's config puts it there.
 * Operations succeed at once unless told otherwise. */
#pragma once

#include "audit.h"
#include "charm-meta.h"
#include "clock.h"
#include "command.h"
#include "reconcile-internal.h"

#include <setjmp.h>
#include <cmocka.h>

struct stage {
        char *dir;
        struct loop *loop;
        struct store *store;
        struct sealer *sealer;
        struct audit audit;
        struct reconcile *rec;
        struct map plans;  /* application -> text of its plan */
        struct map things; /* name -> struct thing *: what is outside */
        struct list held;  /* struct answer: operations that wait for stage_release */
        struct list asked; /* struct charm_call: plans that wait, while CHARMS_SILENT */
        struct later answer_charms;
        bool hold, charms_silent, unlisted; /* UNLISTED: nothing of the outside can be listed */
        int planned, found, looks, applies, removes, trials; /* counts */
        const char *fail;                                    /* name whose operations fail ... */
        enum outcome failure;                                /* ... with this */
        char token[64];                                      /* that the newest apply was given */
        const struct charm_offer *offer; /* what an application without a charm finds */
        const char *log_user; /* by the outside's audit log; "": not yet; NULL: there is no log */
        int users_asked;
        int64_t audit_ms; /* from the next restart on */
};

int stage_set_up(void **state);        /* a cluster that is watched, model "lab" */
int stage_set_up_polled(void **state); /* a cluster that tells nothing by itself */
int stage_set_up_scoped(void **state); /* as polled, and models live in a thing of their name */
int stage_tear_down(void **state);
void stage_restart(struct stage *s); /* another process on the same rows and the same outside */
void stage_begin(struct stage *s);   /* the same, before its loop has turned */
void stage_stop(struct stage *s);    /* as the daemon does on SIGTERM; tear-down does the rest */

void stage_plan(struct stage *s, const char *application, const char *plan); /* from now on */
/* {"error": text} refuses. Members: docs {label: document}, see, needs, tell, targets, secrets. A
 * document's "secret", and what is told, may be "own:label/field" or "told:key"; while that is
 * not there the document is not wanted. */
void stage_deploy(struct stage *s, const char *application);
void stage_remove(struct stage *s, const char *application, bool force);
void stage_pause(struct stage *s, const char *application, bool pause);
void stage_relate(struct stage *s, const char *a, const char *b);
void stage_command(struct stage *s, struct command *c);
/* It is refused, and says both. */
void stage_refused(struct stage *s, struct command *c, const char *a, const char *b);

void stage_full(struct stage *s, bool full); /* the disk; after false: it can be written */
void stage_settle(struct stage *s);          /* all that can go on now has */
void stage_run(struct stage *s, int64_t ms); /* time goes on, in small steps */
void stage_release(struct stage *s);         /* the operations that were held end */
void stage_reach(struct stage *s);           /* applies that are held are done outside; no answer */

struct world_application *stage_application(struct stage *s, const char *name);
struct world_resource *stage_resource(struct stage *s, const char *name); /* NULL: no row */
bool stage_there(struct stage *s, const char *name);
/* A word of a thing that is there; "": none. */
const char *stage_member(struct stage *s, const char *name, const char *member);
/* As a stranger does; the provider tells it when it is watched. VALUE NULL: deleted. */
void stage_change(struct stage *s, const char *name, const char *member, json_t *value);
void stage_remake(struct stage *s, const char *name); /* deleted, and another one made */
void stage_leave(struct stage *s, const char *name);  /* it is being deleted, and still there */
void stage_stay(struct stage *s, const char *name);   /* and now it is not */
/* As a stranger does, without a label that we watch by: nobody tells of it. */
void stage_restore(struct stage *s, const char *name, const char *body);
/* One number that a statement finds in model.db. */
int64_t stage_count(struct stage *s, const char *sql);
