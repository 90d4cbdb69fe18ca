/* SPDX-License-Identifier: Apache-2.0 */
/* rule.h - what is done about drift: the rules of one model, and which of them decides
 *
 *   off     neither told nor repaired
 *   report  told in the ledger and in status, not repaired
 *   repair  told and repaired; perhaps only in a window
 *   ignore  of a field: nothing is told, and no apply, whatever it is for, writes it
 *
 * A rule says where it holds: application, kind, object, field; what it does not say is any. Of
 * those that fit the narrowest decides: a field before an object before a kind before an
 * application before the model, and of two fields the one that leads further down. Without a rule:
 * repair. Also read here: freezes of models and applications and pauses of objects. */
#pragma once

#include "cron.h"
#include "store.h"

enum rule_mode { RULE_REPAIR, RULE_OFF, RULE_REPORT, RULE_IGNORE, RULE_MODE_MAX };
const char *rule_mode_name(enum rule_mode m);
int rule_mode_find(const char *name); /* -1: none */

#define RULES_MAX 1000 /* of one model, and as many freezes: each event is held against all */

struct rule {
        int64_t id;
        char *application, *type, *path, *field; /* "": any */
        enum rule_mode mode;
        char *begins, *zone; /* of the window; begins "": at any time */
        struct window window;
        char *broken; /* why the window cannot be used any more, or NULL: it never opens */
        char *writer, *owner, *why;
        int64_t at, until; /* clock_wall; until 0: for ever */
};

struct freeze {
        int64_t id; /* 0: all is frozen, because the controller was restored (restored.h) */
        char *application, *type, *path; /* type: of an object that is paused */
        char *owner, *why;
        int64_t at, until;
};

struct rules {
        struct rule *items;
        size_t count;
        struct freeze *freezes;
        size_t freeze_count;
        uint8_t digest[32]; /* of all of it: other rules, another digest */
        int64_t ends_at;    /* clock_wall when the first of them, or a pause of the model or of one
                             * of its applications, ends by itself; 0: none does */
};

/* Inside a transaction. */
int rules_load(struct tx *tx, int64_t model, struct rules **ret, struct err *err);
/* Freezes and pauses only, and no digest: no window is parsed. */
int rules_load_freezes(struct tx *tx, int64_t model, struct rules **ret, struct err *err);
struct rules *rules_free(struct rules *r);

struct rule_subject { /* of which a rule is sought */
        const char *application, *type, *path;
};
/* The rule that decides about FIELD ("": the whole object) of S; NULL: none does. R may be NULL. */
const struct rule *rules_find(const struct rules *r, const struct rule_subject *s,
                              const char *field);
/* OBJECT, "KIND/NAME" as a person types it, means that one. */
bool rule_is_object(const char *object, const char *type, const char *path);
/* It fits S, whatever its field. */
bool rule_fits(const struct rule *r, const struct rule_subject *s);
/* "Deployment" or "deployment.apps" means TYPE, "Deployment.apps". */
bool rule_is_kind(const char *kind, const char *type);
/* " for Deployment.apps mlflow/server field spec.replicas", " for the model"; "" is any. Free
 * it. */
char *rule_scope_text(const struct rule_subject *s, const char *field);
/* "mode report for Deployment.apps mlflow/server spec.replicas (alice: until monday)"; free it. */
char *rule_text(const struct rule *r);
/* May a repair be sent now? *RET_CHANGE: clock_wall when to ask again; 0: never. */
bool rule_window_open(const struct rule *r, int64_t now, int64_t *ret_change);

/* The freeze of the model or of APPLICATION (NULL: only of the model); NULL: none. */
const struct freeze *rules_frozen(const struct rules *r, const char *application);
/* The pause of that object; NULL: none. */
const struct freeze *rules_paused(const struct rules *r, const char *type, const char *path);
/* "alice: reason (until 2026-09-23T14:00:00Z)"; free it. UNTIL 0: nobody said; BY NULL: NULL. */
char *rule_pause_text(const char *by, const char *why, int64_t until);
char *freeze_text(const struct freeze *f);
