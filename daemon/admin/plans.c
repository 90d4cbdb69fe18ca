/* SPDX-License-Identifier: Apache-2.0 */
/* plans.c - see plans.h
 *
 * A request that is gone on with is the one that was asked then, put in the place of the request
 * that names the plan: route, path, query and body. Who goes on with it needs the role that it
 * needs, and the audit has its row, with the plan's name. */
#include "plans.h"

#include "admin-internal.h"
#include "routes.h"

#include "shown.h"

#include <errno.h>
#include <stdlib.h>

/* ---- a dry run is kept */

struct keeping {
        struct store_call call;
        struct request *request;
        struct shown_new plan;
        json_t *asked, *json; /* asked: NULL where no request made it */
        char name[SHOWN_NAME_SIZE];
};

static json_t *params_json(const struct request *q) {
        json_t *list = json_array();

        for (size_t i = 0; i < REQUEST_PARAMS_MAX && q->params[i]; i++)
                json_array_append_new(list, json_string(q->params[i]));
        return list;
}

/* The seed too: names that are made up are those that were shown. */
static json_t *request_json(const struct request *q) {
        json_t *query = json_copy(q->query);
        char seed[DIGEST_HEX_SIZE];

        json_object_del(query, "dry-run");
        return json_pack("{s:s, s:s, s:o, s:o, s:o, s:s}", "method", q->route->method, "path",
                         q->route->path, "params", params_json(q), "query", query, "body",
                         json_stringn(buf_str(&q->body), q->body.len), "seed",
                         digest_hex(q->seed, DIGEST_SIZE, seed));
}

static int keep_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct keeping *k = c->arg;

        return shown_keep(tx, k->request->admin->options.sealer, &k->plan, k->name, err);
}

static void keep_done(struct store_call *c, int r, const struct err *err) {
        struct keeping *k = c->arg;

        if (r < 0)
                json_object_set_new(k->json, "plan-not-kept", json_words(err_text(err)));
        else
                json_object_set_new(k->json, "plan-id", json_string(k->name));
        request_reply_long(k->request, k->json);
        request_unref(k->request);
        json_wipe(k->asked);
        free(k);
}

void plans_keep(struct request *q, const char *application, json_t *asked, json_t *json) {
        struct keeping *k = mem_new(struct keeping);

        k->request = request_ref(q);
        k->json = json;
        k->asked = asked;
        k->plan = (struct shown_new){ .model = request_param(q, 0),
                                      .application = application,
                                      .owner = q->actor,
                                      .request = asked,
                                      .lines = json_get(json, asked ? "changes" : "plan") };
        k->call = (struct store_call){ .lane = STORE_HISTORY,
                                       .actor = q->actor,
                                       .run = keep_run,
                                       .done = keep_done,
                                       .arg = k };
        store_submit(q->admin->options.store, &k->call);
}

/* ---- what moved */

/* Or the same request did it: an earlier one of its key, which nobody waited for. */
static int read_since(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        int r = request_recorded(tx, q, ret, err);

        q->repeated = r > 0;
        return r ? MIN_OF(r, 0) : shown_since(tx, q->plan, ret, err);
}

static void finish_moved(struct request *q, json_t *since) {
        cleanup_(faults_deinit) struct faults moved = { 0 };
        cleanup_(json_freep) json_t *now = take_ptr(q->tried);
        json_t *json;

        if (q->repeated)
                return request_reply(q, 200, since);

        faults_add(&moved, NULL, 0,
                   "plan %s does not hold any more, and nothing was done:", q->plan->name);
        shown_moved(q->plan->lines, now, since, &moved);
        json = json_pack("{s:o, s:{s:s, s:s%}}", "errors", faults_json(&moved), "error", "code",
                         "moved", "message", moved.items[0].text,
                         strcspn(moved.items[0].text, ":"));
        json_decref(since);
        request_refuse(q, 409, json);
}

/* ---- going on */

static void begin(struct request *q, bool dry) {
        if (dry)
                json_object_set_new(q->query, "dry-run", json_string("true"));
        else
                json_object_del(q->query, "dry-run");
        q->trying = dry;
        memset(&q->entry, 0, sizeof(q->entry)); /* its route is another one */
        free(take_ptr(q->subject));
        free(take_ptr(q->route_text));
        q->route->handler(q);
}

bool plans_hold(struct request *q) {
        cleanup_(faults_deinit) struct faults moved = { 0 };

        shown_moved(q->plan->lines, q->tried, NULL, &moved);
        if (!moved.count)
                return true;
        if (!q->only_try)
                json_object_del(q->query, "dry-run"); /* a refusal that the audit keeps */
        request_look(q, read_since, finish_moved);
        return false;
}

static void tried(struct request *q, json_t *json) {
        q->trying = false;
        q->tried = shown_lines(json_get(json, "changes"));
        if (!plans_hold(q)) {
                json_decref(json);
                return;
        }
        if (q->only_try) {
                json_object_set_new(json, "plan-id", json_string(q->plan->name));
                json_decref(take_ptr(q->tried)); /* it has parts of JSON */
                return request_reply_long(q, json);
        }
        json_decref(json);
        if (!q->gone)
                begin(q, false);
}

void plans_reply(struct request *q, json_t *json) {
        if (q->trying)
                return tried(q, json);
        if (q->plan || !str_starts(q->route->path, "/v1/models/{model}") || q->admin->stopping ||
            !json_array_size(json_get(json, "changes")))
                return request_reply(q, 200, json);
        if (!json_get_int(json, "more", 0))
                return plans_keep(q, "", request_json(q), json);
        json_object_set_new(json, "plan-not-kept",
                            json_sprintf("it has more than %d lines", COMMAND_CHANGES_MAX));
        request_reply_long(q, json);
}

/* What the command itself changes, without what follows outside. */
static json_t *own_lines(const json_t *lines) {
        json_t *out = json_array(), *line;
        size_t i;

        json_array_foreach(lines, i, line)
                if (json_get(line, "text"))
                        json_array_append(out, line);
        return out;
}

void plans_bind(struct request *q, struct command *c) {
        if (!q->seeded)
                digest_random(q->seed, sizeof(q->seed));
        q->seeded = true;
        memcpy(c->seed, q->seed, sizeof(q->seed));
        c->seeded = true;
        if (!q->plan || !q->plan->request || q->trying)
                return;
        json_decref(q->expected);
        q->expected = own_lines(q->plan->lines);
        c->expect = q->expected;
        c->shown = q->plan->id;
        c->release = q->plan->lines; /* what charms' plans do was seen too: no limit holds them */
}

static const struct route *find_route(const json_t *asked) {
        for (const struct route *r = route_table; r->method; r++)
                if (str_eq(r->method, json_get_str(asked, "method", "")) &&
                    str_eq(r->path, json_get_str(asked, "path", "")))
                        return r;
        return NULL;
}

static int become(struct request *q, const json_t *asked, struct err *err) {
        const json_t *params = json_get(asked, "params");
        const char *body = json_get_str(asked, "body", "");
        const struct route *route = find_route(asked);

        if (!route)
                return err_set(err, -ENOENT,
                               "the plan is of another version of mooringd, which could do "
                               "something that this one cannot; plan again");
        if (q->role < route->access)
                return err_set(err, -EACCES, "plan %s needs the role %s, and %s has %s",
                               q->plan->name, request_role_name(route->access), q->user,
                               request_role_name(q->role));
        for (size_t i = 0; i < REQUEST_PARAMS_MAX; i++) {
                free(q->params[i]);
                q->params[i] = str_dup(json_string_value(json_array_get(params, i)));
        }
        json_decref(q->query);
        q->query = json_copy(json_get(asked, "query"));
        buf_wipe(&q->body);
        buf_puts(&q->body, body);
        json_wipe(take_ptr(q->json));
        free(q->data);
        q->route = route;
        q->action = route->action;
        q->seeded = digest_unhex(json_get_str(asked, "seed", ""), q->seed, DIGEST_SIZE);
        return request_decode(q, err);
}

/* A plan that was done is gone, and who asks again with the same key has his answer. */
static int read_plan(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        int r = request_recorded(tx, q, ret, err);

        q->plan = shown_free(q->plan);
        if (r)
                return MIN_OF(r, 0);
        return shown_find(tx, q->admin->options.sealer, request_param(q, 0), request_param(q, 1),
                          &q->plan, err);
}

static void finish_plan(struct request *q, json_t *json) {
        struct err err = { 0 };
        int r;

        if (json)
                return request_reply(q, 200, json);
        q->only_try = request_query_bool(q, "dry-run");
        if (!q->plan->request)
                return plans_apply_state(q);
        r = become(q, q->plan->request, &err);
        if (r < 0)
                return request_fail(q, r, &err);
        begin(q, true);
}

void plans_apply(struct request *q) {
        request_name(q);
        request_look(q, read_plan, finish_plan);
}
