/* SPDX-License-Identifier: Apache-2.0 */
/* resource-audit.c - what the loop wrote outside, one row each in the audit
 *
 * Looks write nothing, nor does an apply once more of what was accepted, after which the object
 * has the version that it had. (What was not accepted yet may have been written before a crash.)
 * Of an operation that goes on outside the beginning and the end are kept; of one that fails the
 * same way again and again the first time, and how it ended at last. */
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

int resource_audit(struct tx *tx, const struct resource_job *j, struct err *err) {
        bool good = j->op.outcome == OUTCOME_DONE || j->op.outcome == OUTCOME_GONE;
        cleanup_(json_freep) json_t *was = NULL;
        cleanup_(json_freep) json_t *now = NULL;
        struct audit_entry e;

        if (!j->rec->options.audit || !is_write(j))
                return 0;
        if (j->version_before[0])
                was = json_pack("{s:s}", "version", j->version_before);
        if (good && j->action == ACTION_APPLY)
                now = became(j);
        e = (struct audit_entry){ .kind = "loop",
                                  .what = decide_action_name(j->action),
                                  .model = json_get_str(j->marks, "model", NULL),
                                  .application = json_get_str(j->marks, "application", NULL),
                                  .subject = tx_format(tx, "%s %s", j->type, j->path),
                                  .was = was,
                                  .became = now,
                                  .why = why(tx, j),
                                  .outcome = outcome_name(j->op.outcome),
                                  .message = good ? NULL : err_text(&j->op.err) };
        return audit_append(tx, j->rec->options.audit, &e, err);
}
