/* SPDX-License-Identifier: Apache-2.0 */
/* decide.h - what is to be done about one resource: a pure function of its row, what was seen,
 * and policy
 *
 * The loop, `plan`, `why` and the tests all call decide(). It reads no clock and asks nobody. */
#pragma once

#include "provider.h"

/* Where a resource stands; kept in its row, shown to people. */
enum resource_state {
        STATE_NEW,      /* wanted, never applied */
        STATE_WAITING,  /* for what it stands on */
        STATE_APPLYING, /* an operation is out */
        STATE_UNSEEN,   /* in place when it was seen last, before this start */
        STATE_APPLIED,  /* in place, not ready */
        STATE_READY,
        STATE_FAILED,   /* in place, and its own controller gave up */
        STATE_RETRYING, /* the last operation failed; tried again */
        STATE_BLOCKED,  /* needs a person */
        STATE_LOST,     /* data that was there is gone: needs a person */
        STATE_REMOVING,
        STATE_MAX
};
const char *decide_state_name(enum resource_state s);
/* Where a resource stands whose last operation failed: some need a person, all are tried again. */
enum resource_state decide_state_after(enum outcome o);

enum action {
        ACTION_NONE,
        ACTION_LOOK,
        ACTION_APPLY,
        ACTION_REMOVE,
        ACTION_FORGET, /* dying and gone: the row goes */
        ACTION_WAIT,   /* for a dependency, the list, a window: nothing is asked */
        ACTION_BLOCK,  /* a person must act */
        ACTION_MAX
};
const char *decide_action_name(enum action a);

struct resource_row {      /* what decide needs of the store's row */
        bool dying;        /* no want is left */
        bool data, remake; /* identity's words */
        bool made, adopted;
        bool accepted_loss;
        bool lost; /* data: it was found gone, is not back since, and nobody accepted that */
        bool unwritten; /* our newest change of it went into fields that are left to others */
        bool baseline_valid;
        bool outputs_valid; /* values of others were filled in */
        enum action running; /* begun outside and not ended: APPLY, REMOVE, or NONE */
        enum outcome outcome; /* of the last operation */
        int64_t wanted_generation, applied_generation;
        int64_t recreate;    /* the wanted generation of which a person said it; 0: of none */
        int64_t initialised; /* data: when it was first seen filled, clock_wall; 0: never */
        int64_t applied_at;  /* clock_wall of the last accepted apply; 0: never */
        uint8_t baseline[DIGEST_SIZE];
        uint8_t outputs[DIGEST_SIZE]; /* of the values that were filled in */
        char incarnation[64];
};

/* What differs, field by field, held against the rules. */
struct verdict {
        bool now;         /* some of it is to be repaired now, */
        bool later;       /* some of it later: a window; */
        bool reported;    /* some of it is only told; and what is left nobody wants to know of */
        int64_t again_at; /* clock_wall: then it is judged anew; 0: when something changes */
        char why[400];    /* of what is not repaired now */
};

struct policy {
        const char *paused;  /* who and why, or NULL: nothing outside is written */
        bool frozen;         /* PAUSED: by a freeze, which no release passes over */
        const char *blocked; /* the model writes nothing: another cluster, another stamp; or NULL */
        const char *unread;  /* what it lives in was not seen yet by this process; or NULL */
        bool elsewhere;      /* blocked: what was seen is of another outside and says nothing */
        bool untried;        /* no apply of it was ever sent */
        const char *unmet;   /* a dependency that is not there yet, as text, or NULL */
        const char *backing_off; /* how the last try failed, and it is not time yet; or NULL */
        const char *failed;      /* how it failed, and none went well since; or NULL */
        const char *held_up;     /* dying: what still stands on it, as text, or NULL */
        bool refill; /* values of others that stand in it are other ones now, all of them known */
        int64_t audit_every_ms; /* 0: never */
        bool look_due;          /* not watched, and it was looked at too long ago */
        bool list_pending; /* the target tells of changes by itself; its first list is under way */
        /* Rules about drift; what is wanted anew is written all the same. Of the whole object: */
        const char *spared;   /* it is neither told nor put right: which rule says so; or NULL */
        const char *reported; /* it is only told: which rule says so; or NULL */
        const char *window;   /* it is put right later: until when it waits; or NULL */
        int64_t window_at;    /* clock_wall of that; 0: not known */
        const struct verdict *fields; /* of what differs; NULL: not compared yet */
        bool keeps; /* fields of it are left as they are: it is looked at before it is written */
        const char *redeclared; /* a field is handed over, or declared again: an apply; or NULL */
};

enum drift_kind {
        DRIFT_NONE,
        DRIFT_DELETED,
        DRIFT_REPLACED,
        DRIFT_CHANGED,
        DRIFT_LEAVING, /* holds data and is marked for deletion */
        DRIFT_DATA_LOST
};

struct decision {
        enum action action;
        enum drift_kind drift; /* what was found is a line in the ledger */
        enum resource_state state;
        bool audit;       /* an apply only to look again */
        bool leaves;      /* forget: something is left outside that may be ours */
        bool compared;    /* held against the baseline, which takes a field set: DRIFT means it */
        bool anew;        /* an apply of what is wanted now, not a repair of what was */
        bool spared;      /* something differs, and a rule says that nobody wants to know */
        bool paused;      /* what it would do waits for the end of a pause */
        bool ruled;       /* what differs was held against the rules: some of it may stand */
        int64_t again_at; /* clock_wall: then to be decided anew; 0: not by time */
        char why[400];    /* for people: "waiting for Secret kubeflow/x: not there yet" */
};

/* It holds data that nobody gave up: when it is gone, a person decides. */
bool decide_is_sacred(const struct resource_row *row);
/* What is there, with something in it, is the very one that was lost: nobody else ends a loss but
 * a person. What we made again has an incarnation of ours, and never is. */
bool decide_is_back(const struct resource_row *row, const struct observation *o);
/* "another one of that name is there since ... (uid ...)", of what stands in the place of lost
 * data: a volume, or a database or bucket with something in it. NULL: nothing does. The caller
 * frees it. */
char *decide_another(const struct observation *o);
/* Pure. NOW is clock_wall. O is never NULL; its presence may be unknown. */
void decide(const struct resource_row *row, const struct observation *o, const struct policy *p,
            int64_t now, struct decision *ret);
