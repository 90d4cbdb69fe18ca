/* SPDX-License-Identifier: Apache-2.0 */
/* decide.c - the one place that says what happens to a resource; see decide.h
 *
 * Read top to bottom: each rule returns. The order is the meaning: removal, then what cannot be
 * known, then what must not be touched, then data, then what differs, then what is in place. */
#include "decide.h"

#include "clock.h"

#include <stdlib.h>

static const char *const state_names[] = { "new",     "waiting", "applying", "unseen",
                                           "applied", "ready",   "failed",   "retrying",
                                           "blocked", "lost",    "removing" };
_Static_assert(ARRAY_SIZE(state_names) == STATE_MAX, "a state without a name");

static const char *const action_names[] = { "none",   "look", "apply", "remove",
                                            "forget", "wait", "block" };
_Static_assert(ARRAY_SIZE(action_names) == ACTION_MAX, "an action without a name");

const char *decide_state_name(enum resource_state s) {
        return state_names[s];
}

const char *decide_action_name(enum action a) {
        return action_names[a];
}

static void conclude(struct decision *d, enum action action, enum resource_state state,
                     const char *why) {
        d->action = action;
        d->state = state;
        str_copy(d->why, sizeof(d->why), why);
        str_make_utf8(d->why);
}

static void conclude_because(struct decision *d, enum action action, enum resource_state state,
                             const char *head, const char *why) {
        d->action = action;
        d->state = state;
        snprintf(d->why, sizeof(d->why), "%s%s", head, why);
        str_make_utf8(d->why);
}

/* What is under way outside is followed to its end before anything else is begun: it may still
 * make what is to be removed, or remove what is to be made. */
static void decide_running(const struct resource_row *row, const struct observation *o,
                           const struct policy *p, struct decision *d) {
        enum resource_state state = row->dying ? STATE_REMOVING : STATE_APPLYING;

        if (p->blocked)
                return conclude_because(d, ACTION_BLOCK, STATE_BLOCKED, "", p->blocked);
        if (p->paused)
                return conclude_because(d, ACTION_WAIT, state, "paused: ", p->paused);
        if (p->unread)
                return conclude_because(d, ACTION_WAIT, state, "waiting for ", p->unread);
        if (p->backing_off)
                return conclude(d, ACTION_WAIT, state, p->backing_off);
        conclude(d, row->running, state,
                 o->presence == PRESENCE_LEAVING && o->reason ? o->reason : "under way outside");
}

static bool is_removed(const struct resource_row *row, const struct observation *o) {
        return row->dying && row->running == ACTION_REMOVE && o->presence == PRESENCE_ABSENT;
}

static void leave(struct decision *d, bool maybe_ours, const char *why) {
        d->leaves = maybe_ours;
        conclude(d, ACTION_FORGET, STATE_REMOVING, why);
}

/* Nothing says that we made it. Where our mark is on it we did, and never got the answer: unless
 * it holds data, which no guess deletes. */
static bool is_of_others(const struct resource_row *row, const struct observation *o) {
        return !row->made && (row->data || !o->ours);
}

static void decide_removal(const struct resource_row *row, const struct observation *o,
                           const struct policy *p, struct decision *d) {
        if (p->elsewhere)
                return conclude_because(d, ACTION_BLOCK, STATE_BLOCKED, "", p->blocked);
        if (o->presence == PRESENCE_ABSENT)
                return conclude(d, ACTION_FORGET, STATE_REMOVING, "gone");
        if (row->adopted)
                return leave(d, true, "was adopted: never deleted");
        if (!row->made && p->untried)
                return conclude(d, ACTION_FORGET, STATE_REMOVING, "was never made");
        if (p->blocked)
                return conclude_because(d, ACTION_BLOCK, STATE_BLOCKED, "", p->blocked);
        if (p->paused)
                return conclude_because(d, ACTION_WAIT, STATE_REMOVING, "paused: ", p->paused);
        if (p->unread)
                return conclude_because(d, ACTION_WAIT, STATE_REMOVING, "waiting for ", p->unread);
        if (p->held_up)
                return conclude_because(d, ACTION_WAIT, STATE_REMOVING,
                                        "waiting until gone: ", p->held_up);
        if (p->backing_off)
                return conclude(d, ACTION_WAIT, STATE_REMOVING, p->backing_off);
        if (o->presence == PRESENCE_UNKNOWN)
                return conclude(d, ACTION_LOOK, STATE_REMOVING,
                                "looking whether it is still there");
        if (is_of_others(row, o))
                return leave(d, row->outcome != OUTCOME_CONFLICT,
                             "was not made by us, as far as is known: left in place");
        if (row->incarnation[0] && o->incarnation[0] && !str_eq(row->incarnation, o->incarnation) &&
            !o->ours)
                return conclude(d, ACTION_FORGET, STATE_REMOVING,
                                "somebody else made another one: left in place");
        conclude(d, ACTION_REMOVE, STATE_REMOVING,
                 o->presence == PRESENCE_LEAVING ? (o->reason ? o->reason : "being deleted")
                                                 : "no longer wanted");
}

bool decide_is_sacred(const struct resource_row *row) {
        return row->data && row->initialised && !row->accepted_loss;
}

/* What differs from the baseline, or DRIFT_NONE. */
static enum drift_kind find_drift(const struct resource_row *row, const struct observation *o) {
        bool sacred = decide_is_sacred(row);

        if (o->presence == PRESENCE_ABSENT)
                return sacred ? DRIFT_DATA_LOST : DRIFT_DELETED;
        if (row->incarnation[0] && o->incarnation[0] && !str_eq(row->incarnation, o->incarnation)) {
                /* Another one of the same name: whether it holds what was there, only a person
                 * knows. In a database or a bucket that was never missed and has something in it
                 * only our mark is gone. */
                if (sacred && (row->lost || !o->counted || !o->filled))
                        return DRIFT_DATA_LOST;
                return DRIFT_REPLACED;
        }
        if (row->baseline_valid && o->digest_valid &&
            memcmp(row->baseline, o->digest, DIGEST_SIZE) != 0)
                return DRIFT_CHANGED;
        return DRIFT_NONE;
}

static void decide_first(const struct resource_row *row, const struct policy *p,
                         struct decision *d) {
        d->anew = true;
        if (p->unmet)
                return conclude_because(d, ACTION_WAIT, STATE_WAITING, "waiting for ", p->unmet);
        if (!row->applied_generation)
                return conclude(d, ACTION_APPLY, STATE_NEW, "to be made");
        conclude(d, ACTION_APPLY, STATE_APPLYING,
                 p->redeclared ? p->redeclared
                 : p->refill   ? "a value that it takes changed"
                               : "what is wanted changed");
}

char *decide_another(const struct observation *o) {
        char since[CLOCK_TEXT_MAX];

        if (o->presence != PRESENCE_PRESENT || (o->counted && !o->filled))
                return NULL;
        if (o->counted)
                return str_dup("another one of that name is there, with something in it");
        return str_format("another one of that name is there%s%s (uid %s)",
                          o->since ? " since " : "",
                          o->since ? clock_iso(o->since, false, since) : "", o->incarnation);
}

static void conclude_lost(const struct observation *o, struct decision *d) {
        cleanup_(freep) char *another = decide_another(o);

        if (another)
                conclude_because(d, ACTION_BLOCK, STATE_LOST, another,
                                 ": accept-data-loss takes it as it is, deletes nothing");
        else
                conclude(d, ACTION_BLOCK, STATE_LOST, "data that was there is gone");
}

static void decide_drift(const struct resource_row *row, const struct observation *o,
                         const struct policy *p, struct decision *d) {
        static const char *const what[] = {
                [DRIFT_DELETED] = "was deleted",
                [DRIFT_REPLACED] = "was replaced by another of the same name, or lost our mark",
                [DRIFT_CHANGED] = "was changed",
                [DRIFT_DATA_LOST] = "data that was there is gone",
        };

        if (d->drift == DRIFT_DATA_LOST && !row->remake)
                return conclude_lost(o, d);
        if (p->unmet)
                return conclude_because(d, ACTION_WAIT, STATE_WAITING, "waiting for ", p->unmet);
        conclude(d, ACTION_APPLY, d->drift == DRIFT_DATA_LOST ? STATE_LOST : STATE_APPLYING,
                 what[d->drift]);
}

bool decide_is_back(const struct resource_row *row, const struct observation *o) {
        return o->filled && !row->remake && str_eq(row->incarnation, o->incarnation);
}

/* What is in one that was made again may be its users' first new rows. */
static enum resource_state state_of(const struct resource_row *row, const struct observation *o) {
        if (row->lost && !row->accepted_loss && !decide_is_back(row, o))
                return STATE_LOST;
        switch (o->ready) {
        case READY_YES:
                return STATE_READY;
        case READY_FAILED:
                return STATE_FAILED;
        default:
                return STATE_APPLIED;
        }
}

/* That it cannot be looked at hides no loss. */
static enum resource_state failed_state(const struct resource_row *row, const struct decision *d) {
        return d->drift == DRIFT_DATA_LOST ? STATE_LOST : decide_state_after(row->outcome);
}

static enum resource_state seen_state(const struct resource_row *row, const struct observation *o,
                                      const struct decision *d) {
        if (d->drift == DRIFT_DATA_LOST)
                return STATE_LOST;
        return o->presence == PRESENCE_UNKNOWN ? STATE_UNSEEN : state_of(row, o);
}

/* Asks how it is, unless that was not answered just now. Until it is, what failed stands. */
static void decide_look(const struct resource_row *row, const struct observation *o,
                        const struct policy *p, const char *why, struct decision *d) {
        if (p->backing_off)
                return conclude(d, ACTION_WAIT, failed_state(row, d), p->backing_off);
        if (p->failed)
                return conclude(d, ACTION_LOOK, failed_state(row, d), p->failed);
        conclude(d, ACTION_LOOK, seen_state(row, o, d), why);
}

static void decide_whole(const struct resource_row *row, const struct observation *o,
                         const struct policy *p, struct decision *d) {
        const char *rule = p->spared ? p->spared : p->reported ? p->reported : p->window;
        char head[sizeof(d->why)];

        snprintf(head, sizeof(head), "%s: ",
                 d->drift == DRIFT_DELETED ? "was deleted" : "is another one of the same name");
        d->spared = p->spared != NULL;
        if (p->look_due)
                return decide_look(row, o, p, rule, d);
        d->again_at = p->spared || p->reported ? 0 : p->window_at;
        conclude_because(d, ACTION_WAIT,
                         d->drift == DRIFT_DELETED ? STATE_WAITING : state_of(row, o), head, rule);
}

/* Rules keep what differs from being repaired, for now or for ever. What nobody wants to know of
 * counts as in place. */
static bool is_let_be(const struct resource_row *row, const struct observation *o,
                      const struct policy *p, struct decision *d) {
        const struct verdict *v = d->drift == DRIFT_CHANGED ? p->fields : NULL;

        if (d->drift == DRIFT_DELETED || d->drift == DRIFT_REPLACED) {
                if (!p->spared && !p->reported && !p->window)
                        return false;
                decide_whole(row, o, p, d);
                d->drift = d->spared ? DRIFT_NONE : d->drift;
                return true;
        }
        d->ruled = v != NULL;
        d->spared = v && !v->now && !v->later && !v->reported;
        if (d->spared)
                d->drift = DRIFT_NONE;
        if (!v || v->now || d->spared)
                return false;
        if (p->look_due)
                decide_look(row, o, p, v->why, d);
        else
                conclude(d, v->later ? ACTION_WAIT : ACTION_NONE, state_of(row, o), v->why);
        d->again_at = v->again_at;
        return true;
}

/* What the pause keeps from being put right; NULL: nothing. */
static const char *put_off(const struct resource_row *row, const struct observation *o,
                           bool changed, const struct decision *d) {
        if (o->presence == PRESENCE_LEAVING)
                return "is being deleted";
        if (d->drift == DRIFT_DELETED)
                return "is deleted";
        if (d->drift == DRIFT_REPLACED)
                return "is deleted, and another one is in its place";
        if (d->drift == DRIFT_CHANGED)
                return "was changed";
        if (!row->applied_generation)
                return "is not made yet";
        return changed ? "is to be changed" : NULL;
}

/* Paused: nothing is written. What tells nothing by itself is looked at all the same. That it is
 * paused, and why, the application's status says once. */
static void decide_paused(const struct resource_row *row, const struct observation *o,
                          const struct policy *p, bool changed, struct decision *d) {
        const char *what = put_off(row, o, changed, d);
        /* What is not made yet is not being read either: the application goes on being planned. */
        enum resource_state state = row->applied_generation ? seen_state(row, o, d) : STATE_WAITING;
        char why[sizeof(d->why)];

        d->paused = true;
        if (what && state == STATE_READY)
                state = STATE_WAITING; /* it works, and is not what is wanted */
        if (what)
                snprintf(why, sizeof(why), "%s: put right after the %s", what,
                         p->frozen ? "freeze" : "pause");
        else if (o->ready != READY_YES && o->reason)
                str_copy(why, sizeof(why), o->reason);
        else
                snprintf(why, sizeof(why), "paused: %s", p->paused);
        if (p->look_due)
                return decide_look(row, o, p, why, d);
        conclude(d, ACTION_WAIT, state, why);
}

/* The last moment in which its data can be saved: nothing takes the deletion back. */
static void decide_leaving(const struct observation *o, struct decision *d) {
        char since[CLOCK_TEXT_MAX], head[sizeof(d->why)];

        d->drift = DRIFT_LEAVING;
        snprintf(head, sizeof(head), "%s%s%s", o->reason ? o->reason : "it is being deleted",
                 o->leaving_at ? ", since " : "",
                 o->leaving_at ? clock_iso(o->leaving_at, false, since) : "");
        conclude_because(d, ACTION_BLOCK, STATE_BLOCKED, head,
                         ": what it holds is lost when the last pod that uses it ends; copy the "
                         "data, or set its volume to Retain, before any pod restarts");
}

/* Where a resource stands whose last operation failed: some failures need a person, and are
 * tried all the same. */
enum resource_state decide_state_after(enum outcome o) {
        switch (o) {
        case OUTCOME_CONFLICT:
        case OUTCOME_REFUSED:
        case OUTCOME_IMMUTABLE:
        case OUTCOME_DENIED:
                return STATE_BLOCKED;
        case OUTCOME_NOT_YET:
                return STATE_WAITING;
        case OUTCOME_RUNNING:
                return STATE_APPLYING;
        default:
                return STATE_RETRYING;
        }
}

void decide(const struct resource_row *row, const struct observation *o, const struct policy *p,
            int64_t now, struct decision *d) {
        bool changed =
                row->wanted_generation > row->applied_generation || p->refill || p->redeclared;
        bool sacred = decide_is_sacred(row);

        *d = (struct decision){ 0 };
        if (row->running != ACTION_NONE && !is_removed(row, o))
                return decide_running(row, o, p, d);
        if (row->dying)
                return decide_removal(row, o, p, d);
        if (p->blocked)
                return conclude_because(d, ACTION_BLOCK, STATE_BLOCKED, "", p->blocked);
        /* Data is looked at before anything is written: an apply would begin it anew. */
        if (o->presence == PRESENCE_UNKNOWN &&
            (sacred || (row->applied_generation && (!changed || p->keeps)))) {
                if (p->list_pending)
                        return conclude(d, ACTION_WAIT, STATE_UNSEEN, "not seen yet");
                return decide_look(row, o, p, "not seen yet", d);
        }
        d->compared = o->presence != PRESENCE_UNKNOWN && (sacred || row->applied_generation);
        if (d->compared)
                d->drift = find_drift(row, o);
        d->compared &= o->presence != PRESENCE_PRESENT || !row->baseline_valid || o->digest_valid;
        if (o->presence == PRESENCE_LEAVING && sacred)
                return decide_leaving(o, d);
        if (p->paused)
                return decide_paused(row, o, p, changed, d);
        if (o->presence == PRESENCE_LEAVING)
                return conclude_because(d, ACTION_WAIT, STATE_WAITING, "",
                                        o->reason ? o->reason
                                                  : "is being deleted; made again when it is gone");
        if (d->drift == DRIFT_DATA_LOST && p->look_due && !row->remake)
                return decide_look(row, o, p, "looking whether the data is back", d);
        if (d->drift == DRIFT_DATA_LOST)
                return decide_drift(row, o, p, d);
        if (!changed && d->drift != DRIFT_NONE && is_let_be(row, o, p, d))
                return;
        if (p->backing_off && (changed || d->drift != DRIFT_NONE))
                return conclude(d, ACTION_WAIT, decide_state_after(row->outcome), p->backing_off);
        if (changed && sacred && p->look_due)
                return decide_look(row, o, p, "looking whether it is there", d);
        if (changed)
                return decide_first(row, p, d);
        if (d->drift != DRIFT_NONE)
                return decide_drift(row, o, p, d);
        if (p->look_due)
                return decide_look(row, o, p, o->reason ? o->reason : "", d);
        if (p->audit_every_ms && !p->unmet && now - row->applied_at >= p->audit_every_ms) {
                d->audit = true;
                return conclude(d, ACTION_APPLY, state_of(row, o), "audit");
        }
        conclude(d, ACTION_NONE, state_of(row, o), o->reason ? o->reason : "");
}
