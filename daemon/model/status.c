/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - the rows of status.h, in their order */
#include "status.h"

#include "clock.h"

const char *const status_words[] = { "unknown", "active", "waiting",    "maintenance",
                                     "blocked", "error",  "terminated", NULL };

int status_find(const char *word) {
        for (int i = 0; i < STATUS_MAX; i++) {
                if (str_eq(status_words[i], word))
                        return i;
        }
        return -1;
}

static void say(struct status_output *o, enum status_word word, const char *fmt, ...) printf_(3, 4);
static void say(struct status_output *o, enum status_word word, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(o->message, sizeof(o->message), fmt, ap);
        str_make_utf8(o->message);
        va_end(ap);
        o->word = word;
}

/* Its cluster cannot be read: whatever was seen last may be wrong by now. */
static bool row_unseen(const struct status_input *in, struct status_output *o) {
        const char *removed = in->dying ? "being removed; " : "";
        char when[CLOCK_TEXT_MAX];

        if (!in->unseen)
                return false;
        if (in->last_seen > 0)
                say(o, STATUS_UNKNOWN, "%slast seen %s %s: %s", removed,
                    in->last_word ? in->last_word : "unknown",
                    clock_iso(in->last_seen, false, when), in->unseen);
        else
                say(o, STATUS_UNKNOWN, "%snot seen yet: %s", removed, in->unseen);
        return true;
}

static bool row_dying(const struct status_input *in, struct status_output *o) {
        if (!in->dying)
                return false;
        say(o, STATUS_MAINTENANCE, "removing%s%s", in->removing ? ": " : "",
            in->removing ? in->removing : "");
        return true;
}

/* What needs a person before anything can go on. */
static bool row_blocked(const struct status_input *in, struct status_output *o) {
        const char *why = in->no_charm        ? in->no_charm
                          : in->model_blocked ? in->model_blocked
                          : in->undecided     ? in->undecided
                          : in->held          ? in->held
                                              : in->lost;

        if (!why)
                return false;
        say(o, STATUS_BLOCKED, "%s", why);
        return true;
}

static bool row_refresh_paused(const struct status_input *in, struct status_output *o) {
        if (!in->refresh || !in->refresh_paused)
                return false;
        say(o, STATUS_BLOCKED, "%s", in->refresh);
        return true;
}

static bool row_refresh(const struct status_input *in, struct status_output *o) {
        if (!in->refresh)
                return false;
        say(o, STATUS_MAINTENANCE, "%s", in->refresh);
        return true;
}

static bool row_charm_error(const struct status_input *in, struct status_output *o) {
        if (!in->plan_error)
                return false;
        say(o, STATUS_ERROR, "%s%s",
            str_starts(in->plan_error, "charm") ? "" : "charm: ", in->plan_error);
        return true;
}

static bool row_resource_blocked(const struct status_input *in, struct status_output *o) {
        if (!in->blocked)
                return false;
        say(o, STATUS_BLOCKED, "%s", in->blocked);
        return true;
}

static int charm_word(const struct status_input *in) {
        return in->plan_word ? status_find(in->plan_word) : -1;
}

static bool row_charm_blocked(const struct status_input *in, struct status_output *o) {
        if (charm_word(in) != STATUS_BLOCKED)
                return false;
        say(o, STATUS_BLOCKED, "%s", in->plan_message ? in->plan_message : "");
        return true;
}

static bool row_failing(const struct status_input *in, struct status_output *o) {
        if (!in->failing)
                return false;
        say(o, STATUS_WAITING, "%s", in->failing);
        return true;
}

static bool row_charm_waits(const struct status_input *in, struct status_output *o) {
        int word = charm_word(in);

        if (word != STATUS_MAINTENANCE && word != STATUS_WAITING)
                return false;
        say(o, (enum status_word)word, "%s", in->plan_message ? in->plan_message : "");
        return true;
}

static bool row_unplanned(const struct status_input *in, struct status_output *o) {
        if (in->planned)
                return false;
        say(o, STATUS_WAITING, "the charm's plan is being made");
        return true;
}

static bool row_not_ready(const struct status_input *in, struct status_output *o) {
        const char *why = in->scale > 0 && in->unit_error ? in->unit_error : in->not_ready;

        if (!why)
                return false;
        say(o, STATUS_WAITING, "%s", why);
        return true;
}

static bool row_changing(const struct status_input *in, struct status_output *o) {
        if (!in->changing)
                return false;
        say(o, STATUS_WAITING, STATUS_CHANGING);
        return true;
}

/* Of a charm that runs pods at all: somebody may have scaled its workload down, and paused. */
static bool row_few_units(const struct status_input *in, struct status_output *o) {
        if (!in->runs || (int64_t)in->ready >= in->scale)
                return false;
        say(o, STATUS_WAITING, "%zu of %lld units are ready", in->ready, (long long)in->scale);
        return true;
}

static bool row_zero(const struct status_input *in, struct status_output *o) {
        if (in->scale != 0)
                return false;
        say(o, STATUS_ACTIVE, "scaled to 0%s", in->keeps_data ? ", data is kept" : "");
        return true;
}

static bool row_active(const struct status_input *in, struct status_output *o) {
        say(o, STATUS_ACTIVE, "%s", in->plan_message ? in->plan_message : "");
        return true;
}

static bool (*const rows[])(const struct status_input *, struct status_output *) = {
        row_unseen,           row_dying,         row_blocked,  row_refresh_paused, row_charm_error,
        row_resource_blocked, row_charm_blocked, row_refresh,  row_failing,        row_charm_waits,
        row_unplanned,        row_not_ready,     row_changing, row_zero,           row_few_units,
        row_active,
};

/* Paused: the word stays true, the message says first that nothing will change. */
static void add_pause(const char *word, const char *who, struct status_output *o) {
        char message[STATUS_MESSAGE_MAX];

        str_copy(message, sizeof(message), o->message);
        snprintf(o->message, sizeof(o->message), "%s by %s%s%s", word, who, *message ? "; " : "",
                 message);
        str_make_utf8(o->message);
}

static void add_note(const char *note, struct status_output *o) {
        char message[STATUS_MESSAGE_MAX];

        str_copy(message, sizeof(message), o->message);
        snprintf(o->message, sizeof(o->message), "%s%s%s", note, *message ? "; " : "", message);
        str_make_utf8(o->message);
}

void status_compute(const struct status_input *in, struct status_output *ret) {
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                if (rows[i](in, ret))
                        break;
        }
        if (in->note)
                add_note(in->note, ret);
        if (in->paused)
                add_pause("paused", in->paused, ret);
        if (in->frozen)
                add_pause("frozen", in->frozen, ret);
}
