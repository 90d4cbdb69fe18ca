/* SPDX-License-Identifier: Apache-2.0 */
/* request-audit.c - what the audit keeps of a request: who, where and why; and the rows of those
 * that were refused
 *
 * A write that is done has its row in its own transaction (command.c). One that is refused has a
 * transaction of its own, and is answered when that is over. So that nobody fills the disk or
 * drives out older rows with refusals, REFUSALS_PER_USER and REFUSALS_ALL of them are kept in
 * REFUSALS_MS; the others are counted, and one row tells how many there were and whose. */
#include "admin-internal.h"

#include "shown.h"

#include <errno.h>
#include <stdlib.h>

#define REFUSALS_MS 600000
#define REFUSALS_PER_USER 50 /* in that time: 7,200 a day, two months of them until rows are cut */
#define REFUSALS_ALL 500

/* ---- who, where and why */

static const char *param_after(const struct request *q, const char *prefix, size_t i) {
        return q->route && str_starts(q->route->path, prefix) ? request_param(q, i) : NULL;
}

static char *subject_of(const struct request *q) {
        struct buf out = BUF_INIT;

        for (size_t i = 0; i < REQUEST_PARAMS_MAX && q->params[i]; i++)
                buf_printf(&out, "%s%s", i ? "/" : "", q->params[i]);
        return buf_take(&out);
}

/* Going on with a plan tries it first, and is no trial itself. */
static bool is_trial(const struct request *q) {
        return q->trying ? q->only_try : request_query_bool(q, "dry-run");
}

static char *route_of(const struct request *q) {
        struct buf out = BUF_INIT;
        const char *name;
        json_t *value;

        if (q->plan)
                buf_printf(&out, "apply %s: ", q->plan->name);
        buf_printf(&out, "%s %s", q->route->method, q->route->path);
        json_object_foreach(q->query, name, value)
                if (!str_eq(name, "dry-run") || is_trial(q))
                        buf_printf(&out, "%c%s=%s", strchr(buf_str(&out), '?') ? '&' : '?', name,
                                   json_string_value(value));
        return buf_take(&out);
}

const struct audit_entry *request_audit(struct request *q) {
        struct audit_entry *e = &q->entry;

        if (!q->action || !q->admin->options.audit)
                return NULL;
        if (e->kind)
                return e;
        connection_process(q, &q->process);
        if (q->process.has_login)
                str_set(&q->login_name, peer_name(q->admin, q->process.login));
        q->subject = subject_of(q);
        q->route_text = route_of(q);
        *e = (struct audit_entry){
                .kind = "person",
                .has_user = true,
                .uid = q->uid,
                .has_login = q->process.has_login,
                .login = q->process.login,
                .login_name = q->login_name,
                .has_pid = q->process.pid > 0,
                .pid = q->process.pid,
                .user = q->user,
                .command = q->process.command,
                .role = request_role_name(q->role),
                .what = q->action,
                .route = q->route_text,
                .model = param_after(q, "/v1/models/{model}", 0),
                .application = param_after(q, "/v1/models/{model}/applications/{application}", 1),
                .subject = q->subject,
                .why = q->reason,
        };
        return e;
}

/* ---- how many refusals are kept */

static struct refusals_of *find_user(struct admin *a, const struct request *q) {
        struct refusals_of *u;

        for (size_t i = 0; i < a->refused_count; i++)
                if (a->refused[i].uid == q->uid)
                        return &a->refused[i];
        if (a->refused_count == REFUSALS_USERS_MAX)
                return NULL;
        u = &a->refused[a->refused_count++];
        *u = (struct refusals_of){ .uid = q->uid };
        return u;
}

static bool may_keep(struct request *q) {
        struct admin *a = q->admin;
        struct refusals_of *u = find_user(a, q);

        if (!a->refused_now++)
                timer_after(&a->refused_timer, REFUSALS_MS);
        if (u && u->kept < REFUSALS_PER_USER && a->refused_now <= REFUSALS_ALL) {
                u->kept++;
                return true;
        }
        if (u)
                u->dropped++;
        a->refused_dropped++;
        return false;
}

/* ---- one row */

struct refusal {
        struct store_call call;
        struct request *request; /* NULL: nobody waits for it */
        const struct audit *audit;
        struct audit_entry entry;
        char *message;
        unsigned status;
        json_t *json, *became;
};

static int refusal_run(struct tx *tx, struct store_call *c, struct err *err) {
        const struct refusal *r = c->arg;

        return audit_append(tx, r->audit, &r->entry, err);
}

static void refusal_done(struct store_call *c, int k, const struct err *err) {
        struct refusal *r = c->arg;

        if (k < 0)
                log_plain(LOG_WARNING, "audit", "a refusal is not kept (%s): %s", err_text(err),
                          r->message);
        if (r->json)
                request_reply(r->request, r->status, r->json);
        request_unref(r->request);
        json_decref(r->became);
        free(r->message);
        free(r);
}

/* Refusals are history: on a full disk they go first. */
static void submit(struct admin *a, struct refusal *r) {
        r->audit = a->options.audit;
        r->entry.outcome = "refused";
        r->entry.message = r->message;
        r->entry.became = r->became;
        r->call = (struct store_call){ .lane = STORE_HISTORY,
                                       .actor = "audit",
                                       .run = refusal_run,
                                       .done = refusal_done,
                                       .arg = r };
        store_submit(a->options.store, &r->call);
}

/* Not of what the daemon cannot do now (status 503), nor of a trial. */
static bool is_kept(const struct request *q, unsigned status) {
        return q->action && q->admin->options.audit && !q->admin->stopping && status != 503 &&
               !is_trial(q);
}

/* Of a request that could not be read the field and what it wants, which are our own words: what
 * was found instead may be anything, a secret too. */
static char *reason_of(const struct request *q, const char *message) {
        const char *found = strstr(message, ", is ");

        if (!q->unread || str_ends(message, ": is missing"))
                return str_dup(message);
        if (!strstr(message, ": must be ") || !found)
                return str_dup("the request could not be read");
        return str_ndup(message, (size_t)(found - message));
}

bool request_audit_refusal(struct request *q, unsigned status, json_t *json, const char *message) {
        struct refusal *r;

        if (!is_kept(q, status) || !may_keep(q))
                return false;
        r = mem_new(struct refusal);
        r->request = request_ref(q);
        r->entry = *request_audit(q);
        r->message = reason_of(q, message);
        r->status = status;
        r->json = q->at_once ? NULL : json;
        q->started = true; /* nothing else is done with it */
        submit(q->admin, r);
        return !q->at_once;
}

/* ---- those that were only counted */

static void tell_dropped(struct admin *a) {
        struct refusal *r;
        size_t others = a->refused_dropped;

        if (a->refused_dropped) {
                r = mem_new(struct refusal);
                r->became = json_object();
                for (size_t i = 0; i < a->refused_count; i++) {
                        const struct refusals_of *u = &a->refused[i];
                        cleanup_(freep) char *name = str_format("uid %u", u->uid);

                        others -= u->dropped;
                        if (u->dropped)
                                json_object_set_new(r->became, name,
                                                    json_integer((json_int_t)u->dropped));
                }
                if (others)
                        json_object_set_new(r->became, "others", json_integer((json_int_t)others));
                r->message = str_format("%zu more refusals in the last %d minutes",
                                        a->refused_dropped, REFUSALS_MS / 60000);
                r->entry = (struct audit_entry){ .kind = "daemon", .what = "refusals" };
                log_plain(LOG_WARNING, "refusals", "%s, which the audit counts and does not list",
                          r->message);
                submit(a, r);
        }
        a->refused_count = a->refused_now = a->refused_dropped = 0;
}

static void on_window(void *arg) {
        tell_dropped(arg);
}

void request_audit_init(struct admin *a) {
        timer_init(&a->refused_timer, a->options.loop, "refusals", on_window, a);
}

void request_audit_deinit(struct admin *a) {
        timer_cancel(&a->refused_timer);
        tell_dropped(a);
}
