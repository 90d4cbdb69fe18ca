/* SPDX-License-Identifier: Apache-2.0 */
/* refresh-check.c - the charm's own check of a canary: an action, run as schedules run theirs */
#include "refresh.h"

#include "command-internal.h"

#include <stdlib.h>

static int pause_refresh(struct tx *tx, const struct refresh_move *m, const char *why,
                         struct err *err) {
        return w_refresh_set_paused(
                tx,
                &(struct w_refresh_set_paused_in){
                        .application_id = m->application, .paused = why, .holds = "{}" },
                err);
}

static int begin(struct tx *tx, const struct refresh_move *m, const struct q_refresh_row *f,
                 const struct q_application_row *a, const struct q_model_row *model,
                 struct err *err) {
        struct audit_entry e = { .kind = "loop",
                                 .what = "run",
                                 .model = model->name,
                                 .application = a->name,
                                 .subject = "refresh",
                                 .why = "check of the canary" };
        struct command_run c = { .head = { .run = command_operation_run,
                                           .sealer = m->sealer,
                                           .audit = m->audit,
                                           .entry = m->audit ? &e : NULL,
                                           .of_model = model->name,
                                           .actor = tx_format(tx, "refresh of %s", f->asked_by) },
                                 .model = model->name,
                                 .application = a->name,
                                 .action = f->check_action,
                                 .why = "check of the canary" };
        struct store_call inner = { .arg = &c.head };
        struct err why = {};
        int r = command_run(tx, &inner, &why);

        if (r < 0)
                r = pause_refresh(tx, m,
                                  tx_format(tx, "its check %s was not run: %s", f->check_action,
                                            err_text(&why)),
                                  err);
        else
                r = w_refresh_set_check(
                        tx,
                        &(struct w_refresh_set_check_in){
                                .application_id = m->application,
                                .check_operation = json_get_int(c.head.answer, "operation", 0) },
                        err);
        free(inner.answer);
        command_deinit(&c.head);
        return r;
}

int refresh_check_begin(struct tx *tx, const struct refresh_move *m, const struct q_refresh_row *f,
                        struct err *err) {
        struct q_application_row *a;
        struct q_model_row *model;
        size_t n;
        int r = q_application_by_id(tx, &(struct q_application_by_id_in){ .id = m->application },
                                    &a, &n, err);

        if (r >= 0 && n)
                r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = a->model_id }, &model, &n,
                                  err);
        return r < 0 || !n ? r : begin(tx, m, f, a, model, err);
}

int refresh_check_look(struct tx *tx, const struct q_refresh_row *f, enum refresh_check *ret,
                       const char **ret_text, struct err *err) {
        struct q_operation_row *o;
        size_t n;
        int r;

        *ret = f->check_action ? REFRESH_CHECK_WANTED : REFRESH_CHECK_NONE;
        if (!f->check_action || f->check_operation_null)
                return 0;
        r = q_operation_by_id(tx, &(struct q_operation_by_id_in){ .id = f->check_operation }, &o,
                              &n, err);
        if (r < 0)
                return r;
        *ret = n && str_eq(o->status, "completed") ? REFRESH_CHECK_PASSED
               : n && o->live                      ? REFRESH_CHECK_RUNS
                                                   : REFRESH_CHECK_FAILED;
        *ret_text = tx_format(tx, "its check %s, operation %lld, is %s%s%s", f->check_action,
                              (long long)f->check_operation, n ? o->status : "gone",
                              n && o->message ? ": " : "", n && o->message ? o->message : "");
        return 0;
}
