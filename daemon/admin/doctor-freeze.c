/* SPDX-License-Identifier: Apache-2.0 */
/* doctor-freeze.c - checks of freezes and pauses, and of what runs out before they end; see
 * doctor.h
 *
 * A freeze keeps commands away, not time: what ends under it (a login of ours, a rule, a pause) is
 * named for each freeze, so that whoever froze knows before. One without an end is taken to last
 * as long as warnings of certificates reach. */
#include "doctor.h"

#include "clock.h"

#define OPEN_END_MS (DOCTOR_ENDS_DAYS * 86400000ll)

/* "minio", "model kf", "kf: Service kf/web"; free it. */
static char *subject_of(const json_t *f) {
        const char *model = json_get_str(f, "model", ""), *type = json_get_str(f, "type", "");
        const char *application = json_get_str(f, "application", "");

        if (*type)
                return str_format("%s: %s %s", model, type, json_get_str(f, "path", ""));
        return str_format("%s%s", *application ? "" : "model ", *application ? application : model);
}

static char *next_of(const json_t *f) {
        const char *model = json_get_str(f, "model", ""), *type = json_get_str(f, "type", "");
        const char *application = json_get_str(f, "application", "");
        const char *path = json_get_str(f, "path", ""), *slash = strrchr(path, '/');

        if (*type)
                return str_format("mooringctl unpause --model %s --object %s/%s", model, type,
                                  slash ? slash + 1 : path);
        return str_format("mooringctl unfreeze --model %s%s%s", model, *application ? " " : "",
                          application);
}

void doctor_freeze(struct doctor *d) {
        const json_t *f;
        size_t i;

        json_array_foreach(json_get(d->facts, "freezes"), i, f) {
                const char *missed = json_get_str(f, "missed", NULL);
                int64_t at = json_get_int(f, "at", 0);
                cleanup_(freep) char *subject = subject_of(f);
                cleanup_(freep) char *next = next_of(f);
                char span[CLOCK_TEXT_MAX];

                doctor_find(d, DOCTOR_WARNING, DOCTOR_SUBJECT(subject, at, next),
                            "%s for %s by %s%s%s",
                            *json_get_str(f, "type", "") ? "paused" : "frozen",
                            clock_span(d->now - at, span), json_get_str(f, "text", ""),
                            missed && *missed ? "; " : "", missed ? missed : "");
        }
}

/* ---- what runs out meanwhile */

struct freezing {
        struct doctor *doctor;
        const json_t *freeze;
        const char *model, *application; /* application "": of all */
        int64_t until;                   /* 0: nobody said */
};

static void ends(const struct freezing *z, struct doctor_subject subject, const char *what,
                 int64_t at) {
        struct doctor *d = z->doctor;
        cleanup_(freep) char *frozen = subject_of(z->freeze);
        char end[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX];

        if (at <= d->now || at >= (z->until ? z->until : d->now + OPEN_END_MS))
                return;
        doctor_find(d, DOCTOR_WARNING, subject, "%s ends at %s, while %s is frozen %s%s", what,
                    clock_iso(at, false, end), frozen, z->until ? "until " : "without an end",
                    z->until ? clock_iso(z->until, false, until) : "");
}

/* Its cluster, or what a plan of it made: MODEL/APPLICATION/LABEL. */
static bool is_used(const struct freezing *z, const json_t *target) {
        const char *name = json_get_str(target, "name", "");
        size_t len = strlen(z->model);
        const json_t *m;
        size_t i;

        if (!json_get_bool(target, "operators", true))
                return strncmp(name, z->model, len) == 0 && name[len] == '/';
        json_array_foreach(json_dig(z->doctor->facts, "loop", "models", NULL), i, m)
                if (str_eq(json_get_str(m, "name", ""), z->model))
                        return str_eq(json_get_str(m, "target", ""), name);
        return false;
}

static void logins_end(const struct freezing *z) {
        const json_t *t;
        size_t i;

        json_array_foreach(doctor_targets(z->doctor), i, t) {
                cleanup_(freep) char *subject = doctor_target_subject(t);
                cleanup_(freep) char *next = doctor_target_renew(t);

                if (!is_used(z, t))
                        continue;
                for (const struct doctor_end *end = doctor_target_ends; end->member; end++)
                        ends(z, DOCTOR_SUBJECT(subject, 0, next), end->what,
                             json_get_int(json_get(t, "manner"), end->member, 0));
        }
}

static bool is_under(const struct freezing *z, const json_t *row) {
        const char *application = json_get_str(row, "application", "");

        return str_eq(json_get_str(row, "model", ""), z->model) &&
               (!*z->application || !*application || str_eq(application, z->application));
}

static void object_pauses_end(const struct freezing *z) {
        const json_t *f;
        size_t i;

        json_array_foreach(json_get(z->doctor->facts, "freezes"), i, f) {
                cleanup_(freep) char *subject = subject_of(f);
                cleanup_(freep) char *next = next_of(z->freeze);
                cleanup_(freep) char *what =
                        str_format("the pause by %s", json_get_str(f, "text", ""));

                if (*json_get_str(f, "type", "") && is_under(z, f))
                        ends(z, DOCTOR_SUBJECT(subject, 0, next), what,
                             json_get_int(f, "until", 0));
        }
}

/* Of the model, or of one application of it. */
static void pause_ends(const struct freezing *z, const json_t *row, const char *model,
                       const char *application) {
        cleanup_(json_freep) json_t *stop =
                json_pack("{s:s, s:s}", "model", model, "application", application);
        cleanup_(freep) char *subject = subject_of(stop);
        cleanup_(freep) char *next = next_of(z->freeze);
        cleanup_(freep) char *what =
                str_format("the pause by %s: %s", json_get_str(row, "paused-by", ""),
                           json_get_str(row, "paused-why", ""));

        if (is_under(z, stop))
                ends(z, DOCTOR_SUBJECT(subject, 0, next), what,
                     json_get_int(row, "paused-until", 0));
}

static void pauses_end(const struct freezing *z) {
        const json_t *row;
        size_t i;

        object_pauses_end(z);
        json_array_foreach(json_get(z->doctor->facts, "models"), i, row)
                pause_ends(z, row, json_get_str(row, "name", ""), "");
        json_array_foreach(json_get(z->doctor->facts, "applications"), i, row)
                pause_ends(z, row, json_get_str(row, "model", ""), json_get_str(row, "name", ""));
}

static void rules_end(const struct freezing *z) {
        cleanup_(freep) char *next = str_format("mooringctl drift policy --model %s", z->model);
        const json_t *r;
        size_t i;

        json_array_foreach(json_get(z->doctor->facts, "rules"), i, r) {
                cleanup_(freep) char *what =
                        str_format("the rule \"%s\"", json_get_str(r, "text", ""));

                if (is_under(z, r))
                        ends(z, DOCTOR_SUBJECT(z->model, 0, next), what,
                             json_get_int(r, "until", 0));
        }
}

void doctor_ends_in_freeze(struct doctor *d) {
        const json_t *f;
        size_t i;

        json_array_foreach(json_get(d->facts, "freezes"), i, f) {
                struct freezing z = { .doctor = d,
                                      .freeze = f,
                                      .model = json_get_str(f, "model", ""),
                                      .application = json_get_str(f, "application", ""),
                                      .until = json_get_int(f, "until", 0) };

                if (*json_get_str(f, "type", ""))
                        continue;
                logins_end(&z);
                pauses_end(&z);
                rules_end(&z);
        }
}
