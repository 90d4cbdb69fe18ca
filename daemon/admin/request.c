/* SPDX-License-Identifier: Apache-2.0 */
/* request.c - how a request is answered: with JSON, with an error, from a read, from a command */
#include "admin-internal.h"

#include "clock.h"
#include "command.h"
#include "digest.h"
#include "plans.h"
#include "queries.gen.h"
#include "shown.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>

#define LINES_DEFAULT 100 /* of one answer, when it is not said */
#define LINES_MAX 1000

static const struct {
        int code;
        unsigned status;
        const char *word;
} failures[] = {
        { -EINVAL, 400, "invalid" },    { -EBADMSG, 400, "invalid" },
        { -EPERM, 403, "forbidden" },   { -EACCES, 403, "forbidden" },
        { -ENOENT, 404, "not-found" },  { -EEXIST, 409, "exists" },
        { -EBUSY, 409, "busy" },        { -E2BIG, 413, "too-large" },
        { -EROFS, 503, "read-only" },   { -ENOSPC, 503, "disk-full" },
        { -EAGAIN, 503, "again" },      { -ENOTSUP, 501, "not-supported" },
        { -ETIMEDOUT, 504, "timeout" }, { -ENOKEY, 409, "no-key" },
        { -EPROTO, 405, "method" },     { -ESTALE, 409, "moved" },
};

struct request *request_ref(struct request *q) {
        q->refs++;
        return q;
}

struct request *request_unref(struct request *q) {
        if (!q || --q->refs)
                return NULL;
        for (size_t i = 0; i < REQUEST_PARAMS_MAX; i++)
                free(q->params[i]);
        if (q->secret && q->reply)
                explicit_bzero(q->reply, q->reply_len);
        buf_wipe(&q->body); /* may hold a credential */
        json_decref(q->query);
        json_wipe(q->json);
        free(q->data);
        shown_free(q->plan);
        json_decref(q->tried);
        json_decref(q->expected);
        free(q->user);
        free(q->actor);
        free(q->key);
        free(q->reason);
        free(q->subject);
        free(q->route_text);
        free(q->login_name);
        free(q->reply);
        server_unref(q->admin);
        free(q);
        return NULL;
}

const char *request_param(const struct request *q, size_t i) {
        return i < REQUEST_PARAMS_MAX ? q->params[i] : NULL;
}

const char *request_query(const struct request *q, const char *name) {
        return json_get_str(q->query, name, NULL);
}

int64_t request_query_int(const struct request *q, const char *name, int64_t or) {
        int64_t n;

        return str_to_int(request_query(q, name), &n) ? n : or ;
}

bool request_query_bool(const struct request *q, const char *name) {
        const char *v = request_query(q, name);

        return v && !str_eq(v, "false") && !str_eq(v, "0");
}

int64_t request_query_lines(const struct request *q) {
        int64_t n = request_query_int(q, "max", LINES_DEFAULT);

        return MIN_OF(MAX_OF(n, 1), LINES_MAX);
}

void request_next(json_t *j, size_t count, int64_t max, int64_t last, int64_t oldest) {
        if ((int64_t)count == max)
                json_object_set_new(j, "next", json_integer(last));
        else if (oldest > 1)
                json_object_set_new(j, "next", json_integer(oldest));
}

int request_query_since(const struct request *q, int64_t now, int64_t *ret, struct err *err) {
        const char *text = request_query(q, "since");
        int64_t span;

        *ret = 0;
        if (!text || clock_parse_iso(text, ret))
                return 0;
        if (!clock_parse_span(text, &span))
                return err_set(err, -EINVAL,
                               "since: must be a time such as 2026-09-23T14:00:00Z, or a span such "
                               "as 2h, is \"%s\"",
                               text);
        *ret = now - span;
        return 0;
}

/* An answer that nobody gets. */
static void drop_text(const struct request *q, char *text) {
        if (q->secret)
                wipep(&text);
        free(text);
}

void request_reply_text(struct request *q, unsigned status, const char *type, char *text) {
        if (q->gone)
                return drop_text(q, text);
        q->status = status;
        q->type = type;
        free(q->reply);
        q->reply = text;
        q->reply_len = strlen(text);
        q->replied = true;
        if (q->suspended) {
                q->suspended = false;
                MHD_resume_connection(q->connection);
                server_kick(q->admin);
        }
}

static char *printed(json_t *json) {
        struct buf text = BUF_INIT;

        json_canonical(json, &text);
        buf_putc(&text, '\n');
        json_decref(json);
        return buf_take(&text);
}

void request_reply(struct request *q, unsigned status, json_t *json) {
        request_reply_text(q, status, "application/json", printed(json));
}

struct printing {
        struct job job;
        struct request *request;
        json_t *json;
        char *text;
};

static void print_work(void *arg) {
        struct printing *p = arg;

        p->text = printed(take_ptr(p->json));
}

static void print_done(void *arg) {
        struct printing *p = arg;

        request_reply_text(p->request, 200, "application/json", p->text);
        request_unref(p->request);
        free(p);
}

void request_reply_long(struct request *q, json_t *json) {
        struct printing *p = mem_new(struct printing);

        p->request = request_ref(q);
        p->json = json;
        p->job = (struct job){ .loop = q->admin->options.loop,
                               .work = print_work,
                               .done = print_done,
                               .arg = p,
                               .name = "print" };
        job_start(&p->job);
}

/* Answers, after its row in the audit if it has one. */
static void refuse(struct request *q, unsigned status, json_t *json, const char *message) {
        if (!request_audit_refusal(q, status, json, message))
                request_reply(q, status, json);
}

void request_refuse(struct request *q, unsigned status, json_t *json) {
        refuse(q, status, json, json_get_str(json_get(json, "error"), "message", ""));
}

void request_fail(struct request *q, int r, const struct err *err) {
        const char *word = "internal";
        unsigned status = 500;
        json_t *message, *error, *json;

        for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
                if (failures[i].code == r) {
                        status = failures[i].status;
                        word = failures[i].word;
                }
        message = json_string(err && err->text[0] ? err->text : strerror(-r));
        error = json_object();
        json = json_object();
        json_object_set_new(error, "code", json_string(word));
        /* What was sent may be in the text, and need not be UTF-8. */
        json_object_set_new(error, "message", message ? message : json_string(strerror(-r)));
        json_object_set_new(json, "error", error);
        refuse(q, status, json, json_get_str(error, "message", ""));
}

/* ---- reads */

struct reading {
        struct store_call call;
        struct request *request;
        request_read_fn *fn;
        void (*finish)(struct request *q, json_t *json);
        json_t *json;
        char *text; /* of an answer that nobody finishes: printed by the read thread */
};

static int read_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct reading *r = c->arg;
        int k;

        json_decref(take_ptr(r->json));
        drop_text(r->request, take_ptr(r->text));
        k = r->fn(tx, r->request, &r->json, err);
        if (k >= 0 && !r->finish)
                r->text = printed(r->json ? take_ptr(r->json) : json_object());
        return k;
}

/* Nothing is shown that has no row. */
static int audited_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct reading *r = c->arg;
        struct audit_entry e = r->request->entry;
        int k = read_run(tx, c, err);

        e.outcome = "done";
        return k < 0 ? k : audit_append(tx, r->request->admin->options.audit, &e, err);
}

static void read_done(struct store_call *c, int k, const struct err *err) {
        struct reading *r = c->arg;
        json_t *json = take_ptr(r->json);

        if (r->request->gone) { /* perhaps with the daemon, and what FINISH would ask */
                json_decref(json);
        } else if (k < 0) {
                json_decref(json);
                request_fail(r->request, k, err);
        } else if (r->finish) {
                r->finish(r->request, json);
        } else {
                request_reply_text(r->request, 200, "application/json", take_ptr(r->text));
        }
        drop_text(r->request, r->text);
        request_unref(r->request);
        free(r);
}

static void read_rows(struct request *q, request_read_fn *fn,
                      void (*finish)(struct request *q, json_t *json), bool audited) {
        struct reading *r = mem_new(struct reading);

        r->request = request_ref(q);
        r->fn = fn;
        r->finish = finish;
        r->call = (struct store_call){ .lane = STORE_COMMAND,
                                       .actor = q->actor,
                                       .name = "answer",
                                       .run = audited ? audited_run : read_run,
                                       .done = read_done,
                                       .arg = r };
        if (audited)
                store_submit(q->admin->options.store, &r->call);
        else
                store_read(q->admin->options.store, &r->call);
}

void request_read(struct request *q, request_read_fn *fn,
                  void (*finish)(struct request *q, json_t *json)) {
        read_rows(q, fn, finish, request_audit(q));
}

void request_look(struct request *q, request_read_fn *fn,
                  void (*finish)(struct request *q, json_t *json)) {
        read_rows(q, fn, finish, false);
}

int request_read_nothing(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        *ret = NULL;
        return 0;
}

/* ---- commands */

struct commanding {
        struct store_call call;
        struct request *request;
        struct command *command;
        void (*release)(struct command *c);
        void (*dry)(struct request *q, json_t *json, struct command *c);
};

static json_t *said_by(const struct store_call *c) {
        const char *said = command_reply(c);
        json_t *json = NULL;

        return json_parse(said, strlen(said), &json, NULL) < 0 ? NULL : json;
}

/* What the command said, with the error's word beside it when it failed. */
static void answer(struct request *q, const struct store_call *c, int r, const struct err *err) {
        json_t *json = said_by(c);

        if (r == -ECANCELED)
                return plans_reply(q, json ? json : json_object());
        if (r >= 0) {
                request_reply(q, 200, json ? json : json_object());
                return;
        }
        if (!json) {
                request_fail(q, r, err);
                return;
        }
        for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
                if (failures[i].code == r) {
                        json_object_set_new(json, "error",
                                            json_pack("{s:s, s:s}", "code", failures[i].word,
                                                      "message", err_text(err)));
                        return refuse(q, failures[i].status, json, err_text(err));
                }
        json_decref(json);
        request_fail(q, r, err);
}

static void command_done(struct store_call *c, int r, const struct err *err) {
        struct commanding *k = container_of(c, struct commanding, call);

        if (k->dry && r == -ECANCELED && !k->request->gone)
                k->dry(k->request, said_by(c), k->command);
        else
                answer(k->request, c, r, err);
        command_deinit(k->command);
        if (k->release)
                k->release(k->command);
        else
                free(k->command);
        request_unref(k->request);
        free(k);
}

/* The key names a request of this user, and only the very same one: another gets no answer that
 * was not given to it. Keyed, as the body may hold a credential. */
void request_name(struct request *q) {
        uint8_t digest[DIGEST_SIZE];
        struct buf all = BUF_INIT;
        struct buf name = BUF_INIT;

        if (!q->key || !q->key[0] || q->call[0])
                return;
        buf_printf(&all, "%u %s %s %s\n", q->uid, q->key, q->route->method, q->route->path);
        for (size_t i = 0; i < REQUEST_PARAMS_MAX && q->params[i]; i++)
                buf_printf(&all, "%s\n", q->params[i]);
        json_canonical(q->query, &all);
        buf_add(&all, q->body.data, q->body.len);
        digest_hmac(seal_hash_key(q->admin->options.sealer), DIGEST_SIZE, all.data, all.len,
                    digest);
        buf_wipe(&all);
        buf_puts(&name, "api:");
        digest_base64(digest, sizeof(digest), &name);
        str_copy(q->call, sizeof(q->call), buf_str(&name));
        buf_free(&name);
}

int request_recorded(struct tx *tx, const struct request *q, json_t **ret, struct err *err) {
        struct q_request_get_in in = { .name = q->call };
        struct q_request_get_row *row;
        size_t n;
        int r;

        if (!q->call[0])
                return 0;
        r = q_request_get(tx, &in, &row, &n, err);
        if (r < 0 || !n)
                return r;
        r = json_parse((const char *)row->answer, row->answer_len, ret, err);
        return r < 0 ? r : 1;
}

void request_command(struct request *q, struct command *command,
                     void (*release)(struct command *c)) {
        request_try(q, command, release, NULL);
}

void request_try(struct request *q, struct command *command, void (*release)(struct command *c),
                 void (*dry)(struct request *q, json_t *json, struct command *c)) {
        struct commanding *k = mem_new(struct commanding);

        k->request = request_ref(q);
        k->command = command;
        k->release = release;
        k->dry = dry;
        command->actor = q->actor;
        command->sealer = q->admin->options.sealer;
        command->audit = q->admin->options.audit;
        command->entry = request_audit(q);
        plans_bind(q, command);
        if (str_starts(q->route->path, "/v1/models/{model}"))
                command->of_model = request_param(q, 0);
        k->call = (struct store_call){ .lane = command->after_loop ? STORE_LOOP : STORE_COMMAND,
                                       .actor = q->actor,
                                       .name = "command",
                                       .run = command_run,
                                       .done = command_done,
                                       .arg = command };
        request_name(q);
        str_copy(k->call.request, sizeof(k->call.request), q->call);
        store_submit(q->admin->options.store, &k->call);
}
