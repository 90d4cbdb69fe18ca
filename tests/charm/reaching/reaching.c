/* SPDX-License-Identifier: Apache-2.0 */
/* reaching.c - an action of one step, which asks a verb and gives back how that ended; and one that
 * applies an object and runs a Job */
#include "charm.gen.h"

#include <string.h>

#define PASSWORD_LENGTH 32
#define MARK "KEY"

static void plan(const struct charm_view *v, struct charm_plan *p) {
        charm_secret(p, "admin", "password", PASSWORD_LENGTH, NULL);
        charm_want(p, "secret", "secret.yaml", NULL);
        charm_want(p, "set", "set.yaml", NULL);
}

/* What is to be asked, with the token in the place of the mark. */
static const char *what(const struct charm_world *w, struct charm_ask *a) {
        const char *text = charm_param(w, "what"), *at = strstr(text, MARK);

        if (!at)
                return text;
        return charm_text(charm_paper(a), "%.*s%s%s", (int)(at - text), text,
                          charm_owned(w, "admin", "password"), at + strlen(MARK));
}

static void ask(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_verb(a, charm_param(w, "target"), charm_param(w, "verb"),
                                      what(w, a));
        charm_result(a, "outcome", charm_outcome(w));
        charm_result(a, "error", charm_error(w));
        if (charm_answer(w, ""))
                charm_result(a, "answer", charm_answer(w, ""));
        charm_done(a);
}

static const struct charm_step ask_steps[] = { { "ask", ask, 0, CHARM_ALL }, {} };

/* ---- work */

static void note(const struct charm_world *w, struct charm_ask *a) {
        const char *name = charm_text(charm_paper(a), "note-%s", charm_operation(w));

        if (!charm_outcome(w))
                return charm_ask_apply(a, "note.yaml", CHARM_HOLES({ "name", CHARM_TEXT, name }));
        charm_set(a, "note", name);
        charm_next(a);
}

static void run(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_job(a, "job.yaml",
                                     CHARM_HOLES({ "name", CHARM_TEXT, charm_key(w) },
                                                 { "note", CHARM_TEXT, charm_state(w, "note") }));
        charm_result(a, "succeeded", charm_answer(w, "/succeeded"));
        charm_next(a);
}

static void pause_it(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w) && charm_param_int(w, "pause"))
                return charm_ask_wait(a, charm_param_int(w, "pause"));
        charm_done(a);
}

static const struct charm_step work_steps[] = {
        { "note", note, 60, 0 }, { "run", run, 600, 0 }, { "pause", pause_it, 0, 0 }, {}
};

static const struct charm_action actions[] = { { ACTION_ASK, ask_steps },
                                               { ACTION_WORK, work_steps },
                                               {} };

CHARM(.plan = plan, .actions = actions);
