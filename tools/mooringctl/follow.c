/* SPDX-License-Identifier: Apache-2.0 */
/* follow.c - see follow.h
 *
 * Asks for what is new of the journal, prints it, and sleeps until an event of the operation or
 * FOLLOW_PAUSE_MS, whichever is first: an event that is missed costs that pause. On a terminal
 * the last line has a bar of its steps, what it waits for and since when; elsewhere a change is
 * a line. */
#include "follow.h"

#include "text.h"

#include "clock.h"
#include "yaml.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define FOLLOW_PAUSE_MS 1000
#define UNTIL "until "
#define BAR_WIDTH 10 /* what it waits for needs the rest of the line */

struct following {
        struct cli *c;
        int64_t id;
        int64_t turn, log; /* that were printed last */
        int64_t out;       /* the turn that was told as begun */
        char *at;          /* what was printed last of what it is at */
        bool drawn;        /* that stands on the terminal's line */
        bool silent;       /* the daemon did not answer when it was asked last */
};

char *follow_path(struct cli *c, int64_t id, const char *below) {
        cleanup_(freep) char *number = str_format("%lld", (long long)id);
        cleanup_(freep) char *path = call_path("/v1/models/%s/operations/%s", cli_model(c), number);

        return str_format("%s%s", path, below);
}

int follow_read(struct cli *c, int64_t id, json_t **ret) {
        cleanup_(freep) char *path = follow_path(c, id, "");
        int r = call_get(c, path, ret);

        while (!r && (json_get(*ret, "next-turn") || json_get(*ret, "next-log"))) {
                cleanup_(json_freep) json_t *page = NULL;
                cleanup_(freep) char *next = str_dup(path);

                call_query_int(&next, "after-turn", json_get_int(*ret, "next-turn", INT32_MAX));
                call_query_int(&next, "after-log", json_get_int(*ret, "next-log", INT32_MAX));
                r = call_get(c, next, &page);
                if (r)
                        break;
                json_array_extend(json_get(*ret, "turns"), json_get(page, "turns"));
                json_array_extend(json_get(*ret, "log"), json_get(page, "log"));
                json_object_del(*ret, "next-turn");
                json_object_del(*ret, "next-log");
                if (json_get(page, "next-turn"))
                        json_object_set(*ret, "next-turn", json_get(page, "next-turn"));
                if (json_get(page, "next-log"))
                        json_object_set(*ret, "next-log", json_get(page, "next-log"));
        }
        return r;
}

bool follow_is_live(const json_t *o) {
        const char *status = json_get_str(o, "status", "");

        return str_eq(status, "pending") || str_eq(status, "running");
}

/* ---- lines */

char *follow_ask(const json_t *turn) {
        const json_t *ask = json_get(turn, "ask");
        const char *kind = json_get_str(ask, "kind", "?");
        const char *verb = str_eq(kind, "verb") ? json_get_str(ask, "verb", kind) : kind;
        const char *at = json_get_str(ask, "target", json_get_str(ask, "label", NULL));

        if (!at)
                at = json_object_iter_key(json_object_iter(json_get(ask, "options")));
        if (!at)
                at = json_get_str(json_get(ask, "ask"), "pod", NULL);
        return at ? str_format("%s at %s", verb, at) : str_dup(verb);
}

static char *since_text(const struct cli *c, const char *iso) {
        char stamp[40], span[CLOCK_TEXT_MAX];
        int64_t at;

        if (!iso || !clock_parse_iso(iso, &at))
                return str_dup("");
        return str_format(", since %s (%s)", text_time(iso, c->globals->utc, stamp),
                          clock_span(MAX_OF(clock_wall() - at, 0) / 1000 * 1000, span));
}

/* "waits for sql at server", "waits until 14:02:07", "tried 3 times: unreachable: ...". */
static char *waits_text(const struct cli *c, const json_t *now) {
        const char *waits = json_get_str(now, "waits", NULL);
        long long tries = json_get_int(now, "tries", 0);
        char stamp[40];
        int64_t at;

        if (waits && tries > 1)
                return str_format("tried %lld times: %s", tries, waits);
        if (waits && str_starts(waits, UNTIL) && clock_parse_iso(waits + strlen(UNTIL), &at))
                return str_format("waits " UNTIL "%s",
                                  text_time(waits + strlen(UNTIL), c->globals->utc, stamp));
        return waits ? str_format("waits for %s", waits) : NULL;
}

/* Where STEP stands in the table; *RET_COUNT 0: nowhere, it is not known yet or cleans up. */
static size_t place_of(const json_t *o, const char *step, size_t *ret_count) {
        const json_t *steps = json_get(o, "steps");

        *ret_count = json_array_size(steps);
        for (size_t i = 0; i < *ret_count; i++)
                if (str_eq(json_string_value(json_array_get(steps, i)), step))
                        return i;
        return *ret_count = 0;
}

/* "step 3 of 7 alter" */
static char *step_text(const json_t *o, const char *step) {
        size_t count, at = place_of(o, step, &count);

        if (count)
                return str_format("step %zu of %zu %s", at + 1, count, step);
        return *step ? str_format("step %s", step) : str_dup("first step");
}

char *follow_at(const struct cli *c, const json_t *o) {
        const json_t *now = json_get(o, "now");
        cleanup_(freep) char *waits = waits_text(c, now);
        cleanup_(freep) char *step = step_text(o, json_get_str(o, "step", ""));
        const char *iso =
                waits ? json_get_str(now, "since", NULL) : json_get_str(o, "step-since", NULL);
        cleanup_(freep) char *since = since_text(c, iso);
        const char *begin = json_get_bool(o, "cleaning-up", false) ? "cleaning up, " : "";

        if (str_eq(json_get_str(o, "status", ""), "pending"))
                return str_format("%s%s", waits ? waits : "waits for its turn", since);
        return str_format("%s%s%s%s%s", begin, step, waits ? ": " : "", waits ? waits : "", since);
}

static void clear(struct following *f) {
        if (f->drawn)
                fputs("\r\033[K", stderr);
        f->drawn = false;
}

static void line(struct following *f, const char *iso, const char *fmt, ...) printf_(3, 4);
static void line(struct following *f, const char *iso, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        char stamp[40];
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        clear(f);
        cli_say(f->c, "%s %s", text_time(iso, f->c->globals->utc, stamp), text);
}

static char *took(const json_t *turn) {
        char span[CLOCK_TEXT_MAX];
        int64_t from, to;

        if (!clock_parse_iso(json_get_str(turn, "asked", ""), &from) ||
            !clock_parse_iso(json_get_str(turn, "ended", ""), &to))
                return str_dup("");
        return str_format(" (%s)", clock_span(MAX_OF(to - from, 0), span));
}

/* A turn that is out is told once where no line shows it, and printed again when it has ended. */
static bool tell_turn(struct following *f, const json_t *o, const json_t *turn) {
        cleanup_(freep) char *step = step_text(o, json_get_str(turn, "step", ""));
        cleanup_(freep) char *ask = follow_ask(turn);
        cleanup_(freep) char *span = took(turn);
        const char *outcome = json_get_str(turn, "outcome", NULL);
        const char *error = json_get_str(turn, "error", "");
        int64_t seq = json_get_int(turn, "seq", 0);

        if (outcome) {
                line(f, json_get_str(turn, "ended", NULL), "%s: %s: %s%s%s%s", step, ask, outcome,
                     *error ? ": " : "", error, span);
                f->turn = seq;
                return true;
        }
        if (!f->c->terminal && f->out < seq)
                line(f, json_get_str(turn, "asked", NULL), "%s: %s", step, ask);
        f->out = seq;
        return false;
}

static void tell_log(struct following *f, const json_t *entry) {
        line(f, json_get_str(entry, "at", NULL), "%s", json_get_str(entry, "text", ""));
        f->log = json_get_int(entry, "seq", 0);
}

/* Log and turns by their times, as they were. */
static void tell_journal(struct following *f, const json_t *o) {
        const json_t *turns = json_get(o, "turns"), *log = json_get(o, "log");
        size_t t = 0, l = 0;

        while (t < json_array_size(turns) || l < json_array_size(log)) {
                const json_t *turn = json_array_get(turns, t), *entry = json_array_get(log, l);
                const char *ended = json_get_str(turn, "ended", "9999");
                bool logged = entry && (!turn || strcmp(json_get_str(entry, "at", ""), ended) < 0);

                if (logged) {
                        tell_log(f, entry);
                        l++;
                } else {
                        if (!tell_turn(f, o, turn) && l == json_array_size(log))
                                break;
                        t++;
                }
        }
}

/* Full while it cleans up; "... " while it has not begun. */
static char *bar_of(const json_t *o) {
        size_t count, at = place_of(o, json_get_str(o, "step", ""), &count);
        char bar[TEXT_BAR_MAX + 1];

        if (json_get_bool(o, "cleaning-up", false))
                at = count = 1;
        return count ? str_format("[%s] ", text_bar(at, count, BAR_WIDTH, bar)) : str_dup("... ");
}

/* Of what it is at, without since when: that changes by itself. */
static void tell_at(struct following *f, const json_t *o) {
        cleanup_(freep) char *waits = waits_text(f->c, json_get(o, "now"));
        cleanup_(freep) char *at = NULL, *bar = NULL;

        if (f->c->globals->quiet || !follow_is_live(o))
                return;
        if (f->c->terminal) {
                at = follow_at(f->c, o);
                bar = bar_of(o);
                text_draw(bar, at);
                f->drawn = true;
        } else if (waits && !str_eq(waits, f->at)) {
                cli_say(f->c, "%s", waits);
                str_set(&f->at, waits);
        }
}

/* ---- leaving it alone */

static char left[200]; /* what is said then: a handler may not make it */

static void on_interrupt(int number) {
        if (write(STDERR_FILENO, left, strlen(left)) < 0)
                left[0] = '\0';
        raise(number); /* its handler is the default one again */
}

static void catch_interrupt(const struct cli *c, int64_t id) {
        struct sigaction action = { .sa_handler = on_interrupt,
                                    .sa_flags = SA_RESETHAND | SA_NODEFER };

        snprintf(left, sizeof(left),
                 "\noperation %lld goes on: mooringctl show-operation %lld --watch; or cancel-task "
                 "%lld\n",
                 (long long)id, (long long)id, (long long)id);
        if (c->globals->quiet)
                left[0] = '\0';
        sigaction(SIGINT, &action, NULL);
}

/* ---- the loop */

static int on_event(void *arg, const json_t *event) {
        const struct following *f = arg;
        int64_t id = 0;

        return str_eq(json_get_str(event, "kind", ""), "operation") &&
               str_to_int(json_get_str(event, "subject", ""), &id) && id == f->id;
}

/* Until something happens of it. The stream may not be there (the daemon restarts): then the pause
 * is slept. */
static void rest(struct following *f, int64_t ms) {
        struct timespec pause = { 0, FOLLOW_PAUSE_MS * 1000000ll / 5 };
        cleanup_(freep) char *events = str_dup("/v1/events");
        struct err err = { 0 };

        call_query(&events, "model", cli_model(f->c));
        if (call_stream(f->c, events, on_event, f, MIN_OF(ms, FOLLOW_PAUSE_MS), &err) < 0)
                nanosleep(&pause, NULL);
}

static int look(struct following *f, json_t **ret, struct err *err) {
        cleanup_(freep) char *path = follow_path(f->c, f->id, "");
        int r;

        call_query_int(&path, "after-turn", f->turn);
        call_query_int(&path, "after-log", f->log);
        r = call_try(f->c, path, ret, err);
        if (r < 0)
                return r;
        tell_journal(f, *ret);
        tell_at(f, *ret);
        return 0;
}

static int give_up(struct following *f, int64_t ms, const json_t *o, const struct err *err) {
        cleanup_(freep) char *at = o ? follow_at(f->c, o) : str_dup(err_text(err));
        char span[CLOCK_TEXT_MAX];

        if (o && str_eq(json_get_str(o, "approval", ""), "wanted"))
                return follow_tell_waiting(f->c, o);
        return cli_fail(CLI_TIMED_OUT,
                        "after %s operation %lld has not ended: %s; it goes on: mooringctl "
                        "show-operation %lld --watch",
                        clock_span(ms, span), (long long)f->id, at, (long long)f->id);
}

/* All of the journal, for who reads JSON, and for what is told of a failure. */
static int ended(struct following *f) {
        cleanup_(json_freep) json_t *o = NULL;
        int r = follow_read(f->c, f->id, &o);

        return r ? r : follow_tell(f->c, o, true);
}

/* Said once: it may be restarting, and what is followed goes on. */
static void tell_silence(struct following *f, const json_t *o, const struct err *err) {
        bool silent = !o;

        if (silent && !f->silent) {
                clear(f);
                cli_say(f->c, "the daemon does not answer: %s; it is asked again", err_text(err));
        }
        f->silent = silent;
}

/* A page of the journal was printed, and there is another. */
static bool has_more(const struct following *f, const json_t *o, int64_t before) {
        return (json_get(o, "next-turn") || json_get(o, "next-log")) && f->turn + f->log > before;
}

static int loop(struct following *f, int64_t ms) {
        int64_t end = ms == FOLLOW_FOR_EVER ? ms : clock_mono() + ms;

        for (;;) {
                cleanup_(json_freep) json_t *o = NULL;
                struct err err = { 0 };
                int64_t left_ms, before = f->turn + f->log;
                int r = look(f, &o, &err);

                if (r == -ENOENT)
                        return cli_fail_err(&err);
                tell_silence(f, o, &err);
                if (has_more(f, o, before))
                        continue;
                left_ms = end - clock_mono();
                if (o && !follow_is_live(o)) {
                        clear(f);
                        return ended(f);
                }
                if (left_ms <= 0) {
                        clear(f);
                        return give_up(f, ms, o, &err);
                }
                rest(f, left_ms);
        }
}

int follow(struct cli *c, int64_t id, int64_t ms) {
        struct following f = { .c = c, .id = id };
        int r;

        catch_interrupt(c, id);
        r = loop(&f, ms);
        signal(SIGINT, SIG_DFL);
        free(f.at);
        return r;
}
