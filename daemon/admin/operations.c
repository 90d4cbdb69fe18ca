/* SPDX-License-Identifier: Apache-2.0 */
/* operations.c - actions of applications: which there are, running one, and what became of it
 *
 * Where a secret stands, in parameters, journal and results, "(secret)" is shown. The results with
 * their values are a request of their own, for operators, with a row in the audit. */
#include "admin-internal.h"
#include "routes.h"

#include "action.h"
#include "clock.h"
#include "command.h"
#include "lookup.h"
#include "opener.h"
#include "operation-hold.h"
#include "param.h"

#include <errno.h>
#include <stdlib.h>

#define JOURNAL_PAGE 200 /* turns, and lines of log, of one answer: an answer may have 64 KiB */

/* ---- what there is */

static json_t *action_json(const struct meta_action *a) {
        json_t *j = json_object();
        char span[CLOCK_TEXT_MAX];

        json_object_set_new(j, "description", json_string(a->description ? a->description : ""));
        json_object_set(j, "params", a->schema);
        json_object_set_new(j, "parallel", json_boolean(a->parallel));
        json_object_set_new(j, "destructive", json_boolean(a->destructive));
        if (a->group)
                json_object_set_new(j, "execution-group", json_string(a->group));
        json_object_set_new(j, "deadline", json_string(clock_span(a->deadline_ms, span)));
        if (a->secret_results)
                json_object_set(j, "secret-results", a->secret_results);
        return j;
}

static int add_action(struct tx *tx, const struct q_application_row *application,
                      const struct meta_action *a, json_t *list, struct err *err) {
        const struct q_permission_row *said;
        const char *role;
        int r = command_permission_find(tx, application->id, a, &role, &said, err);
        json_t *j;

        if (r < 0)
                return r;
        j = action_json(a);
        json_object_set_new(j, "role", json_string(role));
        if (said)
                json_object_set_new(j, "permission",
                                    json_pack("{s:s, s:s, s:o}", "by", said->owner, "why",
                                              said->why, "at", json_stamp(said->at, true)));
        json_object_set_new(list, a->name, j);
        return 0;
}

static int read_actions(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        const struct q_application_row *a;
        const struct q_model_row *model;
        json_t *list;
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        if (r >= 0)
                r = lookup_application(tx, model, request_param(q, 1), &a, err);
        if (r >= 0)
                r = lookup_meta(tx, a, &meta, err);
        if (r < 0)
                return r;
        *ret = json_object();
        list = json_object();
        json_object_set_new(*ret, "charm", json_string(a->charm_name));
        json_object_set_new(*ret, "actions", list);
        for (size_t i = 0; r >= 0 && meta && i < meta->action_count; i++)
                r = add_action(tx, a, &meta->actions[i], list, err);
        return r;
}

void operations_actions(struct request *q) {
        request_read(q, read_actions, NULL);
}

/* ---- commands */

const struct json_field operations_run_fields[] = {
        { "params", JSON_FIELD_OBJECT, offsetof(struct operations_run_body, params), 0, 0, 0,
          NULL },
        { "unit", JSON_FIELD_STRING, offsetof(struct operations_run_body, unit), 0, 1, 200, NULL },
        { "during-freeze", JSON_FIELD_BOOL, offsetof(struct operations_run_body, during_freeze), 0,
          0, 0, NULL },
        {}
};

static void release_run(struct command *c) {
        free(container_of(c, struct command_run, head));
}

void operations_run(struct request *q) {
        const struct operations_run_body *b = q->data;
        struct command_run *c = mem_new(struct command_run);

        *c = (struct command_run){ .head = { .run = command_operation_run,
                                             .dry_run = request_query_bool(q, "dry-run") },
                                   .model = request_param(q, 0),
                                   .application = request_param(q, 1),
                                   .action = request_param(q, 2),
                                   .unit = b->unit,
                                   .params = b->params,
                                   .why = q->reason,
                                   .during_freeze = b->during_freeze };
        request_command(q, &c->head, release_run);
}

static void release_one(struct command *c) {
        free(container_of(c, struct command_operation, head));
}

void operations_numbered(struct request *q, const char *what, operations_numbered_fn *run) {
        struct command_operation *c = mem_new(struct command_operation);
        struct err err = {};

        *c = (struct command_operation){ .head = { .run = run,
                                                   .dry_run = request_query_bool(q, "dry-run") },
                                         .model = request_param(q, 0) };
        if (str_to_int(request_param(q, 1), &c->id))
                return request_command(q, &c->head, release_one);
        request_fail(
                q,
                err_set(&err, -EINVAL, "%s have numbers, not \"%.40s\"", what, request_param(q, 1)),
                &err);
        free(c);
}

void operations_cancel(struct request *q) {
        operations_numbered(q, "operations", command_operation_cancel);
}

void operations_approve(struct request *q) {
        operations_numbered(q, "operations", command_operation_approve);
}

/* ---- as JSON */

/* What a line of the list has too. */
static json_t *operation_json(const struct q_operation_row *o) {
        json_t *j = json_object();

        json_object_set_new(j, "id", json_integer(o->id));
        json_object_set_new(j, "application", json_string(o->application));
        json_object_set_new(j, "unit", o->unit[0] ? json_string(o->unit) : json_null());
        json_object_set_new(j, "action", json_string(o->action));
        json_object_set_new(j, "status", json_string(o->status));
        json_object_set_new(j, "message", json_string(o->message));
        json_object_set_new(j, "step", json_string(o->step));
        json_object_set_new(j, "cleaning-up", json_boolean(o->live && o->cleanup));
        if (o->approval[0])
                json_object_set_new(j, "approval", json_string(o->approval));
        if (o->live && str_eq(o->approval, "wanted"))
                json_object_set_new(j, "approve-until",
                                    json_stamp(o->enqueued_at + OPERATIONS_APPROVAL_MS, true));
        json_object_set_new(j, "enqueued", json_stamp(o->enqueued_at, true));
        json_object_set_new(j, "started", json_stamp(o->started_at, true));
        json_object_set_new(j, "completed", json_stamp(o->ended_at, true));
        json_object_set_new(j, "asked-by", json_string(o->asked_by));
        json_object_set_new(j, "asked-login",
                            o->asked_login_null ? json_null() : json_integer(o->asked_login));
        json_object_set_new(j, "approved-by", json_string(o->approved_by));
        json_object_set_new(j, "reason", json_string(o->reason));
        return j;
}

static void add_rest(json_t *j, const struct q_operation_row *o) {
        cleanup_(json_freep) json_t *state = command_operation_masked(o->state);
        const char *leaves = json_get_str(state, "leaves", NULL);

        if (leaves)
                json_object_set_new(j, "leaves", json_string(leaves));
        json_object_set_new(j, "params", command_operation_masked(o->params));
        json_object_set_new(j, "results", command_operation_masked(o->results));
        json_object_set_new(j, "secret-results", command_operation_masked(o->secret_results));
        json_object_set_new(j, "cancelled-by", json_string(o->cancelled_by));
        json_object_set_new(j, "during-freeze", json_boolean(o->during_freeze));
        json_object_set_new(j, "steps", command_operation_masked(o->steps));
        json_object_set_new(j, "step-since", json_stamp(o->step_at, true));
        json_object_set_new(j, "deadline", json_stamp(o->deadline_at, true));
}

/* ---- the list */

static int read_list(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        struct q_operation_list_in in = { .application = request_query(q, "application"),
                                          .action = request_query(q, "action"),
                                          .status = request_query(q, "status"),
                                          .max = request_query_lines(q) };
        struct q_operation_newest_before_row *newest;
        const struct q_model_row *model;
        struct q_operation_row *rows;
        json_t *list = NULL;
        size_t n = 0;
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        if (r < 0)
                return r;
        in.model_id = model->id;
        r = q_operation_newest_before(
                tx,
                &(struct q_operation_newest_before_in){
                        .model_id = model->id,
                        .before_id = request_query_int(q, "before", INT64_MAX) },
                &newest, &n, err);
        in.newest = r >= 0 && n ? newest->id : 0;
        in.oldest = in.newest - REQUEST_WINDOW + 1;
        if (r >= 0)
                r = q_operation_list(tx, &in, &rows, &n, err);
        if (r < 0)
                return r;
        *ret = json_object();
        list = json_array();
        json_object_set_new(*ret, "operations", list);
        for (size_t i = 0; i < n; i++)
                json_array_append_new(list, operation_json(&rows[i]));
        request_next(*ret, n, in.max, n ? rows[n - 1].id : 0, in.oldest);
        return 0;
}

void operations_list(struct request *q) {
        request_read(q, read_list, NULL);
}

/* ---- one */

static int find(struct tx *tx, const struct request *q, const struct q_operation_row **ret,
                struct err *err) {
        const struct q_model_row *model;
        struct q_operation_row *row;
        int64_t id = 0;
        size_t n;
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        if (r < 0)
                return r;
        if (!str_to_int(request_param(q, 1), &id))
                return err_set(err, -EINVAL, "operations have numbers, not \"%.40s\"",
                               request_param(q, 1));
        r = q_operation_by_id(tx, &(struct q_operation_by_id_in){ .id = id }, &row, &n, err);
        if (r < 0)
                return r;
        if (n == 0 || row->model_id != model->id)
                return err_set(err, -ENOENT,
                               "model %s has no operation %lld: it never had, or it is too old",
                               model->name, (long long)id);
        *ret = row;
        return 0;
}

static json_t *turn_json(const struct q_operation_turn_row *t) {
        json_t *j = json_object();

        json_object_set_new(j, "seq", json_integer(t->seq));
        json_object_set_new(j, "step", json_string(t->step));
        json_object_set_new(j, "ask", command_operation_masked(t->ask));
        json_object_set_new(j, "asked", json_stamp(t->asked_at, true));
        json_object_set_new(j, "until", json_stamp(t->deadline_at, true));
        json_object_set_new(j, "outcome", t->outcome[0] ? json_string(t->outcome) : json_null());
        json_object_set_new(j, "error", json_string(t->error));
        json_object_set_new(j, "answer", command_operation_masked(t->told));
        json_object_set_new(j, "ended", json_stamp(t->ended_at, true));
        return j;
}

static int add_turns(struct tx *tx, const struct request *q, int64_t id, json_t *j,
                     struct err *err) {
        struct q_operation_turn_list_in in = { .operation_id = id,
                                               .after = request_query_int(q, "after-turn", 0),
                                               .max = JOURNAL_PAGE };
        json_t *list = json_array();
        struct q_operation_turn_row *rows;
        size_t n = 0;
        int r = q_operation_turn_list(tx, &in, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                json_array_append_new(list, turn_json(&rows[i]));
        json_object_set_new(j, "turns", list);
        if (r >= 0 && n == JOURNAL_PAGE)
                json_object_set_new(j, "next-turn", json_integer(rows[n - 1].seq));
        return r;
}

static int add_log(struct tx *tx, const struct request *q, int64_t id, json_t *j, struct err *err) {
        struct q_operation_log_list_in in = { .operation_id = id,
                                              .after = request_query_int(q, "after-log", 0),
                                              .max = JOURNAL_PAGE };
        json_t *list = json_array();
        struct q_operation_log_row *rows;
        size_t n = 0;
        int r = q_operation_log_list(tx, &in, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                json_array_append_new(
                        list, json_pack("{s:I, s:o, s:s}", "seq", (json_int_t)rows[i].seq, "at",
                                        json_stamp(rows[i].at, true), "text", rows[i].text));
        json_object_set_new(j, "log", list);
        if (r >= 0 && n == JOURNAL_PAGE)
                json_object_set_new(j, "next-log", json_integer(rows[n - 1].seq));
        return r;
}

/* ---- what a pending one waits for */

struct waiting {
        int64_t id;
        const char *text; /* the transaction's; NULL: it begins now */
};

static int find_place(struct tx *tx, const struct operation_place *p, void *arg, struct err *err) {
        struct waiting *w = arg;

        if (p->row->id == w->id)
                w->text = p->text;
        return 0;
}

static int add_waits(struct tx *tx, const struct q_operation_row *o, json_t *j, struct err *err) {
        struct waiting w = { .id = o->id };
        int r;

        if (!str_eq(o->status, "pending"))
                return 0;
        r = operation_queue(tx, find_place, &w, err);
        if (r < 0)
                return r;
        json_object_set_new(j, "now",
                            json_pack("{s:s, s:o, s:i, s:n}", "waits",
                                      w.text ? w.text : "its turn: it begins now", "since",
                                      json_stamp(o->enqueued_at, true), "tries", 0, "next-try"));
        return 0;
}

static int read_one(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *j = NULL;
        const struct q_operation_row *o;
        int r = find(tx, q, &o, err);

        if (r < 0)
                return r;
        j = operation_json(o);
        add_rest(j, o);
        r = add_waits(tx, o, j, err);
        if (r >= 0)
                r = add_turns(tx, q, o->id, j, err);
        if (r >= 0)
                r = add_log(tx, q, o->id, j, err);
        if (r < 0)
                return r;
        *ret = take_ptr(j);
        return 0;
}

/* What it is at now is not in the rows; what has ended is at nothing, also while its turn is still
 * being put away. */
static void finish_one(struct request *q, json_t *json) {
        struct action *a = q->admin->options.action;
        bool ended = json_get_str(json, "completed", NULL);

        if (!ended && !json_get(json, "now"))
                json_object_set_new(json, "now",
                                    a ? action_at(a, json_get_int(json, "id", 0)) : NULL);
        if (!json_get(json, "now"))
                json_object_set_new(json, "now", json_null());
        request_reply_long(q, json);
}

void operations_show(struct request *q) {
        request_read(q, read_one, finish_one);
}

/* ---- results with their values */

static int fill_text(void *arg, const char *text, struct buf *out, struct err *err) {
        return secret_values_fill(arg, text, out, err);
}

/* Who may not run it does not get what it told either. */
static int check_results(struct tx *tx, const struct request *q, const struct q_operation_row *o,
                         struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        const struct meta_action *action;
        struct q_application_row *a;
        size_t n;
        int r;

        if (q->role >= ROLE_ADMIN)
                return 0;
        r = q_application_by_id(tx, &(struct q_application_by_id_in){ .id = o->application_id }, &a,
                                &n, err);
        if (r >= 0 && !n)
                r = err_set(err, -ENOENT, "application %s is gone, and its secrets with it",
                            o->application);
        if (r >= 0)
                r = lookup_action(tx, a, o->action, &meta, &action, err);
        return r < 0 ? r
                     : command_permission_check(tx, q->user, request_role_name(q->role), a, action,
                                                err);
}

static int read_results(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *j = NULL;
        struct secret_values *values;
        const struct q_operation_row *o;
        json_t *filled = NULL;
        int r = find(tx, q, &o, err);

        if (r >= 0)
                r = check_results(tx, q, o, err);
        if (r >= 0)
                r = json_parse(o->results, strlen(o->results), &j, err);
        if (r < 0)
                return r;
        values = secret_values_new();
        r = opener_open(tx, q->admin->options.sealer, o->application_id, j, values, err);
        if (r >= 0)
                r = json_fill(j, fill_text, values, &filled, err);
        secret_values_free(values);
        if (r < 0)
                return err_add(err, r, "operation %lld", (long long)o->id);
        *ret = json_pack("{s:I, s:s, s:o, s:o}", "id", (json_int_t)o->id, "status", o->status,
                         "results", filled, "secret-results",
                         command_operation_masked(o->secret_results));
        return 0;
}

static void finish_results(struct request *q, json_t *json) {
        q->secret = true;
        json_incref(json);
        request_reply(q, 200, json);
        json_wipe(json);
}

void operations_results(struct request *q) {
        request_read(q, read_results, finish_results);
}
