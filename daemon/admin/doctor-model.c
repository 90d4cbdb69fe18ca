/* SPDX-License-Identifier: Apache-2.0 */
/* doctor-model.c - checks of models and applications; see doctor.h */
#include "doctor.h"

#include "clock.h"

#include <stdlib.h>

#define REMOVAL_LONG_MS 60000   /* pods have half a minute to end */
#define PAUSE_OLD_MS 86400000ll /* as the alert MooringPaused */

void doctor_model_foreign(struct doctor *d) {
        const json_t *m;
        size_t i;

        json_array_foreach(json_dig(d->facts, "loop", "models", NULL), i, m) {
                const char *name = json_get_str(m, "name", "");
                cleanup_(freep) char *subject = str_format("model %s", name);
                cleanup_(freep) char *next = str_format("mooringctl plan --model %s", name);

                if (json_get_bool(m, "foreign", false) || json_get_bool(m, "blocked", false))
                        doctor_find(d, DOCTOR_ERROR, DOCTOR_SUBJECT(subject, 0, next),
                                    "nothing of it is written: %s", json_get_str(m, "why", ""));
        }
}

/* ---- what the loop knows of applications */

static char *subject_of(const json_t *a) {
        return str_format("%s/%s", json_get_str(a, "model", ""), json_get_str(a, "name", ""));
}

static char *next_of(const json_t *a, const char *command, const char *option) {
        return str_format("mooringctl %s %s --model %s%s", command, json_get_str(a, "name", ""),
                          json_get_str(a, "model", ""), option);
}

static void each_with(struct doctor *d, const char *member, enum doctor_severity severity,
                      const char *command) {
        const json_t *a;
        size_t i;

        json_array_foreach(json_dig(d->facts, "loop", "applications", NULL), i, a) {
                const char *text = json_get_str(a, member, "");
                cleanup_(freep) char *subject = subject_of(a);
                cleanup_(freep) char *next = next_of(a, command, "");

                if (text[0])
                        doctor_find(d, severity,
                                    DOCTOR_SUBJECT(subject, json_get_int(a, "since", 0), next),
                                    "%s", text);
        }
}

void doctor_conflict(struct doctor *d) {
        each_with(d, "conflicts", DOCTOR_ERROR, "why");
}

void doctor_plan_failed(struct doctor *d) {
        each_with(d, "plan-error", DOCTOR_ERROR, "why");
}

void doctor_plan_held(struct doctor *d) {
        each_with(d, "held", DOCTOR_WARNING, "plan");
}

/* The command between backticks of what a charm says is the one to run. */
static char *next_said(const json_t *a, const char *text) {
        const char *from = strstr(text, "`mooringctl "), *to = from ? strchr(from + 1, '`') : NULL;

        if (!to)
                return next_of(a, "why", "");
        return str_format("%.*s --model %s", (int)(to - from - 1), from + 1,
                          json_get_str(a, "model", ""));
}

void doctor_blocked(struct doctor *d) {
        const json_t *a;
        size_t i;

        json_array_foreach(json_dig(d->facts, "loop", "applications", NULL), i, a) {
                const char *text = json_get_str(a, "blocked", "");
                cleanup_(freep) char *subject = subject_of(a);
                cleanup_(freep) char *next = next_said(a, text);

                if (text[0] && !json_get_bool(a, "dying", false))
                        doctor_find(d, DOCTOR_ERROR,
                                    DOCTOR_SUBJECT(subject, json_get_int(a, "since", 0), next),
                                    "%s", text);
        }
}

void doctor_refresh_paused(struct doctor *d) {
        each_with(d, "refresh-paused", DOCTOR_ERROR, "why");
}

/* ---- what is in the rows */

static void judge_pause(struct doctor *d, const json_t *row, const char *subject,
                        const char *next) {
        int64_t at = json_get_int(row, "paused-at", 0);
        char span[CLOCK_TEXT_MAX];

        if (at && d->now - at > PAUSE_OLD_MS)
                doctor_find(d, DOCTOR_WARNING, DOCTOR_SUBJECT(subject, at, next),
                            "paused for %s by %s: %s", clock_span(d->now - at, span),
                            json_get_str(row, "paused-by", ""),
                            json_get_str(row, "paused-why", ""));
}

void doctor_pause_old(struct doctor *d) {
        const json_t *row;
        size_t i;

        json_array_foreach(json_get(d->facts, "models"), i, row) {
                const char *name = json_get_str(row, "name", "");
                cleanup_(freep) char *subject = str_format("model %s", name);
                cleanup_(freep) char *next = str_format("mooringctl unpause --model %s", name);

                judge_pause(d, row, subject, next);
        }
        json_array_foreach(json_get(d->facts, "applications"), i, row) {
                cleanup_(freep) char *subject = subject_of(row);
                cleanup_(freep) char *next = next_of(row, "unpause", "");

                judge_pause(d, row, subject, next);
        }
}

/* A word of a shell line, whatever a stranger called himself. Free it. */
static char *shell_word(const char *text) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        buf_putc(&out, '\'');
        for (const char *p = text; *p; p++)
                buf_puts(&out, *p == '\'' ? "'\\''" : (const char[]){ *p, '\0' });
        buf_putc(&out, '\'');
        return buf_take(&out);
}

static void judge_fights(struct doctor *d, bool guarded) {
        const json_t *f;
        size_t i;

        json_array_foreach(json_dig(d->facts, "loop", "fights", NULL), i, f) {
                const char *model = json_get_str(f, "model", ""),
                           *type = json_get_str(f, "type", "");
                const char *path = json_get_str(f, "path", ""), *slash = strrchr(path, '/');
                const char *field = json_get_str(f, "field", "");
                cleanup_(freep) char *field_word = shell_word(field);
                cleanup_(freep) char *who_word = shell_word(json_get_str(f, "who", ""));
                cleanup_(freep) char *subject = str_format("%s: %s %s", model, type, path);
                cleanup_(freep) char *object = str_format("%s/%s", type, slash ? slash + 1 : path);
                cleanup_(freep) char *next = NULL;

                if (!guarded && !field[0])
                        next = str_format("mooringctl drift policy set --mode off --object %s "
                                          "--model %s --reason 'left to them'",
                                          object, model);
                else if (guarded || !json_get_str(f, "who", "")[0])
                        next = str_format("mooringctl drift --type %s --model %s", type, model);
                else
                        next = str_format("mooringctl drift hand-over %s %s --to %s --model %s "
                                          "--reason 'left to them'",
                                          object, field_word, who_word, model);

                if (json_get_bool(f, "guarded", false) == guarded)
                        doctor_find(d, guarded ? DOCTOR_ERROR : DOCTOR_WARNING,
                                    DOCTOR_SUBJECT(subject, json_get_int(f, "since", 0), next),
                                    "%s", json_get_str(f, "text", ""));
        }
}

void doctor_fight(struct doctor *d) {
        judge_fights(d, false);
}

void doctor_fight_guarded(struct doctor *d) {
        judge_fights(d, true);
}

/* Told only, or not even that: a person said so, perhaps long ago. */
void doctor_rule(struct doctor *d) {
        const json_t *f;
        size_t i;

        json_array_foreach(json_get(d->facts, "rules"), i, f) {
                const char *model = json_get_str(f, "model", "");
                cleanup_(freep) char *next =
                        str_format("mooringctl drift policy --model %s", model);
                bool told = str_eq(json_get_str(f, "mode", ""), "report");

                doctor_find(d, told ? DOCTOR_OK : DOCTOR_WARNING,
                            DOCTOR_SUBJECT(model, json_get_int(f, "at", 0), next), "%s: %s",
                            told ? "what changes is told and stays"
                                 : "what changes there is neither told nor put right",
                            json_get_str(f, "text", ""));
        }
}

void doctor_drift_stands(struct doctor *d) {
        const json_t *a;
        size_t i;

        json_array_foreach(json_dig(d->facts, "loop", "applications", NULL), i, a) {
                cleanup_(freep) char *subject = subject_of(a);
                cleanup_(freep) char *next = next_of(a, "drift", "");
                int64_t n = json_get_int(a, "drifted", 0);

                if (n)
                        doctor_find(d, DOCTOR_WARNING, DOCTOR_SUBJECT(subject, 0, next),
                                    "%lld %s other than made, and not put right yet", (long long)n,
                                    n == 1 ? "object is" : "objects are");
        }
}

void doctor_removal_held(struct doctor *d) {
        const json_t *a;
        size_t i;

        json_array_foreach(json_dig(d->facts, "loop", "applications", NULL), i, a) {
                int64_t since = json_get_int(a, "since", 0);
                cleanup_(freep) char *subject = subject_of(a);
                cleanup_(freep) char *next = next_of(a, "why", "");

                if (json_get_bool(a, "dying", false) && d->now - since > REMOVAL_LONG_MS)
                        doctor_find(d, DOCTOR_WARNING, DOCTOR_SUBJECT(subject, since, next),
                                    "its removal does not go on: %s",
                                    json_get_str(a, "message", ""));
        }
}

void doctor_leftovers(struct doctor *d) {
        int64_t n = json_get_int(json_get(d->facts, "counts"), "leftovers", 0);

        if (n)
                doctor_find(d, DOCTOR_WARNING,
                            DOCTOR_SUBJECT("leftovers", 0, "mooringctl leftovers"),
                            "removals left %lld %s outside", (long long)n,
                            n == 1 ? "object" : "objects");
}

void doctor_charm_missing(struct doctor *d) {
        const json_t *a;
        size_t i;

        json_array_foreach(json_get(d->facts, "applications"), i, a) {
                cleanup_(freep) char *subject = subject_of(a);
                cleanup_(freep) char *next = next_of(a, "refresh", "");

                if (json_get_bool(a, "charm-missing", false))
                        doctor_find(d, DOCTOR_ERROR, DOCTOR_SUBJECT(subject, 0, next),
                                    "the content of charm %s that it is pinned to (%.12s) is not "
                                    "in the state folder: restore it, or go over to what is on "
                                    "offer",
                                    json_get_str(a, "charm-name", ""),
                                    json_get_str(a, "charm-sha256", ""));
        }
}

void doctor_charm_upgrade(struct doctor *d) {
        const json_t *a;
        size_t i;

        json_array_foreach(json_get(d->facts, "applications"), i, a) {
                const char *to = json_get_str(a, "can-upgrade-to", NULL);
                cleanup_(freep) char *subject = subject_of(a);
                cleanup_(freep) char *next = next_of(a, "refresh", " --dry-run");

                if (to)
                        doctor_find(d, DOCTOR_OK, DOCTOR_SUBJECT(subject, 0, next),
                                    "another content of charm %s is on offer: %s",
                                    json_get_str(a, "charm-name", ""), to);
        }
}
