/* SPDX-License-Identifier: Apache-2.0 */
/* command-freeze.c - freezes of models and applications, pauses of single objects
 *
 * Under a freeze the loop writes nothing outside, and no command changes what is frozen: that is
 * checked once for all of them (command_check_frozen), by what they say they changed, so that no
 * command can forget it. What stops or starts the loop itself is not a change of the model. */
#include "command-internal.h"

#include "clock.h"
#include "limit.h"
#include "rule.h"

#include <errno.h>
#include <stdlib.h>

static char *subject_text(const struct command_freeze *f) {
        if (f->type)
                return str_format("%s %s", f->type, f->path);
        return f->application ? str_dup(f->application) : str_format("model %s", f->model);
}

static bool is_that(const struct freeze *x, const struct command_freeze *f) {
        return str_eq(x->application, f->application ? f->application : "") &&
               str_eq(x->type, f->type ? f->type : "") && str_eq(x->path, f->path ? f->path : "");
}

/* That of a restore is no row. */
static const struct freeze *find(const struct rules *rules, const struct command_freeze *f) {
        for (size_t i = 0; i < rules->freeze_count; i++)
                if (rules->freezes[i].id && is_that(&rules->freezes[i], f))
                        return &rules->freezes[i];
        return NULL;
}

static int check_restored(const struct rules *rules, const struct command_freeze *f,
                          struct err *err) {
        const struct freeze *first = rules->freeze_count ? &rules->freezes[0] : NULL;

        if (!first || first->id || !is_that(first, f))
                return 0;
        return err_set(err, -EBUSY,
                       "model %s is frozen with all others because the controller was %s", f->model,
                       first->why);
}

static int begin(struct tx *tx, struct command *c, const struct q_model_row **ret_model,
                 struct rules **ret, struct err *err) {
        const struct command_freeze *f = command_of(c, command_freeze);
        const struct q_application_row *application;
        int r = lookup_model(tx, f->model, ret_model, err);

        c->is_stop = true;
        if (r >= 0 && f->application)
                r = lookup_application(tx, *ret_model, f->application, &application, err);
        return r < 0 ? r : rules_load_freezes(tx, (*ret_model)->id, ret, err);
}

static json_t *freeze_json(const char *owner, const char *why, int64_t until) {
        char stamp[CLOCK_TEXT_MAX];
        json_t *j = json_pack("{s:s, s:s}", "owner", owner, "why", why);

        if (until)
                json_object_set_new(j, "until", json_string(clock_iso(until, false, stamp)));
        return j;
}

static int set(struct tx *tx, struct command *c, const struct q_model_row *model, int64_t until,
               struct err *err) {
        const struct command_freeze *f = command_of(c, command_freeze);
        cleanup_(freep) char *subject = subject_text(f);
        const char *word = f->type ? "pause" : "freeze";
        const char *owner = c->actor ? c->actor : "somebody";
        char stamp[CLOCK_TEXT_MAX];
        int r = w_freeze_insert(
                tx,
                &(struct w_freeze_insert_in){ .id = tx_id(tx, "freeze"),
                                              .model_id = model->id,
                                              .application = f->application ? f->application : "",
                                              .type = f->type ? f->type : "",
                                              .path = f->path ? f->path : "",
                                              .owner = owner,
                                              .why = f->why,
                                              .at = tx_now(tx),
                                              .until = until,
                                              .until_null = !until },
                err);

        command_change(c, word, f->application, "%s %s%s%s: %s", word, subject,
                       until ? " until " : "", until ? clock_iso(until, false, stamp) : "", f->why);
        command_record(c, f->application, word, NULL, freeze_json(owner, f->why, until));
        tx_mark(tx, MARK_MODEL, model->id);
        return r < 0 ? r : 0;
}

int command_freeze_set(struct tx *tx, struct command *c, struct err *err) {
        struct command_freeze *f = command_of(c, command_freeze);
        const struct q_model_row *model;
        struct rules *rules = NULL;
        const struct freeze *old;
        int64_t until;
        int r = begin(tx, c, &model, &rules, err);

        if (r >= 0)
                r = command_until(tx, f->until, &until, err);
        if (r >= 0)
                r = command_check_why(f->why, f->type ? "pause" : "freeze", "is held up by it",
                                      err);
        old = r >= 0 ? find(rules, f) : NULL;
        if (old && !(str_eq(old->why, f->why) && old->until == until)) {
                cleanup_(freep) char *text = freeze_text(old);

                r = err_set(err, -EEXIST, "that is %s already by %s: end it first with %s",
                            f->type ? "paused" : "frozen", text, f->type ? "unpause" : "unfreeze");
        } else if (r >= 0 && !old && rules->freeze_count >= RULES_MAX) {
                r = err_set(err, -ENOSPC, "a model has at most %d freezes and pauses", RULES_MAX);
        } else if (r >= 0 && !old) {
                r = set(tx, c, model, until, err);
        }
        rules_free(rules);
        return r < 0 ? r : 0;
}

/* A pause outlives its object, and may be all that there is of it. */
static const struct freeze *find_named(const struct rules *rules, const char *object) {
        for (size_t i = 0; i < rules->freeze_count; i++)
                if (rule_is_object(object, rules->freezes[i].type, rules->freezes[i].path))
                        return &rules->freezes[i];
        return NULL;
}

int command_freeze_end(struct tx *tx, struct command *c, struct err *err) {
        struct command_freeze *f = command_of(c, command_freeze);
        const struct q_model_row *model;
        struct rules *rules = NULL;
        const struct freeze *old = NULL;
        int r = begin(tx, c, &model, &rules, err);

        if (r >= 0)
                old = f->object ? find_named(rules, f->object) : find(rules, f);
        if (r >= 0 && !old)
                r = check_restored(rules, f, err);
        if (r >= 0 && f->object && !old)
                r = err_set(err, -ENOENT, "model %s has no object %s, and no pause of one",
                            f->model, f->object);
        if (old && f->object) {
                f->type = old->type;
                f->path = old->path;
        }
        if (old) {
                cleanup_(freep) char *subject = subject_text(f);
                cleanup_(freep) char *text = freeze_text(old);
                const char *word = f->type ? "unpause" : "unfreeze";

                r = w_freeze_delete(tx, &(struct w_freeze_delete_in){ .id = old->id }, err);
                command_change(c, word, f->application, "go on with %s, which was %s by %s",
                               subject, f->type ? "paused" : "frozen", text);
                command_record(c, f->application, f->type ? "pause" : "freeze",
                               freeze_json(old->owner, old->why, old->until), NULL);
                tx_mark(tx, MARK_MODEL, model->id);
        }
        if (old && r >= 0)
                r = consequence_held_end(
                        tx, c, model->id,
                        &(struct consequence_stop){ f->application, f->type, f->path }, err);
        if (f->object)
                f->type = f->path = NULL; /* they go with the rules */
        rules_free(rules);
        return r < 0 ? r : 0;
}

/* ---- what is frozen is not changed */

/* What limits froze is gone on with by letting the plan go, or by other limits. */
static bool is_passed(const struct command *c, const struct freeze *f) {
        return c->is_apply && str_eq(f->owner, LIMIT_OWNER);
}

/* Of any application, or NULL. */
static const struct freeze *any_frozen(const struct command *c, const struct rules *rules) {
        for (size_t i = 0; i < rules->freeze_count; i++)
                if (!rules->freezes[i].type[0] && !is_passed(c, &rules->freezes[i]))
                        return &rules->freezes[i];
        return NULL;
}

static const struct freeze *frozen(const struct command *c, const struct rules *rules,
                                   const char *application) {
        const struct freeze *f = rules_frozen(rules, application);

        return f && is_passed(c, f) ? NULL : f;
}

/* It changes what is wanted of each application. */
static bool is_of_all(const char *change) {
        return str_eq(change, "remove-model") || str_eq(change, "model-config");
}

static const struct freeze *held_up_by(const struct command *c, const struct rules *rules) {
        const char *own = c->entry ? c->entry->application : NULL, *name;
        const json_t *line;
        json_t *also;
        size_t i;

        if (frozen(c, rules, NULL))
                return frozen(c, rules, NULL);
        json_array_foreach(json_get(c->answer, "changes"), i, line) {
                const char *application = json_get_str(line, "application", NULL);

                if (application && frozen(c, rules, application))
                        return frozen(c, rules, application);
                if (is_of_all(json_get_str(line, "change", "")) && any_frozen(c, rules))
                        return any_frozen(c, rules);
        }
        json_object_foreach(c->also, name, also)
                if (frozen(c, rules, name))
                        return frozen(c, rules, name);
        return own ? frozen(c, rules, own) : NULL;
}

int command_check_frozen(struct tx *tx, struct command *c, struct err *err) {
        struct q_model_row *model;
        const struct freeze *f;
        struct rules *rules = NULL;
        size_t n;
        int r;

        if (c->is_stop || c->dry_run || !c->of_model ||
            !json_array_size(json_get(c->answer, "changes")))
                return 0;
        r = q_model_by_name(tx, &(struct q_model_by_name_in){ .name = c->of_model }, &model, &n,
                            err);
        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        r = rules_load_freezes(tx, model->id, &rules, err);
        f = r >= 0 ? held_up_by(c, rules) : NULL;
        if (f) {
                cleanup_(freep) char *text = freeze_text(f);

                if (!f->id)
                        r = err_set(err, -EBUSY,
                                    "nothing is changed before that: the controller was %s",
                                    f->why);
                else
                        r = err_set(err, -EBUSY,
                                    "%s%s is frozen by %s: nothing of it is changed until %s"
                                    "`unfreeze%s%s`",
                                    f->application[0] ? "" : "model ",
                                    f->application[0] ? f->application : model->name, text,
                                    f->until ? "then, or until " : "", f->application[0] ? " " : "",
                                    f->application);
        }
        rules_free(rules);
        return r < 0 ? r : 0;
}
