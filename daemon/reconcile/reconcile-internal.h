/* SPDX-License-Identifier: Apache-2.0 */
/* reconcile-internal.h - what the files of this folder share
 *
 * One file a kind of key: outside.c, scope.c (models), application.c, resource.c. Each has
 * KIND_handle(), which the queue calls, and ends with queue_done or queue_failed, perhaps much
 * later. */
#pragma once

#include "drift-outcome.h"
#include "queue.h"
#include "reconcile.h"
#include "rule.h"
#include "world.h"

enum reconcile_kind { KEY_TARGET, KEY_MODEL, KEY_APPLICATION, KEY_RESOURCE, KEY_KIND_MAX };
extern const char *const reconcile_kind_names[KEY_KIND_MAX];

struct reconcile {
        struct reconcile_options options;
        char *controller;
        struct world world;
        struct queue *queue;
        bool started, stopping;
        size_t in_flight;  /* operations that are out */
        struct map marked; /* resources that were marked since their reading began, by id */
        struct list jobs;  /* resource jobs, for stop */
        struct list plans; /* application work, for stop */
        struct list sweeps, listings, previews, examinings, trials, verbs;
        size_t tried;       /* what trials have out or are reading */
        struct timer terms; /* the first end of a rule or a freeze */
        struct timer audits;
        struct kept *kept;
        struct certificate_clock *certificates;
        struct trail *trail;
};

/* ---- certificate-clock.c */
void certificate_clock_start(struct reconcile *rec);
void certificate_clock_soon(struct reconcile *rec); /* rows changed */
void certificate_clock_stop(struct reconcile *rec);
void certificate_clock_free(struct reconcile *rec);

/* ---- resource*.c: one resource */
/* What becomes of one difference. */
/* SPARE: nobody wants to know of it, until a change of ours writes it; KEEP: that does not,
 * either. */
enum fate { FATE_REPAIR, FATE_LATER, FATE_REPORT, FATE_SPARE, FATE_KEEP };
struct resource_job { /* from reading the rows to saving the outcome */
        struct store_call call;
        struct op op;
        struct apply_request request;
        struct reconcile *rec;
        int64_t id;
        struct list link;
        bool docs;         /* the documents were asked for too */
        bool fields_known; /* the world has the field set's text */
        /* read on the store's read thread; owned here */
        bool found;
        struct resource_row row;
        int64_t target, owner, model;
        char *type, *path, *token;
        uint8_t wanted[DIGEST_SIZE], fields[DIGEST_SIZE];
        bool wanted_valid, fields_valid;
        int64_t tries;
        struct world_need *needs;
        size_t need_count;
        int64_t *wanters;
        size_t wanter_count;
        json_t *document, *baseline;
        size_t text_len;              /* of these two as they were read */
        uint8_t outputs[DIGEST_SIZE]; /* of the values that were filled into the document */
        bool outputs_valid;
        struct err fill_err; /* why they could not be */
        char *fields_text;
        struct world_release *release; /* the resource's RELEASE and FOUND */
        char *instead;
        struct secret_values *values;
        json_t *own; /* apply_request's */
        /* the operation */
        enum action action;
        bool audit, busy_op;
        bool take_over;     /* what others put into our keyed lists goes with the repair */
        int64_t generation; /* that is written; of a token, the one it was begun with */
        enum drift_kind drift;
        json_t *marks;
        char **see; /* of the operation: the resource's may change while it is out */
        struct drift_list differences;
        enum fate *fates;        /* of each of them; NULL: not judged */
        struct kept_field *kept; /* fields that the apply leaves as they are; texts are borrowed */
        size_t kept_count, kept_room;
        json_t *kept_names;              /* of those that rules ignore; NULL: none */
        uint8_t drift_seen[DIGEST_SIZE]; /* of the observation that its line is of */
        bool paused;                     /* what differs waits for the end of a pause */
        bool anew;                       /* what is wanted now is applied, not what was */
        json_t *seen_found;      /* of the observation that they are of; NULL: it was not kept */
        bool part;               /* not all that differs is put right by this apply */
        int64_t standing;        /* the resource's line of what stands, or 0 */
        json_t *kept_before;     /* as the row says */
        char version[64];        /* of what the apply made */
        char version_before[64]; /* of what was there, as it was seen last */
        bool unwritten;          /* this apply changed nothing: what is new is left to others */
        bool sent;               /* the operation went to the provider */
        struct world_removal *removal;         /* that ended before: the save tells the audit */
        char *left_model, *left_by, *left_why; /* forget: what is left outside, for its line */
        enum resource_state next;              /* what is said once the line of drift is written */
        char *next_why;
        int64_t drift_line;
        int64_t drift_at;         /* clock_mono_us when this job found it */
        struct ledger_line *line; /* ledger.c's, while the line is being written */
        void (*ledger_done)(struct store_call *c, int r, const struct err *err);
};
void resource_handle(struct reconcile *rec, int64_t id);
/* Fills J's request for an operation on R. */
void resource_request(struct resource_job *j, struct world_resource *r);
json_t *resource_marks(struct reconcile *rec, const char *application,
                       const struct world_model *m);
/* What was seen of R last, as far as it is ours: the same text, the same state. Free it. */
char *resource_seen_text(const struct world_resource *r);
/* What is wanted of R, in the same way. */
const char *resource_content_text(const struct world_resource *r, char ret[DIGEST_HEX_SIZE]);
/* A person let it go as it is now, whatever rules and pauses say. */
bool resource_released(const struct world_resource *r);
/* It was applied so long ago that it is applied again. */
bool resource_audit_due(const struct reconcile *rec, const struct world_resource *r);
/* What decide says now, for handling, plan and why. TEXT backs the policy's strings. */
struct resource_policy_text {
        char unmet[256], held_up[256], blocked[256], paused[256], rule[300], redeclared[256],
                unread[256];
};
/* Who keeps the loop from writing it, and why, or NULL: in TEXT, or lives as long as R. */
const char *resource_paused(struct reconcile *rec, const struct world_resource *r, char *text,
                            size_t size);
void resource_policy(struct reconcile *rec, struct world_resource *r,
                     struct resource_policy_text *text, struct policy *ret);
/* ---- resource-fight.c */
struct q_fight_row;
/* FIELD ("": the whole) of R was found changed by WHO (NULL: not known). */
const struct fight *resource_note_fight(struct reconcile *rec, struct world_resource *r,
                                        const char *field, const char *who);
/* When it is put right again (clock_wall), with TEXT why; 0: at once. */
int64_t resource_fight_wait(struct reconcile *rec, const struct world_resource *r,
                            const struct fight *f, char *text, size_t size);
int64_t resource_fight_whole(struct reconcile *rec, const struct world_resource *r, char *text,
                             size_t size);
const struct fight *resource_fight(const struct world_resource *r); /* one that is open, or NULL */
char *resource_fight_text(struct reconcile *rec, const struct world_resource *r);
bool resource_fight_guarded(struct reconcile *rec, const struct world_resource *r);
/* Copies of those whose rows are not so yet. Once they are committed: fights_saved. */
void resource_take_fights(const struct world_resource *r, struct fights *ret);
void resource_fights_saved(struct world_resource *r, const struct fights *l);
int resource_save_fights(struct tx *tx, int64_t resource, const struct fights *l, struct err *err);
void resource_load_fight(struct reconcile *rec, const struct q_fight_row *row);
/* Ends those that are over; when to ask again, clock_wall, or 0. */
int64_t resource_settle_fights(struct reconcile *rec, struct world_resource *r);

/* ---- resource-fields.c */
const struct rules *resource_rules(struct reconcile *rec, const struct world_resource *r);
struct rule_subject resource_subject(struct reconcile *rec, const struct world_resource *r);
/* What was judged of what was seen last; NULL: it has to be compared. */
const struct verdict *resource_verdict(struct reconcile *rec, const struct world_resource *r);
/* Field by field what is not as it was made, and what becomes of it. */
void resource_find_differences(struct resource_job *j, struct world_resource *r);
/* J's apply was accepted: what it put right and is changed again is another change. */
/* An apply of the whole went well: whether any of what was changed was written. */
void resource_note_unwritten(struct resource_job *j, struct world_resource *r);
void resource_fights_answered(const struct resource_job *j, struct world_resource *r);
/* What stands is not what its line in the ledger says. */
bool resource_stands_new(const struct world_resource *r);
/* What R looks like is not kept once it was judged that nothing of it is written now: there may be
 * thousands that differ for weeks. It is looked for when it is needed again. */
void resource_let_found_go(struct reconcile *rec, struct world_resource *r);
/* It was let go, and R is to be judged anew, told or written. */
bool resource_lacks_found(const struct resource_job *j, const struct world_resource *r,
                          const struct decision *d);
/* The status of R's application says that something of it stands. */
void resource_note_standing(struct reconcile *rec, const struct world_resource *r);
/* Which fields J's apply leaves as they are. ALL: all is declared anew, but what rules ignore. */
void resource_keep_fields(struct resource_job *j, const struct world_resource *r, bool all);
bool resource_keeps(struct reconcile *rec, const struct world_resource *r);
/* A field of R is to be handed over, or declared again: why it is to be applied; or NULL. */
const char *resource_redeclared(struct reconcile *rec, const struct world_resource *r, char *text,
                                size_t size);
void resource_window_text(const struct rule *rule, int64_t at, char *text, size_t size);

/* Whose it is: its owner's model, else its own. NULL: nobody's. */
struct world_model *resource_model(struct reconcile *rec, const struct world_resource *r);
/* How often resources of a target that tells nothing by itself are looked at; 0: it tells. */
int64_t resource_poll_ms(const struct world_target *t);
/* The same of R: what is lost is asked for by name where the rest is watched, for one that was
 * restored may not have our labels. */
int64_t resource_look_every(const struct world_resource *r, const struct world_target *t);
/* What is still missing of what is needed; NULL: nothing. */
const char *resource_need_missing(struct reconcile *rec, const struct world_need *need);
/* It waits for what was in place before this start and is being read. */
bool resource_waits_unread(struct reconcile *rec, const struct world_resource *r);
/* "Secret kubeflow/x", "/spec/clusterIP of Service kubeflow/x"; free it. */
char *resource_need_name(struct reconcile *rec, const struct world_need *need);
/* The values that R takes from others are those of DIGEST; also while one is not known. */
bool resource_outputs_same(struct reconcile *rec, const struct world_resource *r, bool valid,
                           const uint8_t *digest);
/* Puts them into the job's document, when all are known. */
int resource_fill_outputs(struct resource_job *j, const struct world_resource *r, struct err *err);
/* The operation is over for the outside: no token is handed back any more. */
bool resource_token_ends(const struct resource_job *j);
void resource_set_state(struct reconcile *rec, struct world_resource *r, enum resource_state state,
                        const char *why);
/* Writes how it stands into its row, where commands read it. */
void resource_tell_row(struct reconcile *rec, struct world_resource *r);
void resource_changed(struct reconcile *rec,
                      struct world_resource *r); /* wakes who depends on it */
/* Something came up that operations on TARGET may wait for: those that failed for the want of it
 * are tried now, not in their time. */
void resource_wake_waiting(struct reconcile *rec, int64_t target);
/* It answers: all that is in it is looked at, and what failed while it did not is tried now. */
void resource_wake_target(struct reconcile *rec, int64_t target);
void resource_wake(struct reconcile *rec, struct world_resource *r); /* it may go on now */
bool resource_may_be_over(enum outcome o); /* a failure that the outside's coming up can end */
/* Its row changed; what is being read may be from before. */
void resource_marked(struct reconcile *rec, int64_t id);
struct resource_job *resource_job_new(struct reconcile *rec, int64_t id, bool docs);
struct resource_job *resource_job_free(struct resource_job *j);
void resource_load(struct resource_job *j,
                   void (*done)(struct store_call *c, int r, const struct err *err));
/* Inside a read, at the start: ROW is its row, and the world is the caller's. */
struct q_resource_row;
/* The same on the read thread, without the field set. */
int resource_read_row(struct tx *tx, struct resource_job *j, const struct q_resource_row *row,
                      struct err *err);
int resource_load_now(struct tx *tx, struct resource_job *j, const struct q_resource_row *row,
                      struct err *err);
/* Copies what was read into the world. NULL: the row is gone. */
struct world_resource *resource_take(struct resource_job *j, struct err *err);
void resource_save(struct resource_job *j,
                   void (*done)(struct store_call *c, int r, const struct err *err));
/* The save also makes the operation's `kept` values the newest revisions of our secrets, which
 * plans the application again. */
void secret_take(struct resource_job *j);
/* VALUE becomes the newest revision of S: AT_LEAST that one. An option that is S has it too. */
struct q_secret_row;
int secret_take_value(struct tx *tx, struct reconcile *rec, const struct q_secret_row *s,
                      int64_t at_least, const void *value, size_t len, struct err *err);
int resource_save_run(struct tx *tx, struct store_call *c, struct err *err);
/* R holds data and is to be deleted: commits that before it is sent. DONE gets -EBUSY when it is
 * kept after all. */
void resource_let_delete(struct resource_job *j,
                         void (*done)(struct store_call *c, int r, const struct err *err));
/* Inside a transaction: the row, its edges; its open lines in the ledger are closed. */
int resource_delete_rows(struct tx *tx, int64_t id, struct err *err);
/* ROW becomes detached storage: a loss that is in the ledger stays open there. */
int resource_detach_rows(struct tx *tx, const struct q_resource_row *row, struct err *err);

/* resource-audit.c: the row of what went out, in the transaction that saves how it ended */
int resource_audit(struct tx *tx, const struct resource_job *j, struct err *err);
/* A removal goes out; it ended so; what J's save tells is that it is gone. */
void resource_removal_begin(const struct resource_job *j, struct world_resource *r);
void resource_removal_end(const struct resource_job *j, struct world_resource *r);
void resource_removal_take(struct resource_job *j, struct world_resource *r);

/* ---- resource-seen.c */
void resource_observed(struct reconcile *rec, struct world_target *t, const char *type,
                       const char *path, struct observation *o);
/* What was observed while the operation was out is newer than its answer, as far as can be told. */
bool resource_overtaken(const struct world_resource *r, const struct op *op);
void resource_look_again(struct world_resource *r); /* what was seen last cannot be trusted */
void resource_take_look(struct resource_job *j, struct world_resource *r);
/* Data that was there was made by this apply: between our look and now it went. */
bool resource_made_again(const struct resource_job *j);
/* What stands on what was made anew is looked at. */
void resource_doubt_dependants(struct reconcile *rec, const struct world_resource *r);
/* What it holds was seen: it is filled, and no longer lost. */
void resource_mark_filled(struct reconcile *rec, struct world_resource *r);
/* A row that was read before that was written does not take it back. */
void resource_keep_filled(struct world_resource *r);

/* ---- ledger.c */
/* Writes the line for J's differences before the repair; then DONE. */
void ledger_open(struct resource_job *j, const char *action,
                 void (*done)(struct store_call *c, int r, const struct err *err));

/* Not in the ledger yet. (What only stands has a line of its own.) */
struct decision;
bool ledger_is_news(const struct world_resource *r, const struct decision *d);
/* There is something of J for a line of its own. */
bool ledger_tells(const struct resource_job *j, const struct world_resource *r);
/* A line, one drift of TYPE more, is told to the metrics. */
void ledger_count(enum drift_kind kind, const char *type, const char *who);
/* "data lost", ... */
const char *ledger_word(enum drift_kind kind);
int ledger_is_loss(struct tx *tx, int64_t id, bool *ret, struct err *err);

/* No drift of R is being repaired any more. */
void ledger_forget_drift(struct world_resource *r);
/* Nothing of R stands any more; its application's status says so. */
void ledger_forget_standing(struct reconcile *rec, struct world_resource *r);
/* R is as it was, and no write of ours is known to have done it: its open lines are closed with
 * OUTCOME, but as repaired where a repair was begun and it was that. */
void ledger_close(struct reconcile *rec, struct world_resource *r, enum drift_outcome outcome);
/* Writes what stands of J's differences as a line of its own, in the place of the one before; then
 * DONE. */
void ledger_stand(struct resource_job *j,
                  void (*done)(struct store_call *c, int r, const struct err *err));

/* ---- term.c: rules and freezes that end by themselves */
void term_init(struct reconcile *rec);
void term_deinit(struct reconcile *rec);
/* M's rules are these now; takes R over. True: they are other ones. */
bool term_take(struct reconcile *rec, struct world_model *m, struct rules *r);

/* ---- preview.c */
void preview_stop(struct reconcile *rec);

/* ---- trial.c */
void trial_target_closes(struct reconcile *rec, int64_t target);
void trial_stop(struct reconcile *rec);

/* ---- examine.c */
void examine_target_closes(struct reconcile *rec, int64_t target);
void examine_stop(struct reconcile *rec);

/* ---- verb.c: what actions ask for */
void verb_target_closes(struct reconcile *rec, int64_t target);
void verb_stop(struct reconcile *rec);

/* ---- trail.c: which user it was, by the outside's own audit log */
struct trail *trail_new(struct reconcile *rec);
struct trail *trail_free(struct trail *t);
/* LINE of the ledger is about R; Q's type and path are R's. */
void trail_ask(struct reconcile *rec, const struct world_resource *r, int64_t line,
               const struct user_question *q);

/* ---- kept.c: detached storage, which has no resource */
struct kept *kept_new(struct reconcile *rec);
struct kept *kept_free(struct kept *k);
void kept_stop(struct reconcile *rec);
void kept_soon(struct reconcile *rec);  /* a target answers: looks at all */
void kept_added(struct reconcile *rec); /* rows may have come: looks at those */
void kept_target_closes(struct reconcile *rec, int64_t target);
bool kept_idle(const struct reconcile *rec); /* nothing of it is with the store */
/* [{"model", "name": whose it was, "trouble": "lost" or "destroying", "lost": text}] */
json_t *kept_troubles(struct reconcile *rec);

/* ---- outside.c */
void outside_handle(struct reconcile *rec, int64_t id);
void outside_close_all(struct reconcile *rec);
/* T is open as its row says, as far as was told; or that is tried again and again. */
bool outside_current(struct reconcile *rec, const struct world_target *t);
/* May operations go out: open, and reachable as far as known. WHY gets the reason if not. (Whether
 * it is the outside that a model was bound to, scope_blocked says.) */
bool outside_usable(const struct world_target *t, char *why, size_t size);
/* The provider lists and watches TYPE by itself, and its first list is not in yet. */
bool outside_list_pending(const struct world_target *t, const char *type);
void outside_follow(struct world_target *t, const char *type);

/* ---- scope.c */
void scope_handle(struct reconcile *rec, int64_t id);
/* Each: why, or NULL; TEXT backs it. Another outside than the model's answers: */
const char *scope_elsewhere(struct reconcile *rec, const struct world_model *m, char *text,
                            size_t size);
/* That, or what the model lives in carries another's stamp: nothing is written, not even to it. */
const char *scope_foreign(struct reconcile *rec, const struct world_model *m, char *text,
                          size_t size);
/* That, or it was there before and is not ours: nothing is written inside. */
const char *scope_blocked(struct reconcile *rec, const struct world_model *m, char *text,
                          size_t size);
/* The same, once for the whole model and with all that is to be said. */
const char *scope_told(struct reconcile *rec, const struct world_model *m, char *text, size_t size);
/* What the model lives in was not seen since the start, or since another outside answers under its
 * name: whose stamp it carries is not known, so nothing else of the model is written. */
const char *scope_unread(struct reconcile *rec, const struct world_model *m, char *text,
                         size_t size);
/* What the model lives in was never accepted: nothing else of it is written, wherever that is. */
const char *scope_unmade(struct reconcile *rec, const struct world_model *m, char *text,
                         size_t size);

/* ---- application.c, application-view.c, application-plan.c, application-save.c */
void application_handle(struct reconcile *rec, int64_t id);
void application_touch(struct reconcile *rec,
                       int64_t id); /* something it sees changed: soon, not at once */
/* Its rows changed: read again now. */
void application_dirty(struct reconcile *rec, int64_t id);
void application_seen(struct reconcile *rec, int64_t id); /* a resource of it was seen to change */
/* Something lost a want: who was refused it is planned again. */
void application_conflicts_may_end(struct reconcile *rec);
void application_stop(struct reconcile *rec);
/* application-settled.c: its rows are newer than its plan. */
bool application_changing(const struct world_application *a);
/* Nothing is under way that may change what is wanted of it: neither here nor at who feeds it. */
bool application_settled(struct reconcile *rec, const struct world_application *a);
/* ---- refreshing.c: moves A's refresh on, if there is one that may; and what status says of it, or
 * NULL. The caller frees. */
void refreshing_consider(struct reconcile *rec, struct world_application *a);
char *refreshing_text(const struct reconcile *rec, const struct world_application *a);
/* application-see.c: what its wanters want to see of R, after they changed. */
void resource_see(struct reconcile *rec, struct world_resource *r);

/* ---- metrics.c */
/* An application's status is other now than BEFORE: whether that ends or begins a time in which
 * all of its model was in place. */
void metrics_status_changed(struct reconcile *rec, const struct world_application *a,
                            const char *before);
/* So that each series of theirs is there from the start, with 0. */
void metrics_begin(void);
queue_tell metrics_queue;

/* ---- unit.c, status.c */
int unit_load(struct tx *tx, struct world_application *a, struct err *err);
void unit_seen(struct reconcile *rec, struct world_target *t, const struct unit_seen *u);
void unit_listed(struct reconcile *rec, struct world_target *t, bool begin);
/* Computes what is shown of an application, writes it when it changed. */
void status_update(struct reconcile *rec, struct world_application *a);
/* What is lost of it and what to do; the caller frees it. */
char *status_lost(const struct world_application *a, const struct world_resource *r);
/* At an orderly end: what is active was seen so until now. */
void status_keep_seen(struct reconcile *rec);

/* ---- sweep.c: makes many resources dirty, in slices */
struct sweep_which {
        int64_t target;   /* 0: of all targets */
        const char *type; /* NULL: of all types */
        int64_t needs;    /* only those that need this one; 0: all */
        bool waiting;     /* only those that wait for something outside */
        bool wake;        /* what failed is tried now */
        bool audits;      /* only those whose audit is due */
};
void sweep_start(struct reconcile *rec, const struct sweep_which *which);
/* From now on who is due for an audit is looked for. */
void sweep_audits(struct reconcile *rec);
void sweep_stop(struct reconcile *rec);

/* ---- explain.c, listing.c */
/* R is of that model, and of that application unless it is NULL. */
bool explain_belongs(struct reconcile *rec, const struct world_resource *r, int64_t model,
                     const char *application);
void listing_stop(struct reconcile *rec);

/* ---- shared */
void reconcile_event(struct reconcile *rec, const char *kind, const char *model,
                     const char *subject, const char *text);
void reconcile_log(int level, const char *event, const struct reconcile *rec,
                   const struct world_resource *r, const char *fmt, ...) printf_(5, 6);
