/* SPDX-License-Identifier: Apache-2.0 */
/* follow-end.c - how an operation ended: its results, what was done before it failed, what comes
 * next; see follow.h */
#include "follow.h"

#include "text.h"

#include "clock.h"
#include "yaml.h"

#include <stdlib.h>

/* One that can stand as it is: who copies a password from it does not know YAML's quotes. */
static bool is_line(const char *text) {
        if (!text || !*text || *text == ' ' || text[strlen(text) - 1] == ' ')
                return false;
        for (; *text; text++)
                if ((unsigned char)*text < 0x20 || *text == 0x7f)
                        return false;
        return true;
}

static bool is_secret(const json_t *names, const char *name) {
        const json_t *one;
        size_t i;

        json_array_foreach(names, i, one)
                if (str_eq(json_string_value(one), name))
                        return true;
        return false;
}

void follow_put_results(const struct cli *c, const json_t *results, const json_t *secret) {
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)results, name, value) {
                cleanup_(json_freep) json_t *one = json_pack("{s:O}", name, value);
                cleanup_(buf_wipe) struct buf out = BUF_INIT;

                if (is_secret(secret, name) && is_line(json_string_value(value))) {
                        fprintf(c->out, "%s: %s\n", name, json_string_value(value));
                        continue;
                }
                yaml_write(one, &out);
                fputs(buf_str(&out), c->out);
        }
}

static bool has_secret(const json_t *o) {
        const json_t *names = json_get(o, "secret-results"), *name;
        size_t i;

        json_array_foreach(names, i, name)
                if (json_get(json_get(o, "results"), json_string_value(name)))
                        return true;
        return false;
}

/* Who may not see them gets "(secret)", and is told why. */
static void reveal_results(struct cli *c, json_t *o) {
        cleanup_(freep) char *path = follow_path(c, json_get_int(o, "id", 0), "/results");
        cleanup_(json_freep) json_t *json = NULL;
        struct err err = { 0 };

        if (call_try_post(c, path, &json, &err) < 0)
                cli_say(c, "values of secrets are not shown: %s", err_text(&err));
        else
                json_object_set(o, "results", json_get(json, "results"));
}

static char *took_in_all(const json_t *o) {
        char span[CLOCK_TEXT_MAX];
        int64_t from, to;

        if (!clock_parse_iso(json_get_str(o, "started", ""), &from) ||
            !clock_parse_iso(json_get_str(o, "completed", ""), &to))
                return str_dup("");
        return str_format(" after %s", clock_span(MAX_OF(to - from, 0), span));
}

/* ---- what was done before it failed, by the journal */

static bool is_among(const char *word, const char *const *words) {
        for (; *words; words++)
                if (str_eq(*words, word))
                        return true;
        return false;
}

/* Every statement of ASK is one that only reads. */
static bool only_selects(const json_t *ask) {
        static const char *const reading[] = { "SELECT ", "SHOW ", "CHECKSUM ", "EXPLAIN " };
        const json_t *s, *statements = json_get(ask, "statements");
        size_t i;

        json_array_foreach(statements, i, s) {
                const char *sql = json_get_str(s, "sql", "");
                bool reads = false;

                for (size_t k = 0; k < ARRAY_SIZE(reading); k++)
                        reads = reads || str_starts(sql, reading[k]);
                if (!reads)
                        return false;
        }
        return json_array_size(statements) > 0;
}

/* What a command does in a pod is not known, and so is no reading. */
static bool only_reads(const json_t *turn) {
        static const char *const waits[] = { "wait", "ready", "settled", "taken", "holders", NULL };
        static const char *const looks[] = { "log",          "get-object",   "head-object",
                                             "list-objects", "list-buckets", NULL };
        const json_t *asked = json_get(turn, "ask"), *ask = json_get(asked, "ask");
        const char *kind = json_get_str(asked, "kind", ""), *verb = json_get_str(asked, "verb", "");

        if (!str_eq(kind, "verb"))
                return is_among(kind, waits);
        if (str_eq(verb, "sql"))
                return only_selects(ask);
        if (str_eq(verb, "http"))
                return str_eq(json_get_str(ask, "method", "GET"), "GET");
        return str_eq(verb, "stream") ? !json_get(ask, "to") : is_among(verb, looks);
}

static void say_state(struct cli *c, const json_t *o) {
        const char *message = json_get_str(o, "message", "");
        const json_t *turn, *last = NULL;
        size_t i, done = 0, read = 0;

        json_array_foreach(json_get(o, "turns"), i, turn) {
                if (str_eq(json_get_str(turn, "outcome", ""), "done"))
                        *(only_reads(turn) ? &read : &done) += 1;
                else
                        last = turn;
        }
        if (json_get_str(o, "started", NULL) == NULL)
                return cli_say(c, "It had not begun: nothing was changed.");
        if (last && !strstr(message, json_get_str(last, "error", ""))) {
                cleanup_(freep) char *ask = follow_ask(last);
                const char *error = json_get_str(last, "error", "");

                cli_say(c, "Step %s did not get: %s: %s%s%s", json_get_str(last, "step", ""), ask,
                        json_get_str(last, "outcome", "no answer yet"), *error ? ": " : "", error);
        }
        if (done)
                cli_say(c,
                        "What was done before (%zu of what it asked for, that may have changed "
                        "something) "
                        "stays, but for what its "
                        "clean-up took back.",
                        done);
        else if (read)
                cli_say(c, "Before that it had only looked: nothing was changed.");
        else
                cli_say(c, "Before that it had done nothing outside.");
        if (json_get(o, "leaves"))
                cli_say(c, "It leaves this half done: %s", json_get_str(o, "leaves", ""));
}

static int tell_failure(struct cli *c, const json_t *o) {
        long long id = json_get_int(o, "id", 0);
        const char *message = json_get_str(o, "message", ""),
                   *app = json_get_str(o, "application", "");
        cleanup_(freep) char *span = took_in_all(o);

        cli_fail(CLI_FAILED, "operation %lld, %s of %s, %s%s%s%s", id,
                 json_get_str(o, "action", ""), app, json_get_str(o, "status", ""), span,
                 *message ? ": " : "", message);
        say_state(c, o);
        if (str_eq(json_get_str(o, "status", ""), "failed"))
                cli_say(c,
                        "Next: mooringctl show-operation %lld has each step; mooringctl why %s how "
                        "%s is now; run it again when the cause is gone.",
                        id, app, app);
        else
                cli_say(c,
                        "Next: mooringctl show-operation %lld has each step; mooringctl why %s "
                        "how %s is now.",
                        id, app, app);
        return CLI_FAILED;
}

int follow_tell_waiting(struct cli *c, const json_t *o) {
        long long id = json_get_int(o, "id", 0);

        cli_say(c,
                "operation %lld waits until a second person, who logged in as another user, says "
                "mooringctl approve %lld; then mooringctl show-operation %lld --watch",
                id, id, id);
        return CLI_BLOCKED;
}

int follow_tell(struct cli *c, json_t *o, bool reveal) {
        const char *status = json_get_str(o, "status", "");
        bool done = str_eq(status, "completed");
        cleanup_(freep) char *span = took_in_all(o);

        if (reveal && has_secret(o))
                reveal_results(c, o);
        if (!cli_print(c, o))
                follow_put_results(c, json_get(o, "results"), json_get(o, "secret-results"));
        fflush(c->out);
        if (done)
                cli_say(c, "operation %lld completed%s", (long long)json_get_int(o, "id", 0), span);
        if (done)
                return CLI_DONE;
        if (!follow_is_live(o))
                return tell_failure(c, o);
        if (str_eq(json_get_str(o, "approval", ""), "wanted"))
                return follow_tell_waiting(c, o);
        return CLI_DONE;
}
