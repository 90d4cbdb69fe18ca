/* SPDX-License-Identifier: Apache-2.0 */
/* command.c - runs one command inside the store's transaction and makes its answer; see
 * command.h
 *
 * A dry run does all that the command does and then fails with -ECANCELED, so that the savepoint
 * takes everything back: what it told is what would be done, because it was done. The store
 * keeps no answer of a failure; command_reply finds it here. */
#include "command-internal.h"

#include <errno.h>
#include <stdlib.h>

static void forget(struct command *c) {
        json_decref(c->answer);
        c->answer = NULL;
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
        if (r >= 0 && c->dry_run && c->look)
                r = c->look(tx, c, err);
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
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
        uint8_t random[DIGEST_SIZE];

        digest_hmac(c->seed, sizeof(c->seed), name, strlen(name), random);
        for (int i = 0; i < 26; i++)
                ret[i] = letters[random[i] % 32];
        ret[26] = '\0';
}
