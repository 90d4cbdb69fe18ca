/* SPDX-License-Identifier: Apache-2.0 */
/* wait.c - wait until applications are what one waits for
 *
 * Asks, compares, and sleeps until an event or WAIT_PAUSE_MS, whichever is first: an event that
 * is missed costs that pause. On a terminal a bar is drawn on stderr, elsewhere one line a
 * change. */
#include "call.h"
#include "families.h"
#include "status.h"
#include "table.h"
#include "text.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WAIT_PAUSE_MS 1000
#define BLOCKED_MS 10000 /* nothing but blocked for this long: waiting longer will not help */
#define UNSTUCK_MS 3000  /* an operation that is tried again and fails again is no way out */
#define UNTIL_NO_DRIFT "drift=0"

struct options {
        char *until;
        int64_t timeout;
        bool through_blocked;
};
#define AT(member) offsetof(struct options, member)

static const struct opt options[] = {
        { "for", 0, OPT_STRING, AT(until), "active", 0, 0, "STATUS", 0, NULL,
          "status word to wait for: active, blocked, ...; gone, for a removal; drift=0, that "
          "nothing known is other than it was made; version=X, that it is active and says this "
          "version" },
        { "timeout", 0, OPT_DURATION, AT(timeout), "10m", 0, 0, "TIME", 0, NULL,
          "give up after this; 0 never" },
        { "through-blocked", 0, OPT_BOOL, AT(through_blocked), NULL, 0, 0, NULL, 0, NULL,
          "go on waiting though a person has to act first" },
        {}
};

struct waiting {
        struct cli *c;
        const char *until, *version; /* of --for */
        const struct options *o;
        json_t *shown; /* {application: "status: message"} that was printed last */
        size_t total, there;
        size_t stuck;        /* blocked or in error */
        size_t behind;       /* waiting, and related to one that is stuck */
        bool moved;          /* one of those says something else than before */
        bool paused;         /* the model is */
        bool dying;          /* the model itself is being removed */
        bool drawn;          /* a bar stands on the terminal's line */
        char *missing;       /* first application that is not there yet, "name (status: message)" */
        char *blocker;       /* first that is stuck */
        int64_t stuck_since; /* all that is missing is stuck; 0: no */
        int64_t stuck_last;  /* when that was so last */
};

static bool is_unapplied(const json_t *a) {
        return !json_get_bool(a, "settled", true);
}

/* Active, and as it was made, counts once the daemon has planned and applied all that it was told,
 * and saw that. */
static bool is_there(const struct waiting *w, const json_t *a, const char *word) {
        if (str_eq(w->until, UNTIL_NO_DRIFT))
                return json_get_bool(a, "readable", false) && !is_unapplied(a) &&
                       json_get_int(a, "drifted", 0) == 0;
        if (w->version && !str_eq(json_get_str(a, "version", ""), w->version))
                return false;
        return str_eq(word, w->until) && (!str_eq(word, "active") || !is_unapplied(a));
}

/* A pause is a person's: until it ends nothing of a change is applied. */
static bool is_stuck(const struct waiting *w, const json_t *a, const char *word) {
        return str_eq(word, "blocked") || str_eq(word, "error") ||
               ((is_unapplied(a) || json_get_int(a, "drifted", 0)) &&
                (json_get(a, "paused") || w->paused));
}

static bool is_stuck_by_name(const struct waiting *w, const json_t *applications,
                             const char *name) {
        const json_t *a = json_get(applications, name);

        return a && is_stuck(w, a, status_word(a));
}

/* It waits, and one that it is related to does not go on before a person acts. */
static bool is_behind(const struct waiting *w, const json_t *applications, const json_t *a) {
        const char *endpoint;
        json_t *list, *one;
        size_t i;

        if (!str_eq(status_word(a), "waiting"))
                return false;
        json_object_foreach(json_get(a, "relations"), endpoint, list)
                json_array_foreach(list, i, one)
                        if (is_stuck_by_name(w, applications,
                                             json_get_str(one, "related-application", "")))
                                return true;
        return false;
}

/* ---- progress */

static void clear_bar(struct waiting *w) {
        if (w->drawn)
                fputs("\r\033[K", stderr);
        w->drawn = false;
}

static void draw_bar(struct waiting *w) {
        cleanup_(freep) char *text = NULL;
        char bar[TEXT_BAR_MAX + 1];

        if (!w->c->terminal || w->c->globals->quiet)
                return;
        text = str_format("[%s] %zu/%zu %s  %s", text_bar(w->there, w->total, TEXT_BAR_MAX, bar),
                          w->there, w->total, w->o->until, w->missing ? w->missing : "");
        text_draw("", text);
        w->drawn = true;
}

static void tell(struct waiting *w, const char *name, const char *now) {
        char stamp[40], iso[CLOCK_TEXT_MAX];

        clear_bar(w);
        cli_say(w->c, "%s %s %s",
                text_time(clock_iso(clock_wall(), false, iso), w->c->globals->utc, stamp), name,
                now);
}

/* ---- one look */

/* What is missing, where its status does not say that. */
static void rest_text(const struct waiting *w, const json_t *a, const char *word, char *text,
                      size_t size) {
        bool drift = str_eq(w->until, UNTIL_NO_DRIFT);

        text[0] = '\0';
        if (is_unapplied(a) && (drift || str_eq(word, w->until)))
                snprintf(text, size, "; not all that is wanted of it is applied");
        else if (drift && json_get_int(a, "drifted", 0))
                snprintf(text, size, "; %lld of its objects differ: mooringctl drift",
                         (long long)json_get_int(a, "drifted", 0));
        else if (w->version && str_eq(word, w->until))
                snprintf(text, size, "; its version is %s",
                         json_get_str(a, "version", "not known"));
}

static void look_at(struct waiting *w, const json_t *applications, const char *name) {
        const json_t *a = json_get(applications, name);
        const char *message = json_get_str(json_get(a, "application-status"), "message", "");
        const char *word = a ? status_word(a) : "gone";
        cleanup_(freep) char *now = str_format("%s%s%s", word, message[0] ? ": " : "", message);
        char rest[80];

        w->total++;
        if (!str_eq(json_get_str(w->shown, name, NULL), now)) {
                tell(w, name, now);
                json_object_set_new(w->shown, name, json_string(now));
                w->moved = true;
        }
        if (is_there(w, a, word)) {
                w->there++;
                return;
        }
        rest_text(w, a, word, rest, sizeof(rest));
        if (!w->missing)
                w->missing = str_format("%s (%s%s)", name, now, rest);
        w->behind += a && is_behind(w, applications, a);
        if (!is_stuck(w, a, word))
                return;
        w->stuck++;
        if (!w->blocker)
                w->blocker = str_format("%s: %s%s", name, now, rest);
}

/* All that is missing is stuck, or waits for what is; the latter as long as nothing moves. */
static void note_stuck(struct waiting *w) {
        bool stuck = w->stuck > 0 && w->there + w->stuck + w->behind == w->total;
        int64_t now = clock_mono();

        if (w->behind && w->moved)
                w->stuck_since = 0;
        if (stuck && (!w->stuck_since || now - w->stuck_last > UNSTUCK_MS))
                w->stuck_since = now;
        if (stuck)
                w->stuck_last = now;
        else if (now - w->stuck_last > UNSTUCK_MS)
                w->stuck_since = 0;
}

static void look(struct waiting *w, json_t *status) {
        const json_t *applications = json_get(status, "applications");
        cleanup_(freep) const char **names = text_members(applications);

        w->total = w->there = w->stuck = w->behind = 0;
        w->moved = false;
        w->paused = json_get(json_get(status, "model"), "paused");
        w->dying =
                str_eq(json_get_str(json_dig(status, "model", "model-status", NULL), "current", ""),
                       "destroying");
        free(take_ptr(w->missing));
        free(take_ptr(w->blocker));
        for (int i = 0; i < w->c->count; i++)
                look_at(w, applications, w->c->operands[i]);
        for (size_t i = 0; w->c->count == 0 && names[i]; i++)
                look_at(w, applications, names[i]);
        if (w->total == 0 && w->dying)
                w->missing = str_dup(
                        "the model is still being removed: mooringctl objects says what is left");
        note_stuck(w);
}

static bool is_over(const struct waiting *w) {
        bool gone = str_eq(w->until, "gone");

        /* Without names, "gone" of a model that is being removed is its own end. */
        if (gone && w->c->count == 0)
                return w->total == 0 && !w->dying;
        return w->there == w->total && w->total > 0;
}

static bool is_hopeless(const struct waiting *w, bool late) {
        if (w->o->through_blocked || !w->blocker)
                return false;
        return late || (w->stuck_since && clock_mono() - w->stuck_since >= BLOCKED_MS);
}

/* A name that the model does not have: the daemon says so, with the nearest one. */
static int check_names(struct cli *c, const json_t *status) {
        int r = CLI_DONE;

        for (int i = 0; r == CLI_DONE && i < c->count; i++) {
                cleanup_(json_freep) json_t *json = NULL;
                cleanup_(freep) char *path = NULL;

                if (json_get(json_get(status, "applications"), c->operands[i]))
                        continue;
                path = call_path("/v1/models/%s/applications/%s", cli_model(c), c->operands[i]);
                r = call_get(c, path, &json);
        }
        return r;
}

static int on_event(void *arg, const json_t *event) {
        return !str_eq(json_get_str(event, "kind", ""), "begin");
}

/* Until something happens. The stream may not be there (the daemon restarts): then the pause is
 * slept. */
static void rest(struct waiting *w, const char *events) {
        struct timespec pause = { 0, WAIT_PAUSE_MS * 1000000ll / 5 };
        struct err err = { 0 };

        if (call_stream(w->c, events, on_event, NULL, WAIT_PAUSE_MS, &err) < 0)
                nanosleep(&pause, NULL);
}

static int give_up(const struct waiting *w, const char *last) {
        char span[CLOCK_TEXT_MAX];

        return cli_fail(CLI_TIMED_OUT, "after %s: %zu of %zu are %s: %s",
                        clock_span(w->o->timeout, span), w->there, w->total, w->o->until,
                        w->missing ? w->missing
                        : last[0]  ? last
                                   : "there is no application yet");
}

/* They may be gone already, or never have been: only who typed the names knows. */
static void say_absent(struct cli *c, const json_t *status) {
        for (int i = 0; i < c->count; i++)
                if (!json_get(json_get(status, "applications"), c->operands[i]))
                        cli_say(c,
                                "there is no application %s in model %s: gone already, or never "
                                "there",
                                c->operands[i], cli_model(c));
}

#define GO_ON (-1)

/* GO_ON, or the exit code. */
static int judge(struct waiting *w, json_t *status, bool first, bool late) {
        bool gone = str_eq(w->until, "gone");
        int r = first && !gone ? check_names(w->c, status) : CLI_DONE;

        if (r)
                return r;
        if (first && gone)
                say_absent(w->c, status);
        look(w, status);
        draw_bar(w);
        if (is_over(w))
                return CLI_DONE;
        if (!is_hopeless(w, late))
                return GO_ON;
        clear_bar(w);
        return cli_fail(CLI_BLOCKED, "%s", w->blocker);
}

static int no_model(const struct waiting *w, const struct err *err) {
        return str_eq(w->until, "gone") ? CLI_DONE : cli_fail_err(err);
}

static int loop(struct waiting *w, const char *events) {
        int64_t end = w->o->timeout ? clock_mono() + w->o->timeout : INT64_MAX;
        struct err err = { 0 };

        for (bool first = true;;) {
                cleanup_(json_freep) json_t *status = NULL;
                bool late = clock_mono() >= end;
                int r = status_try(w->c, &status, &err);

                if (r == -ENOENT && !status)
                        return no_model(w, &err);
                if (r >= 0) {
                        int ended = judge(w, status, first, late);

                        if (ended != GO_ON)
                                return ended;
                        err.text[0] = '\0';
                        first = false;
                }
                if (late) {
                        clear_bar(w);
                        return give_up(w, err.text);
                }
                rest(w, events);
        }
}

/* For scripts: how it ended, and what each was last. */
static void print_result(struct waiting *w, int code) {
        static const char *const words[CLI_EXIT_MAX] = {
                [CLI_DONE] = "done", [CLI_BLOCKED] = "blocked", [CLI_TIMED_OUT] = "timed-out"
        };
        cleanup_(json_freep) json_t *json = NULL;

        if (!words[code])
                return; /* refused: nothing was waited for */
        json = json_pack("{s:s, s:s, s:O}", "result", words[code], "for", w->o->until,
                         "applications", w->shown);
        cli_print(w->c, json);
}

/* Of --for: a status word, or more. */
static int read_until(struct waiting *w) {
        static const char *const words[] = { "active",      "blocked",      "error",
                                             "maintenance", "waiting",      "unknown",
                                             "gone",        UNTIL_NO_DRIFT, NULL };
        const char *near;

        w->until = str_eq(w->o->until, "removed") ? "gone" : w->o->until;
        if (str_starts(w->until, "version=") && w->until[strlen("version=")]) {
                w->version = w->until + strlen("version=");
                w->until = "active";
        }
        for (size_t i = 0; words[i]; i++)
                if (str_eq(words[i], w->until))
                        return CLI_DONE;
        near = opt_nearest(w->until, words);
        return cli_fail(CLI_USAGE,
                        "--for %s: is nothing to wait for%s%s; there are active, blocked, error, "
                        "maintenance, waiting, unknown, gone (or removed), " UNTIL_NO_DRIFT
                        " and version=X",
                        w->o->until, near ? ", did you mean " : "", near ? near : "");
}

static int wait_for(struct cli *c) {
        struct waiting w = { .c = c, .o = c->options, .shown = json_object() };
        cleanup_(freep) char *events = str_dup("/v1/events");
        int r;

        r = read_until(&w);
        if (r == CLI_DONE && !cli_model(c))
                r = CLI_FAILED;
        if (r) {
                json_decref(w.shown);
                return r;
        }
        call_query(&events, "model", cli_model(c));
        r = loop(&w, events);
        clear_bar(&w);
        print_result(&w, r);
        json_decref(w.shown);
        free(w.missing);
        free(w.blocker);
        return r;
}

const struct command wait_commands[] = {
        { "wait", "wait-for", GROUP_BASICS, "[APPLICATION]...", 0, -1, 0, COMPLETES_APPLICATION,
          options, sizeof(struct options), wait_for,
          "Wait until applications are active, or in another state",
          "Without names: all applications of the model, at least one. Ends with 0 when all are "
          "there, 3 when nothing but "
          "blocked applications (also those whose changes a pause keeps back) and what waits for "
          "them is missing for ten seconds, or when the time is over and one is blocked (a person "
          "has to "
          "act; --through-blocked waits on), 5 when the time is over for another reason, 1 at once "
          "when there is no such model or application. Active counts once everything that the "
          "daemon "
          "was told is planned and applied. An application whose cluster cannot be read is "
          "unknown, "
          "and so not there.",
          .example = "wait mlflow-server --timeout 20m" },
        {}
};
