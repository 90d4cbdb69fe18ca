/* SPDX-License-Identifier: Apache-2.0 */
/* refresh-stage.c - what becomes of a refresh next; see refresh.h */
#include "refresh.h"

#include "clock.h"

const char *const refresh_stage_names[] = { "canary",   "rest",        "done",
                                            "rollback", "rolled-back", NULL };

enum refresh_stage refresh_stage_find(const char *name) {
        int i = 0;

        while (i < REFRESH_STAGE_MAX && !str_eq(refresh_stage_names[i], name))
                i++;
        return (enum refresh_stage)i;
}

bool refresh_is_over(enum refresh_stage s) {
        return s == REFRESH_DONE || s == REFRESH_ROLLED_BACK || s == REFRESH_STAGE_MAX;
}

static void pause_for(struct refresh_decision *d, const char *fmt, ...) printf_(2, 3);
static void pause_for(struct refresh_decision *d, const char *fmt, ...) {
        va_list ap;

        d->step = REFRESH_PAUSE;
        va_start(ap, fmt);
        vsnprintf(d->why, sizeof(d->why), fmt, ap);
        va_end(ap);
        str_make_utf8(d->why);
}

static void go_on(const struct refresh_input *in, struct refresh_decision *d) {
        d->step = REFRESH_NEXT;
        d->next = in->stage == REFRESH_CANARY ? REFRESH_REST
                  : in->stage == REFRESH_REST ? REFRESH_DONE
                                              : REFRESH_ROLLED_BACK;
}

/* Asks again after MS at the latest. */
static void again_in(struct refresh_decision *d, int64_t ms) {
        d->again_ms = d->again_ms ? MIN_OF(d->again_ms, MAX_OF(ms, 1)) : MAX_OF(ms, 1);
}

static bool is_broken(const struct refresh_input *in, struct refresh_decision *d) {
        int64_t grace = MIN_OF(in->times.gate_ms, REFRESH_BROKEN_MS);

        if (in->restarted) {
                pause_for(d, "%s", in->restarted);
                return true;
        }
        if (in->broken && in->broken_ms >= grace) {
                pause_for(d, "%s", in->broken);
                return true;
        }
        if (in->broken)
                again_in(d, grace - in->broken_ms);
        return false;
}

/* It is not there yet. */
static void wait_for(const struct refresh_input *in, struct refresh_decision *d) {
        char period[CLOCK_TEXT_MAX];

        if (in->stage_ms >= in->times.ready_ms) {
                pause_for(d, "not ready for %s: %s", clock_span(in->times.ready_ms, period),
                          in->waits ? in->waits : "what it wants is not written yet");
                return;
        }
        again_in(d, in->times.ready_ms - in->stage_ms);
        if (in->settled && in->well_ms >= 0)
                d->step = REFRESH_UNWELL;
}

/* It has been well for long enough. */
static void pass(const struct refresh_input *in, struct refresh_decision *d) {
        switch (in->check) {
        case REFRESH_CHECK_WANTED:
                d->step = REFRESH_CHECK;
                break;
        case REFRESH_CHECK_RUNS:
                again_in(d, REFRESH_CHECK_MS);
                break;
        case REFRESH_CHECK_FAILED:
                pause_for(d, "%s", in->check_text);
                break;
        default:
                go_on(in, d);
        }
}

void refresh_decide(const struct refresh_input *in, struct refresh_decision *ret) {
        bool back = in->stage == REFRESH_ROLLBACK;

        *ret = (struct refresh_decision){ .step = REFRESH_WAIT };
        if (refresh_is_over(in->stage) || in->paused || in->stopped)
                return;
        /* A way back is never stopped: there is no other. Status says what it waits for. */
        if (!back && is_broken(in, ret))
                return;
        if (in->broken || in->waits || !in->settled) {
                if (!back)
                        wait_for(in, ret);
        } else if (in->stage != REFRESH_CANARY) {
                go_on(in, ret);
        } else if (in->well_ms >= in->times.gate_ms || !in->times.gate_ms) {
                pass(in, ret);
        } else if (in->well_ms < 0) {
                ret->step = REFRESH_WELL;
        } else {
                again_in(ret, in->times.gate_ms - in->well_ms);
        }
}
