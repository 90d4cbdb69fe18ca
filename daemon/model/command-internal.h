/* SPDX-License-Identifier: Apache-2.0 */
/* command-internal.h - what the files of commands share: telling what was done, and the rows
 * behind it */
#pragma once

#include "command.h"
#include "lookup.h"

/* The struct that has C as its head. */
#define command_of(c, type) ((struct type *)(c))

/* One line of the answer: CHANGE is a word ("deploy", "scale"), the sentence is for people. */
void command_change(struct command *c, const char *change, const char *application, const char *fmt,
                    ...) printf_(4, 5);
/* FIELD of APPLICATION (NULL: of what the command is about) was BEFORE and is AFTER, for the
 * audit; NULL: it was not there, or is not. Steals both. Secrets are AUDIT_SECRET. */
void command_record(struct command *c, const char *application, const char *field, json_t *before,
                    json_t *after);
/* APPLICATION is changed too, though no line of the answer is about it alone. */
void command_concerns(struct command *c, const char *application);
/* -EBUSY: what C changed is frozen. */
int command_check_frozen(struct tx *tx, struct command *c, struct err *err);
void command_note(struct command *c, const char *fmt, ...) printf_(2, 3);
/* What ERR says becomes one of the faults. */
void command_fault(struct command *c, struct bundle_place at, const char *fmt, ...) printf_(3, 4);
void command_say(struct command *c, const char *member, json_t *value); /* steals VALUE */
/* 26 letters of base32, random once for (command, NAME): the same when run again. */
void command_uri(struct command *c, const char *name, char ret[27]);

#define COMMAND_WHY_MAX 500 /* letters of a reason: it stands in status */
/* -EINVAL: "WHAT needs a reason ...: whoever WHO reads it". */
int command_check_why(const char *why, const char *what, const char *who, struct err *err);
/* A's next plan goes past the limits if it is this one. */
int command_release_plan(struct tx *tx, const struct q_application_row *a, const char *content,
                         struct err *err);

/* When something ends by itself: a time, or for how long from now; *RET 0: TEXT is NULL. */
int command_until(struct tx *tx, const char *text, int64_t *ret, struct err *err);

/* ---- application-row.c: options, storage, resources of one application. Return 1: changed, 0:
 * was so, <0 */
struct application_row {
        struct tx *tx;
        struct command *command;
        int64_t id, model;
        const char *name;
        const struct charm_meta *meta; /* NULL: no charm; options are kept as they are given */
};
/* Checks and writes; a wrong value is a fault at AT (0). */
int application_row_option(const struct application_row *a, const char *option, const json_t *value,
                           struct bundle_place at, struct err *err);
/* Of a bundle, for an application that was there before: what its actions set stays, with a note
 * where V differs. */
struct bundle_value;
int application_row_bundle_option(const struct application_row *a, const struct bundle_value *v,
                                  struct err *err);
int application_row_reset(const struct application_row *a, const char *option,
                          struct bundle_place at, struct err *err);
int application_row_storage(const struct application_row *a, const char *name, const json_t *wanted,
                            bool is_new, struct bundle_place at, struct err *err);
int application_row_resource(const struct application_row *a, const char *name, const char *value,
                             struct bundle_place at, struct err *err);
/* Its charm came: options that were kept unchecked are checked and put where they belong. */
int application_row_recheck(const struct application_row *a, struct err *err);
/* Opens a secret option's value. *RET is wiped by the caller. 1: there is none. */
int application_row_secret(struct tx *tx, const struct sealer *sealer, int64_t application,
                           const char *option, struct secret_text *ret, struct err *err);
/* Who says so destroys its storage. */
int application_row_destroyer(struct tx *tx, const struct command *c, int64_t application,
                              struct err *err);
/* The secret, its revisions and its grants. */
int application_row_forget_secret(struct tx *tx, int64_t secret, struct err *err);

/* ---- relation-row.c */
struct relation_side_row {
        int64_t id; /* of the application */
        const char *application;
        const char *endpoint;          /* NULL: implied */
        const struct charm_meta *meta; /* NULL: no charm */
};
/* Matches and writes the relation; 1: made, 0: was there (its id too), <0; what does not fit is
 * a fault at AT (0, *RET 0). */
int relation_row_add(struct tx *tx, struct command *c, int64_t model,
                     const struct relation_side_row sides[2], struct bundle_place at, int64_t *ret,
                     struct err *err);
/* Peers of its charm, and relations whose endpoints were open until now. */
int relation_row_settle(struct tx *tx, struct command *c, const struct application_row *a,
                        struct err *err);
/* Life dying; both sides and their secrets' users become dirty. */
int relation_row_end(struct tx *tx, int64_t relation, struct err *err);

/* ---- consequence.c: what a command does to data and to others, in its answer */
/* RELATION ends: who loses it, and what goes with it. */
int consequence_relation(struct tx *tx, struct command *c, int64_t relation, struct err *err);
/* Whether A has data, and how much else of it goes. */
struct consequence_counts {
        size_t data, others;
};
int consequence_count(struct tx *tx, const struct q_application_row *a,
                      struct consequence_counts *ret, struct err *err);
int consequence_removal(struct tx *tx, struct command *c, const struct q_application_row *a,
                        bool destroy, struct err *err);
/* What A wants changes: which fields of its objects rules leave to others, whatever it wants. */
int consequence_left(struct tx *tx, struct command *c, const struct q_model_row *model,
                     const struct q_application_row *a, struct err *err);
struct consequence_holds { /* the pauses and freezes of a model, as they stand */
        const struct q_model_row *model;
        struct rules *rules; /* rules_free */
};
int consequence_holds_load(struct tx *tx, int64_t model, struct consequence_holds *ret,
                           struct err *err);
/* ROW of A is destroyed: what holds that up, if anything does. */
void consequence_held_note(const struct consequence_holds *h, struct command *c,
                           const struct q_application_row *a, const struct q_resource_row *row);
struct consequence_stop {        /* a pause or a freeze that ended */
        const char *application; /* NULL: of the whole model, or of an object */
        const char *type, *path; /* of an object, or NULL */
};
/* Its rows are gone: names the data whose destruction nothing holds up any more. */
int consequence_held_end(struct tx *tx, struct command *c, int64_t model,
                         const struct consequence_stop *was, struct err *err);
/* MODEL is written to another outside from now on, or to one that another one wrote to. */
int consequence_rebound(struct tx *tx, struct command *c, const struct q_model_row *model,
                        struct err *err);

/* ---- detached.c: storage that nobody wants any more, with the secrets that open it */
/* APPLICATION looks after it from now on. Returns how many there were. */
int detached_attach(struct tx *tx, struct command *c, const struct q_model_row *model,
                    const char *name, int64_t application, struct err *err);
/* The reconciler deletes what we made, and leaves the rest. Returns how many there were. */
int detached_destroy(struct tx *tx, struct command *c, const struct q_model_row *model,
                     const char *name, struct err *err);
/* The volume is given up: what was remembered to be in it (inherit.c of the reconciler) too. */
int detached_begin_anew(struct tx *tx, struct command *c, int64_t model, const char *name,
                        struct err *err);
/* Of every application. */
int detached_destroy_all(struct tx *tx, struct command *c, const struct q_model_row *model,
                         struct err *err);

/* ---- as parts of a refresh --all: what the commands of one do, told in C */
int command_refresh_one(struct tx *tx, struct command *c, const struct command_refresh *what,
                        struct err *err);
int command_resume_one(struct tx *tx, struct command *c, const struct command_going *what,
                       struct err *err);
int command_rollback_one(struct tx *tx, struct command *c, const struct command_going *what,
                         struct err *err);

/* ---- command-operation.c, for schedules too */
/* "uid 1000 (alice) as uid 0 (root)": who logged in, and whom he became; the transaction's. */
const char *command_asker(struct tx *tx, const struct command *c);
/* What a second person has to approve is taken from nobody whom none can be told apart from. */
int command_operation_check_asker(const struct audit_entry *e, const struct meta_action *action,
                                  struct err *err);
