/* SPDX-License-Identifier: Apache-2.0 */
/* resource-audit.c - what the loop wrote outside, one row each in the audit
 *
 * Looks write nothing, nor does an apply once more of what was accepted, after which the object
 * has the version that it had. (What was not accepted yet may have been written before a crash.)
 * Of an operation that goes on outside the beginning and the end are kept; of one that fails the
 * same way again and again the first time, and how it ended at last. That a removal ended is told
 * by the save that forgets the row. */
#include "reconcile-internal.h"

#include <errno.h>

static bool is_write(const struct resource_job *j) {
        bool apply = j->action == ACTION_APPLY, done = j->op.outcome == OUTCOME_DONE;

        if (!j->sent || (!apply && j->action != ACTION_REMOVE))
                return false;
        if (j->op.outcome == OUTCOME_RUNNING)
                return !j->token[0]; /* else it was only asked about */
        if (apply && done)
                return j->op.created || !j->version_before[0] ||
                       j->row.applied_generation < j->generation ||
                       !str_eq(j->version_before, j->version);
        return done || j->op.outcome == OUTCOME_GONE || j->tries == 0 ||
               j->op.outcome != j->row.outcome;
}

static const char *why(struct tx *tx, const struct resource_job *j) {
        if (j->drift_line)
                return tx_format(tx, "drift %lld", (long long)j->drift_line);
        if (j->audit)
                return "audit-period";
        if (j->action == ACTION_REMOVE)
                return "no longer wanted";
        return tx_format(tx, "generation %lld of what is wanted", (long long)j->generation);
}

static json_t *became(const struct resource_job *j) {
        json_t *o = json_object();

        if (j->version[0])
                json_object_set_new(o, "version", json_string(j->version));
        if (j->op.created)
                json_object_set_new(o, "created", json_true());
        if (j->op.took_over)
                json_object_set_new(o, "took-over", json_string(j->op.took_over));
        return o;
}

static int append(struct tx *tx, const struct resource_job *j, struct audit_entry *e,
                  const char *version_before, struct err *err) {
        cleanup_(json_freep) json_t *was = NULL;

        if (version_before[0])
                was = json_pack("{s:s}", "version", version_before);
        e->kind = "loop";
        e->model = json_get_str(j->marks, "model", NULL);
        e->application = json_get_str(j->marks, "application", NULL);
        e->subject = tx_format(tx, "%s %s", j->type, j->path);
        e->was = was;
        return audit_append(tx, j->rec->options.audit, e, err);
}

static int append_removal(struct tx *tx, const struct resource_job *j, struct err *err) {
        struct audit_entry e = { .what = decide_action_name(ACTION_REMOVE),
                                 .why = "no longer wanted",
                                 .outcome = outcome_name(j->removal->outcome) };

        return append(tx, j, &e, j->removal->version, err);
}

int resource_audit(struct tx *tx, const struct resource_job *j, struct err *err) {
        bool good = j->op.outcome == OUTCOME_DONE || j->op.outcome == OUTCOME_GONE;
        cleanup_(json_freep) json_t *now = NULL;
        struct audit_entry e;
        int r;

        if (!j->rec->options.audit)
                return 0;
        r = j->removal ? append_removal(tx, j, err) : 0;
        if (r < 0 || !is_write(j))
                return r;
        if (good && j->action == ACTION_APPLY)
                now = became(j);
        e = (struct audit_entry){ .what = decide_action_name(j->action),
                                  .became = now,
                                  .why = why(tx, j),
                                  .outcome = outcome_name(j->op.outcome),
                                  .message = good ? NULL : err_text(&j->op.err) };
        return append(tx, j, &e, j->version_before, err);
}

/* ---- removals: the outside may say much later that it is gone, and its row goes with that */

void resource_removal_begin(const struct resource_job *j, struct world_resource *r) {
        if (!r->removal)
                r->removal = mem_new(struct world_removal);
        r->removal->outcome = OUTCOME_DONE;
        if (j->version_before[0])
                str_copy(r->removal->version, sizeof(r->removal->version), j->version_before);
}

void resource_removal_end(const struct resource_job *j, struct world_resource *r) {
        if (r->removal)
                r->removal->outcome = j->op.outcome;
}

/* After a restart the row still says that one was going on. */
void resource_removal_take(struct resource_job *j, struct world_resource *r) {
        if (r->seen.presence != PRESENCE_ABSENT)
                return;
        j->removal = take_ptr(r->removal);
        if (j->removal || j->row.running != ACTION_REMOVE)
                return;
        j->removal = mem_new(struct world_removal);
        j->removal->outcome = OUTCOME_DONE;
}
