/* SPDX-License-Identifier: Apache-2.0 */
/* command.c - runs one command inside the store's transaction and makes its answer; see
 * command.h
 *
 * A dry run does all that the command does and then fails with -ECANCELED, so that the savepoint
 * takes everything back: what it told is what would be done, because it was done. The store
 * keeps no answer of a failure; command_reply finds it here. */
#include "command-internal.h"

#include "shown.h"

#include <errno.h>
#include <stdlib.h>

static void forget(struct command *c) {
        json_decref(take_ptr(c->answer));
        json_decref(take_ptr(c->was));
        json_decref(take_ptr(c->became));
        json_decref(take_ptr(c->also));
        c->values = c->values_more = 0;
        free(take_ptr(c->reply));
        faults_deinit(&c->faults);
        faults_deinit(&c->notes);
        c->more = 0;
}

void command_deinit(struct command *c) {
        forget(c);
        explicit_bzero(c->seed, sizeof(c->seed));
}

static json_t *failure(struct command *c, int r, const struct err *err) {
        json_t *answer = json_object();

        if (c->faults.count == 0 && r < 0)
                faults_add_err(&c->faults, err);
        json_object_set_new(answer, "errors", faults_json(&c->faults));
        if (c->faults.more > 0)
                json_object_set_new(answer, "more", json_integer((json_int_t)c->faults.more));
        return answer;
}

static void finish_answer(struct command *c) {
        json_object_set_new(c->answer, "notes", faults_json(&c->notes));
        if (c->more > 0)
                json_object_set_new(c->answer, "more", json_integer((json_int_t)c->more));
        if (c->dry_run)
                json_object_set_new(c->answer, "dry-run", json_true());
}

/* ---- the audit */

static void put_value(json_t **side, const char *application, const char *field,
                      const json_t *value) {
        json_t *at;

        if (!value)
                return;
        if (!*side)
                *side = json_object();
        at = *side;
        if (application && !json_get(at, application))
                json_object_set_new(at, application, json_object());
        if (application)
                at = json_get(at, application);
        json_object_set_new(at, field, audit_value(value));
}

void command_record(struct command *c, const char *application, const char *field, json_t *before,
                    json_t *after) {
        if (c->entry && c->values < AUDIT_VALUES_MAX) {
                put_value(&c->was, application, field, before);
                put_value(&c->became, application, field, after);
                c->values++;
        } else {
                c->values_more++;
        }
        json_decref(before);
        json_decref(after);
}

/* What was done in words. Options are told by their values, where those that are secret are
 * masked. */
static void tell_changes(const struct command *c, struct buf *out) {
        const json_t *line;
        size_t i;

        json_array_foreach(json_get(c->answer, "changes"), i, line) {
                if (out->len > AUDIT_TEXT_MAX)
                        return;
                if (!str_eq(json_get_str(line, "change", ""), "set-option"))
                        buf_printf(out, "%s%s", out->len ? "; " : "",
                                   json_get_str(line, "text", ""));
        }
        if (c->values_more)
                buf_printf(out, "%s%zu more values", out->len ? "; " : "", c->values_more);
}

static int keep(struct tx *tx, const struct command *c, struct err *err) {
        cleanup_(buf_free) struct buf said = BUF_INIT;
        struct audit_entry e;

        if (!c->entry)
                return 0;
        tell_changes(c, &said);
        e = *c->entry;
        e.was = c->was;
        e.became = c->became;
        e.outcome = json_array_size(json_get(c->answer, "changes")) ? "done" : "unchanged";
        e.message = buf_str(&said);
        return audit_append(tx, c->audit, &e, err);
}

/* What it changes is told by what it will be: what it was counts, too, in a plan that is gone on
 * with later. */
static void mark_from(struct command *c) {
        json_t *first = json_array_get(json_get(c->answer, "changes"), 0);
        cleanup_(buf_free) struct buf text = BUF_INIT;
        char hex[DIGEST_HEX_SIZE];

        if (!first || !c->was || !(c->dry_run || c->expect))
                return;
        json_canonical(c->was, &text);
        json_object_set_new(first, "from",
                            json_string(digest_sha256_hex(text.data, text.len, hex)));
}

/* In the transaction that does it: nothing came between what was shown and this. */
static int check_expected(struct command *c, struct err *err) {
        cleanup_(json_freep) json_t *now = shown_lines(json_get(c->answer, "changes"));

        shown_moved(c->expect, now, NULL, &c->faults);
        return c->faults.count
                       ? err_set(err, -ESTALE, "the model has moved since the plan was made")
                       : 0;
}

/* What a person saw of the plans that follow, and agreed to. */
static int release_plans(struct tx *tx, const struct command *c, struct err *err) {
        const struct q_application_row *a;
        const struct q_model_row *m;
        const json_t *line;
        int r = 0;
        size_t i;

        json_array_foreach(c->release, i, line) {
                const char *content = json_get_str(line, "content", NULL);

                if (r < 0 || !content || !str_eq(json_get_str(line, "type", ""), "plan"))
                        continue;
                r = lookup_model(tx, c->of_model, &m, err);
                if (r >= 0)
                        r = lookup_application(tx, m, json_get_str(line, "path", ""), &a, err);
                if (r >= 0)
                        r = command_release_plan(tx, a, content, err);
        }
        return r;
}

int command_run(struct tx *tx, struct store_call *call, struct err *err) {
        struct command *c = call->arg;
        cleanup_(json_freep) json_t *failed = NULL;
        int r;

        forget(c);
        if (!c->seeded)
                digest_random(c->seed, sizeof(c->seed));
        c->seeded = true;
        c->answer = json_pack("{s:[]}", "changes");
        r = c->run(tx, c, err);
        if (r >= 0 && c->faults.count > 0)
                r = faults_end(&c->faults, err);
        if (r >= 0)
                r = command_check_frozen(tx, c, err);
        mark_from(c);
        if (r >= 0 && c->expect)
                r = check_expected(c, err);
        if (r >= 0 && c->look)
                r = c->look(tx, c, err);
        if (r >= 0 && c->release)
                r = release_plans(tx, c, err);
        if (r >= 0 && c->shown)
                r = w_shown_delete(tx, &(struct w_shown_delete_in){ .id = c->shown }, err);
        if (r >= 0 && !c->dry_run)
                r = keep(tx, c, err);
        if (r < 0) {
                failed = failure(c, r, err);
                c->reply = json_text(failed);
                return r;
        }
        finish_answer(c);
        c->reply = json_text(c->answer);
        if (c->dry_run)
                return err_set(err, -ECANCELED, "a dry run: nothing was changed");
        tx_answer(call, c->reply, strlen(c->reply));
        return 0;
}

const char *command_reply(const struct store_call *call) {
        const struct command *c = call->arg;

        if (call->answer)
                return call->answer;
        return c->reply ? c->reply : "{}";
}

void command_change(struct command *c, const char *change, const char *application, const char *fmt,
                    ...) {
        json_t *list = json_get(c->answer, "changes");
        cleanup_(freep) char *text = NULL;
        json_t *line;
        va_list ap;

        if (json_array_size(list) == COMMAND_CHANGES_MAX) {
                c->more++;
                if (application)
                        command_concerns(c, application);
                return;
        }
        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        line = json_object();
        json_object_set_new(line, "change", json_string(change));
        if (application)
                json_object_set_new(line, "application", json_string(application));
        json_object_set_new(line, "text", json_string(text));
        json_array_append_new(list, line);
}

void command_concerns(struct command *c, const char *application) {
        if (!c->also)
                c->also = json_object();
        json_object_set_new(c->also, application, json_true());
}

void command_note(struct command *c, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        faults_add(&c->notes, NULL, 0, "%s", text);
}

void command_fault(struct command *c, struct bundle_place at, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        faults_add(&c->faults, at.file, at.line, "%s", text);
}

void command_say(struct command *c, const char *member, json_t *value) {
        json_object_set_new(c->answer, member, value);
}

void command_uri(struct command *c, const char *name, char ret[27]) {
        uint8_t random[DIGEST_SIZE];

        digest_hmac(c->seed, sizeof(c->seed), name, strlen(name), random);
        digest_text(random, DIGEST_BASE32, 26, ret);
}
