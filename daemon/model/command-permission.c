/* SPDX-License-Identifier: Apache-2.0 */
/* command-permission.c - which role may run which action: grant-action, revoke-action, and the
 * check of who runs one
 *
 * An admin may run all. Operators may run what the charm says ("role: operator" in charm.yaml),
 * but what an admin said of it goes before: that stays through a refresh, until he says otherwise
 * or the application goes. */
#include "command-internal.h"

#include <errno.h>

#define OPERATOR "operator"
#define ADMIN "admin"

int command_permission_find(struct tx *tx, int64_t application, const struct meta_action *action,
                            const char **ret_role, const struct q_permission_row **ret_said,
                            struct err *err) {
        struct q_permission_row *row;
        size_t n;
        int r = q_permission_get(tx,
                                 &(struct q_permission_get_in){ .application_id = application,
                                                                .action = action->name },
                                 &row, &n, err);

        if (r < 0)
                return r;
        *ret_said = n ? row : NULL;
        *ret_role = n ? row->role : action->for_operators ? OPERATOR : ADMIN;
        return 0;
}

int command_permission_check(struct tx *tx, const char *who, const char *role,
                             const struct q_application_row *a, const struct meta_action *action,
                             struct err *err) {
        const struct q_permission_row *said;
        const char *least;
        int r;

        if (!role || str_eq(role, ADMIN))
                return 0;
        r = command_permission_find(tx, a->id, action, &least, &said, err);
        if (r < 0 || str_eq(least, role))
                return r;
        return err_set(err, -EPERM,
                       "%s of %s needs the role admin, and %s has %s; an admin allows it to "
                       "operators by `mooringctl grant-action %s %s`",
                       action->name, a->name, who ? who : "who asks", role, a->name, action->name);
}

/* ---- grant-action, revoke-action */

static json_t *said_json(const struct q_permission_row *said) {
        return said ? json_string(said->role) : NULL;
}

static int say(struct tx *tx, struct command *c, const struct q_application_row *a,
               const struct meta_action *action, const struct q_permission_row *before,
               struct err *err) {
        const struct command_permission *p = command_of(c, command_permission);
        struct w_permission_insert_in in = { .application_id = a->id,
                                             .action = action->name,
                                             .role = p->grant ? OPERATOR : ADMIN,
                                             .owner = c->actor ? c->actor : "somebody",
                                             .why = p->why ? p->why : "",
                                             .at = tx_now(tx) };
        struct w_permission_delete_in old = { .application_id = a->id, .action = action->name };
        int r = before ? w_permission_delete(tx, &old, err) : 0;

        if (r >= 0)
                r = w_permission_insert(tx, &in, err);
        if (r < 0)
                return r;
        command_change(c, p->grant ? "grant-action" : "revoke-action", a->name,
                       p->grant ? "operators may run %s of %s" : "only admins may run %s of %s",
                       action->name, a->name);
        command_record(c, a->name, tx_format(tx, "permission %s", action->name), said_json(before),
                       json_string(in.role));
        return 0;
}

int command_permission_set(struct tx *tx, struct command *c, struct err *err) {
        const struct command_permission *p = command_of(c, command_permission);
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        const struct q_permission_row *said;
        const struct q_application_row *a;
        const struct meta_action *action;
        const struct q_model_row *model;
        const char *role;
        int r = lookup_live_model(tx, p->model, &model, err);

        c->is_stop = true; /* nothing of the model is changed */
        if (r >= 0)
                r = lookup_live_application(tx, model, p->application, &a, err);
        if (r >= 0)
                r = lookup_action(tx, a, p->action, &meta, &action, err);
        if (r >= 0)
                r = command_permission_find(tx, a->id, action, &role, &said, err);
        if (r < 0 || (said && str_eq(role, p->grant ? OPERATOR : ADMIN)))
                return r;
        return say(tx, c, a, action, said, err);
}
