/* SPDX-License-Identifier: Apache-2.0 */
/* status.h - the word that is shown for an application, from all that is known: a pure function
 *
 * Juju's words: error, blocked, maintenance, waiting, active, terminated, unknown. blocked: a
 * person must act. waiting: another application, or the cluster, has to. The first row that
 * holds wins:
 *
 *   not seen (its cluster cannot be read)   unknown      "last seen active 14:02: <why>", behind
 *                                                        "being removed; " where it is
 *   being removed                           maintenance  "removing: <what is left>"
 *   no charm module                         blocked      the reason
 *   model or application paused or frozen   the status below, message prefixed "paused by ... "
 *   model writes nothing                    blocked      another cluster, another stamp
 *   held plan, data lost                    blocked      how to go on
 *   a refresh is paused                     blocked      in which stage, why, how to go on
 *   charm crashed or gave a bad plan        error        "charm: <text>"
 *   a resource needs a person               blocked      its reason
 *   the charm says blocked                  blocked      its text
 *   a refresh is under way                  maintenance  its stage, what it waits for
 *   an operation failed and is tried again  waiting      with what and when
 *   the charm says maintenance, waiting     so           its text
 *   a resource is not ready                 waiting      its reason (a unit's error first)
 *   what is wanted changed                  waiting      that it is being planned
 *   scale 0                                 active       "scaled to 0, data is kept"
 *   fewer ready units than the scale        waiting      "1 of 3 units are ready"
 *   all ready                               active       the charm's text */
#pragma once

#include "base.h"

enum status_word {
        STATUS_UNKNOWN,
        STATUS_ACTIVE,
        STATUS_WAITING,
        STATUS_MAINTENANCE,
        STATUS_BLOCKED,
        STATUS_ERROR,
        STATUS_TERMINATED,
        STATUS_MAX
};
extern const char *const status_words[]; /* by the enum; NULL at the end */
int status_find(const char *word);       /* -1: none */

struct status_input {
        const char *unseen;    /* why its cluster cannot be read now, or NULL */
        const char *last_word; /* what was shown while it could be read */
        int64_t last_seen;     /* clock_wall; 0: never */
        bool dying;
        const char *removing; /* what is left, or NULL */
        const char *no_charm; /* why no module serves it, or NULL */
        const char *paused;   /* "alice: why", or NULL */
        const char *note;     /* who changes what again and again, what stays other; or NULL */
        const char *frozen;   /* "alice: why (until then)", or NULL */
        const char *model_blocked;
        const char *held; /* why the last plan is held */
        const char *refresh; /* how far it is, or NULL */
        bool refresh_paused;
        const char *lost; /* which data is lost and what to do */
        /* storage of an earlier application of that name, a secret that is not granted: a person
         * decides before it is planned */
        const char *undecided;
        const char *plan_error; /* the charm's crash or bad plan */
        bool planned;           /* a plan was made at least once */
        /* the charm's own: "active", "waiting", ..., "unknown"; or NULL */
        const char *plan_word;
        const char *plan_message;
        const char *blocked; /* first resource that needs a person, with its reason */
        /* first resource whose operation fails, with the reason and the next try */
        const char *failing;
        const char *unit_error; /* first unit in error, with its reason */
        const char *not_ready;  /* first resource that is not ready, with its reason */
        bool changing;          /* its rows changed, and no plan knows of that yet */
        size_t units, ready;    /* those that are there */
        bool runs;              /* what it wants runs units, or there are some */
        int64_t scale;
        bool keeps_data;
};

#define STATUS_MESSAGE_MAX 512
struct status_output {
        enum status_word word;
        char message[STATUS_MESSAGE_MAX];
};
void status_compute(const struct status_input *in, struct status_output *ret);
#define STATUS_CHANGING "what is wanted of it changed, and is being planned"
