/* SPDX-License-Identifier: Apache-2.0 */
/* command-operation.c - queueing an action, cancelling and approving it
 *
 * What can be known is checked here, before anything is queued: the action, its parameters by their
 * schema, who may do it, whether the application is there and not stopped. When it begins, and what
 * becomes of it, is action.h's. The value of a secret parameter is sealed like any secret of the
 * application, under the label of the operation; its token stands in the parameters. */
#include "command-internal.h"

#include "operation-hold.h"
#include "param.h"
#include "secret-token.h"

#include <errno.h>
#include <stdlib.h>

struct running { /* while it is being queued */
        struct tx *tx;
        struct command *command;
        const struct command_run *run;
        const struct q_model_row *model;
        const struct q_application_row *application;
        struct charm_meta *meta;
        const struct meta_action *action;
        int64_t id;
        json_t *params;
        int failed;
        struct err *err;
};

static void running_deinit(struct running *u) {
        charm_meta_free(u->meta);
        json_decref(u->params);
}

/* ---- who asks */

const char *command_asker(struct tx *tx, const struct command *c) {
        const struct audit_entry *e = c->entry;
        const char *actor = c->actor ? c->actor : "somebody";

        if (!e || !e->has_login || !str_eq(e->kind, "person") ||
            (e->has_user && e->uid == e->login))
                return actor;
        return tx_format(tx, "uid %lld (%s) as %s", (long long)e->login,
                         e->login_name ? e->login_name : "?", actor);
}

int command_operation_check_asker(const struct audit_entry *e, const struct meta_action *action,
                                  struct err *err) {
        if (!action->destructive || (e && e->has_login))
                return 0;
        return err_set(err, -EPERM,
                       "%s destroys something, so a second person has to approve it, and nobody "
                       "could: who asks did not log in as anybody (no login uid: a service, a "
                       "container's shell). Log in to this machine as yourself (ssh, console) and "
                       "ask from there; sudo is fine",
                       action->name);
}

/* ---- checks */

static int find(struct running *u) {
        int r = lookup_live_model(u->tx, u->run->model, &u->model, u->err);

        if (r >= 0)
                r = lookup_live_application(u->tx, u->model, u->run->application, &u->application,
                                            u->err);
        return r < 0 ? r
                     : lookup_action(u->tx, u->application, u->run->action, &u->meta, &u->action,
                                     u->err);
}

static int check_permission(const struct running *u) {
        const struct audit_entry *e = u->command->entry;

        return e ? command_permission_check(u->tx, e->user, e->role, u->application, u->action,
                                            u->err)
                 : 0;
}

/* One that is to come may be named: its action says that it waits. */
static int check_unit(struct tx *tx, const struct q_application_row *a, const char *unit,
                      struct err *err) {
        const char *slash = unit ? strrchr(unit, '/') : NULL, *name = NULL;
        int64_t number = -1;

        if (!unit)
                return 0;
        if (slash && str_to_int(slash + 1, &number) && number >= 0)
                name = tx_format(tx, "%s/%lld", a->name, (long long)number);
        if (!str_eq(name, unit))
                return err_set(err, -EINVAL, "\"%.80s\" is no unit of %s", unit, a->name);
        return number < a->scale ? 0 : lookup_unit(tx, a, number, err);
}

/* A freeze refuses whatever changes the model (command_check_frozen). */
static int check_paused(const struct running *u) {
        struct operation_subject subject = { u->model->id, u->application->id, true };
        struct operation_held held;
        int r = operation_held(u->tx, &subject, &held, u->err);

        if (r < 0 || !held.what)
                return r;
        return err_set(u->err, -EBUSY,
                       "%s is %s by %s: nothing outside is written; `unpause%s%s` first", held.what,
                       held.how, held.by, held.of_model ? "" : " ", held.of_model ? "" : held.what);
}

static int check_room(const struct running *u) {
        struct q_operation_live_count_row *count;
        struct q_operation_live_of_row *rows;
        size_t n;
        int r = q_operation_live_count(u->tx, &count, &n, u->err);

        if (r >= 0 && n && count->total >= OPERATIONS_LIVE_MAX)
                return err_set(u->err, -EAGAIN,
                               "%d actions wait or run, which is as many as there may be",
                               OPERATIONS_LIVE_MAX);
        if (r >= 0)
                r = q_operation_live_of(
                        u->tx,
                        &(struct q_operation_live_of_in){ .application_id = u->application->id },
                        &rows, &n, u->err);
        if (r >= 0 && n >= OPERATIONS_APPLICATION_MAX)
                return err_set(u->err, -EAGAIN,
                               "%d actions of %s wait or run, which is as many as there may be",
                               OPERATIONS_APPLICATION_MAX, u->application->name);
        return r < 0 ? r : 0;
}

/* What a person wrote is not taken for a token: it would open what is not theirs. */
static int no_token(void *arg, const char *text, const char *pointer, bool in_name,
                    struct err *err) {
        return secret_token_in(text) || strstr(text, "{{secret:")
                       ? err_set(err, -EINVAL, "parameter %s: a secret's token is not taken here",
                                 pointer)
                       : 0;
}

int command_operation_check(struct tx *tx, const struct q_application_row *a,
                            const struct meta_action *action, const char *unit,
                            const json_t *params, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *none = json_object();
        const json_t *given = params ? params : none;
        cleanup_(freep) char *text = json_text(given);
        int r = check_unit(tx, a, unit, err);

        if (r < 0)
                return r;
        if (strlen(text) > OPERATION_PARAMS_MAX)
                return err_set(err, -E2BIG, "the parameters have %zu bytes, at most %u are kept",
                               strlen(text), OPERATION_PARAMS_MAX);
        r = json_walk(given, no_token, NULL, err);
        if (r >= 0)
                r = param_check(action->schema, "parameter", given, ret, err);
        return r < 0 ? err_add(err, r, "%s", action->name) : 0;
}

/* ---- secret parameters */

static int seal_param(const struct running *u, const char *path, const char *uri,
                      const char *value) {
        struct w_secret_insert_in in = { .id = tx_id(u->tx, "secret"),
                                         .uri = uri,
                                         .model_id = u->model->id,
                                         .application_id = u->application->id,
                                         .label = tx_format(u->tx, "operation-%lld",
                                                            (long long)u->id),
                                         .field = path,
                                         .purpose = "param",
                                         .policy = "{}",
                                         .revision = 1,
                                         .created_at = tx_now(u->tx) };
        struct secret_revision first = { in.id, uri, 1 };
        int r = w_secret_insert(u->tx, &in, u->err);

        if (r < 0)
                return r;
        return secret_revision_add(u->tx, u->command->sealer, &first, value, strlen(value), u->err);
}

static json_t *keep_param(void *arg, const char *path, const json_t *value) {
        struct running *u = arg;
        char uri[SECRET_URI_SIZE], token[SECRET_TOKEN_MAX];

        command_uri(u->command, path, uri);
        if (u->failed >= 0)
                u->failed = seal_param(u, path, uri, json_string_value(value));
        return json_string(secret_token_write(uri, 1, SECRET_PLAIN, token));
}

static json_t *mask_param(void *arg, const char *path, const json_t *value) {
        return json_string(AUDIT_SECRET);
}

/* ---- queueing */

/* "own/NAME" is the application's alone. */
static const char *group_of(const struct running *u) {
        const char *group = u->action->group;

        if (!group || strncmp(group, "own/", 4) != 0)
                return group ? group : "";
        return tx_format(u->tx, "%s %lld", group, (long long)u->application->id);
}

static int insert(struct running *u) {
        const struct audit_entry *e = u->command->entry;
        cleanup_(freep) char *params = json_text(u->params);
        cleanup_(freep) char *secret =
                u->action->secret_results ? json_text(u->action->secret_results) : str_dup("[]");
        char uri[SECRET_URI_SIZE];
        struct w_operation_insert_in in = {
                .id = u->id,
                .model_id = u->model->id,
                .model = u->model->name,
                .application_id = u->application->id,
                .application = u->application->name,
                .unit = u->run->unit ? u->run->unit : "",
                .action = u->action->name,
                .params = params,
                .secret_results = secret,
                .charm_sha256 = u->application->charm_sha256,
                .key = uri,
                .parallel = u->action->parallel,
                .execution_group = group_of(u),
                .during_freeze = u->run->during_freeze,
                .approval = u->action->destructive ? "wanted" : "",
                .asked_by = command_asker(u->tx, u->command),
                .asked_uid = e ? e->uid : 0,
                .asked_uid_null = !e || !e->has_user,
                .asked_login = e ? e->login : 0,
                .asked_login_null = !e || !e->has_login,
                .reason = u->run->why ? u->run->why : "",
                .deadline_ms = u->action->deadline_ms,
                .enqueued_at = tx_now(u->tx),
        };

        command_uri(u->command, "operation", uri);
        uri[8] = '\0';
        return w_operation_insert(u->tx, &in, u->err);
}

static void tell(struct running *u) {
        cleanup_(json_freep) json_t *shown = json_deep_copy(u->params);
        const char *name = u->application->name;

        param_each_secret(u->action->schema, shown, mask_param, NULL);
        command_change(u->command, "run", name, "run %s on %s as operation %lld%s", u->action->name,
                       u->run->unit ? u->run->unit : name, (long long)u->id,
                       u->action->destructive ? ", once a second person has approved it" : "");
        command_record(u->command, name, u->action->name, NULL, take_ptr(shown));
        command_say(u->command, "operation", json_integer(u->id));
        if (u->action->destructive)
                command_note(u->command,
                             "%s destroys something: somebody else has to approve it with "
                             "`mooringctl approve %lld`",
                             u->action->name, (long long)u->id);
}

static int queue(struct running *u) {
        int r = find(u);

        if (r >= 0)
                r = check_permission(u);
        if (r >= 0)
                r = command_operation_check_asker(u->command->entry, u->action, u->err);
        if (r >= 0)
                r = check_paused(u);
        if (r >= 0)
                r = command_operation_check(u->tx, u->application, u->action, u->run->unit,
                                            u->run->params, &u->params, u->err);
        if (r >= 0)
                r = check_room(u);
        if (r < 0)
                return r;
        u->id = tx_id(u->tx, "operation");
        tell(u);
        param_each_secret(u->action->schema, u->params, keep_param, u);
        r = u->failed < 0 ? u->failed : insert(u);
        tx_mark(u->tx, MARK_OPERATION, u->id);
        return r < 0 ? r : 0;
}

int command_operation_run(struct tx *tx, struct command *c, struct err *err) {
        cleanup_(running_deinit) struct running u = {
                .tx = tx, .command = c, .run = command_of(c, command_run), .err = err
        };

        c->is_stop = u.run->during_freeze; /* else a freeze refuses it */
        return queue(&u);
}

/* ---- one that is there */

static int lookup_operation(struct tx *tx, const struct command_operation *c,
                            const struct q_operation_row **ret, struct err *err) {
        const struct q_model_row *model;
        struct q_operation_row *row;
        size_t n = 0;
        int r = lookup_model(tx, c->model, &model, err);

        if (r >= 0)
                r = q_operation_by_id(tx, &(struct q_operation_by_id_in){ .id = c->id }, &row, &n,
                                      err);
        if (r < 0)
                return r;
        if (!n || row->model_id != model->id)
                return err_set(err, -ENOENT,
                               "model %s has no operation %lld: it never had, or it is too old",
                               model->name, (long long)c->id);
        *ret = row;
        return 0;
}

static int forget_secrets(struct tx *tx, const struct q_operation_row *o, struct err *err) {
        struct q_operation_secrets_in in = { .application_id = o->application_id,
                                             .label = tx_format(tx, "operation-%lld",
                                                                (long long)o->id) };
        struct q_operation_secrets_row *rows;
        size_t n;
        int r = q_operation_secrets(tx, &in, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = application_row_forget_secret(tx, rows[i].id, err);
        return r < 0 ? r : 0;
}

int command_operation_end(struct tx *tx, const struct q_operation_row *o, const char *status,
                          const char *message, struct err *err) {
        int r = w_operation_set_ended(
                tx,
                &(struct w_operation_set_ended_in){
                        .id = o->id, .status = status, .message = message, .ended_at = tx_now(tx) },
                err);

        if (r >= 0)
                r = forget_secrets(tx, o, err);
        tx_mark(tx, MARK_OPERATION, o->id);
        return r < 0 ? r : 0;
}

/* What its charm says is half done (CHARM_LEAVES, charm.h): said before it is known whether what is
 * out still ends well, for nobody is asked again then. */
static void tell_leaves(struct command *c, const struct q_operation_row *o) {
        cleanup_(json_freep) json_t *state = NULL;
        const char *leaves = "";

        if (o->state[0] && json_parse(o->state, strlen(o->state), &state, NULL) >= 0)
                leaves = json_get_str(state, "leaves", "");
        if (*leaves)
                command_note(c, "cancelled now it leaves something half done: %s", leaves);
}

int command_operation_cancel(struct tx *tx, struct command *c, struct err *err) {
        const struct q_operation_row *o = NULL;
        const char *actor = command_asker(tx, c);
        int r = lookup_operation(tx, command_of(c, command_operation), &o, err);

        c->is_stop = true; /* it stops something: a freeze is no reason against it */
        if (r >= 0 && !o->live)
                r = err_set(err, -EINVAL, "operation %lld has ended: %s", (long long)o->id,
                            o->status);
        if (r >= 0)
                tx_mark(tx, MARK_OPERATION, o->id);
        if (r >= 0 && o->cancelled_by[0])
                command_note(c, "operation %lld is being cancelled already, by %s",
                             (long long)o->id, o->cancelled_by);
        if (r < 0 || o->cancelled_by[0])
                return r;
        r = w_operation_set_cancelled(
                tx, &(struct w_operation_set_cancelled_in){ .id = o->id, .cancelled_by = actor },
                err);
        if (r >= 0 && str_eq(o->status, "pending"))
                r = command_operation_end(tx, o, "cancelled",
                                          tx_format(tx, "cancelled by %s before it began", actor),
                                          err);
        command_change(c, "cancel-task", o->application, "cancel operation %lld, %s of %s",
                       (long long)o->id, o->action, o->application);
        if (str_eq(o->status, "running"))
                command_note(c, "it ends when what its step has asked for is over and has been "
                                "cleaned up after");
        tell_leaves(c, o);
        tx_mark(tx, MARK_OPERATION, o->id);
        return r < 0 ? r : 0;
}

/* Two people are told apart by the user that they logged in as: sudo and su do not change it. */
static int check_second(const struct command *c, const struct q_operation_row *o, struct err *err) {
        const struct audit_entry *e = c->entry;

        if (!e || !e->has_login || o->asked_login_null)
                return err_set(err, -EPERM,
                               "a second person has to approve this, and who %s did not log in, "
                               "so that the two cannot be told apart%s",
                               !e || !e->has_login ? "approves" : "asked",
                               !e || !e->has_login
                                       ? ": log in to this machine as yourself (ssh, console), and "
                                         "approve from there"
                                       : ": `cancel-task` it, and ask for it from a login");
        if (e->login == o->asked_login)
                return err_set(err, -EPERM,
                               "who asked for operation %lld (%s) may not approve it: a second "
                               "person has to",
                               (long long)o->id, o->asked_by);
        return 0;
}

static int mask_token(void *arg, const char *text, struct buf *out, struct err *err) {
        struct secret_ref ref;
        size_t from = 0;

        while (secret_token_next(text, from, &ref)) {
                buf_add(out, text + from, ref.start - from);
                buf_puts(out, AUDIT_SECRET);
                from = ref.end;
        }
        buf_puts(out, text + from);
        return 0;
}

json_t *command_operation_masked(const char *text) {
        cleanup_(json_freep) json_t *j = NULL;
        json_t *shown = NULL;

        if (!*text || json_parse(text, strlen(text), &j, NULL) < 0 ||
            json_fill(j, mask_token, NULL, &shown, NULL) < 0)
                return json_null();
        return shown;
}

/* What the second person answers for. */
static void note_what(struct command *c, const struct q_operation_row *o) {
        cleanup_(json_freep) json_t *params = command_operation_masked(o->params);
        cleanup_(freep) char *text = json_text(params);

        command_note(c, "parameters %s; reason: %s", text, o->reason[0] ? o->reason : "none given");
}

int command_operation_approve(struct tx *tx, struct command *c, struct err *err) {
        const struct q_operation_row *o = NULL;
        int r = lookup_operation(tx, command_of(c, command_operation), &o, err);

        c->is_stop = true;
        if (r >= 0 && str_eq(o->approval, "given"))
                command_note(c, "operation %lld was approved already, by %s", (long long)o->id,
                             o->approved_by);
        if (r < 0 || str_eq(o->approval, "given"))
                return r;
        if (!o->live || !o->approval[0])
                return err_set(
                        err, -EINVAL, "operation %lld %s%s", (long long)o->id,
                        o->live ? "needs no approval" : "has ended: ", o->live ? "" : o->status);
        r = check_second(c, o, err);
        if (r >= 0) {
                note_what(c, o);
                command_note(c, "it begins with its turn: mooringctl show-operation %lld --watch",
                             (long long)o->id);
                r = w_operation_set_approved(
                        tx,
                        &(struct w_operation_set_approved_in){
                                .id = o->id, .approved_by = command_asker(tx, c) },
                        err);
        }
        command_change(c, "approve", o->application,
                       "approve operation %lld, %s of %s, asked for by %s", (long long)o->id,
                       o->action, o->application, o->asked_by);
        tx_mark(tx, MARK_OPERATION, o->id);
        return r < 0 ? r : 0;
}
