/* SPDX-License-Identifier: Apache-2.0 */
/* s3-target.c - from an operation to a flow and back; see s3-target.h
 *
 * Everything runs on the loop. Operations of one store run beside each other: each is a few
 * requests, and the reconciler limits how many are out. */
#include "s3-azure.h"
#include "s3-identity.h"
#include "s3-stream.h"
#include "s3-target.h"
#include "s3-xml.h"

#include "clock.h"
#include "forward.h"

#include <errno.h>
#include <stdlib.h>

#define REPLY_MAX (4u << 20) /* a page of 1,000 keys of 1,024 bytes, percent-encoded, is 3.2 MB */
#define REQUEST_MS 30000

struct target {
        struct s3_config config;
        struct loop *loop;
        struct http *http;
        struct http_server *server;
        struct forward *forward;
        struct s3_identity identity;
        const struct observer *observer;
        struct list pipes;
        char sigv4[96];
        int reachable; /* -1: not known */
};

static const struct flow_step *const tables[S3_KIND_MAX][S3_VERB_MAX] = {
        { s3_bucket_look, s3_bucket_apply, s3_bucket_remove },
        { s3_policy_look, s3_policy_apply, s3_policy_remove },
        { s3_user_look, s3_user_apply, s3_user_remove },
};

/* ---- what the flows use */

struct s3_op *s3_op_of(struct flow *f) {
        return container_of(f, struct s3_op, flow);
}

const struct s3_config *s3_config_of(const struct s3_op *s) {
        return &s->target->config;
}

struct http_request *s3_ask(struct s3_op *s, struct ask *a, const char *method, char *body,
                            const char *path_fmt, ...) {
        struct target *t = s->target;
        cleanup_(freep) char *path = NULL, *signed_path = NULL;
        struct http_request *r;
        va_list ap;

        va_start(ap, path_fmt);
        path = str_vformat(path_fmt, ap);
        va_end(ap);
        if (s3_is_azure(s))
                signed_path = s3_azure_path(&t->config, path);
        r = http_ask(a, t->http, t->server, method, body, "%s", signed_path ? signed_path : path);
        r->reply_max = REPLY_MAX;
        r->total_ms = REQUEST_MS;
        if (signed_path)
                return r;
        r->aws_sigv4 = t->sigv4;
        s3_ask_as(r, t->config.access_key, t->config.secret_key);
        return r;
}

void s3_ask_as(struct http_request *r, const char *user, const char *password) {
        r->user = user;
        r->password = password;
}

long s3_status(const struct ask *a) {
        const struct http_request *r = http_answer(a);

        return r->end == HTTP_OK ? r->status : 0;
}

bool s3_is_made(const struct ask *a) {
        return s3_status(a) == 200 || s3_status(a) == 201; /* as Azure says it */
}

/* S3 answers XML, the admin API JSON; both say Code and Message. */
static char *error_member(const struct http_request *r, const char *name) {
        cleanup_(json_freep) json_t *j = NULL;

        if (!r->reply.len && str_eq(name, "Code")) /* Azure's answer to HEAD */
                return str_dup(http_header(r, "x-ms-error-code"));
        if (r->reply.len && r->reply.data[0] == '{' &&
            json_parse(r->reply.data, r->reply.len, &j, NULL) == 0)
                return str_dup(json_get_str(j, name, NULL));
        return s3_xml_text(s3_xml_of(r->reply.data, r->reply.len), name);
}

bool s3_code(const struct ask *a, const char *code) {
        cleanup_(freep) char *is = error_member(http_answer(a), "Code");

        return str_eq(is, code);
}

int s3_fail(struct s3_op *s, enum outcome outcome, const char *fmt, ...) {
        va_list ap;

        s->outcome = outcome;
        s->err.code = -1;
        va_start(ap, fmt);
        vsnprintf(s->err.text, sizeof(s->err.text), fmt, ap);
        va_end(ap);
        return FLOW_END;
}

static int fail_unanswered(struct s3_op *s, const struct ask *a) {
        const struct err *why = s->target->forward ? forward_last(s->target->forward) : NULL;

        s->away = true;
        if (why && why->text[0])
                return s3_fail(s, forward_outcome(why), "%s", why->text);
        /* Through a tunnel the address that failed is a port of our own, which tells nobody which
         * store it was. */
        return s3_fail(s, a->outcome == OUTCOME_DONE ? OUTCOME_UNREACHABLE : a->outcome, "%s%s%s",
                       s->target->forward ? s->target->config.via : "",
                       s->target->forward ? ": " : "", err_text(&a->err));
}

int s3_fail_answer(struct s3_op *s, const struct ask *a) {
        const struct http_request *r = http_answer(a);
        cleanup_(freep) char *code = NULL, *message = NULL;

        if (r->end != HTTP_OK)
                return fail_unanswered(s, a);
        if (r->status == 401 && s3_identity_renew(s))
                return FLOW_GOTO(0);
        code = error_member(r, "Code");
        message = error_member(r, "Message");
        s->op->again_at = a->again_at;
        s->away = str_eq(code, "InvalidAccessKeyId") || str_eq(code, "SignatureDoesNotMatch") ||
                  str_eq(code, "XMinioServerNotInitialized");
        if (r->status == 403 && s->target->config.identity)
                return s3_fail(s, OUTCOME_DENIED,
                               "account %s does not let this machine's managed identity do that "
                               "(%s): it needs the role Storage Blob Data Contributor there, and "
                               "up to ten minutes pass until one that was given counts",
                               s->target->config.access_key, code ? code : "no reason given");
        if (s->away && s->target->config.engine != S3_MINIO &&
            !str_eq(code, "XMinioServerNotInitialized"))
                return s3_fail(s, OUTCOME_DENIED, "the store does not take the key %s (%s)",
                               s->target->config.access_key, code);
        if (str_eq(code, "InvalidAccessKeyId") || str_eq(code, "SignatureDoesNotMatch"))
                return s3_fail(
                        s, OUTCOME_DENIED,
                        "the store does not take the key of its administrator %s (%s): it is being "
                        "restarted with another one, or that was changed outside; then set it "
                        "back to the one that `mooringctl secrets` lists and `mooringctl "
                        "show-secret --reveal` prints",
                        s->target->config.access_key, code);
        if (str_eq(code, "XMinioServerNotInitialized")) {
                s->op->again_at = 0; /* it says two minutes, and is there after a second */
                return s3_fail(s, OUTCOME_NOT_YET, "the store is starting");
        }
        return s3_fail(s, a->outcome == OUTCOME_DONE ? OUTCOME_UNREACHABLE : a->outcome,
                       "%s: %s (%ld)", code ? code : "the store",
                       message ? message : "no reason given", r->status);
}

void s3_seen_reset(struct s3_op *s) {
        json_decref(s->seen);
        s->seen = json_object();
        s->present = s->filled = false;
        s->found_incarnation[0] = '\0';
}

/* An operation that cannot begin ends as a flow that asks nothing. */
static int ask_nothing(struct flow *f, struct ask *a, struct err *err) {
        return FLOW_END;
}

static const struct flow_step no_steps[] = {
        { "refused", ask_nothing, NULL, S3_DEADLINE_MS, S3_PAUSE_MS, 0 }, {}
};

/* ---- answers */

static void fill_observation(const struct s3_op *s, struct observation *o) {
        polled_observe(&s->known,
                       &(struct polled_seen){ .present = s->present,
                                              .filled = s->filled,
                                              .partial = s->partial,
                                              .incarnation = s->found_incarnation,
                                              .body = s->seen },
                       o);
}

static void op_free(struct s3_op *s) {
        flow_cancel(&s->flow);
        s3_document_free(&s->doc);
        wipep(&s->secret_key);
        json_decref(s->seen);
        json_decref(s->told);
        free(s->object.path);
        buf_wipe(&s->keys);
        buf_free(&s->sealed);
        free(s);
}

static void fill_done(struct s3_op *s, struct op *op) {
        if (s->act.ask) {
                op->told = take_ptr(s->told);
                return;
        }
        fill_observation(s, &op->seen);
        if (s->applying) {
                polled_applied(op, S3_FIELDS, s->seen, s->created);
        } else if (!s->present && !s->removing) {
                op->outcome = OUTCOME_GONE;
        }
}

static void on_flow(struct flow *f, int r, const struct err *err) {
        struct s3_op *s = s3_op_of(f);
        struct target *t = s->target;
        struct op *op = s->op;
        bool asked, away;

        op->private = NULL;
        if (r < 0 && s->outcome == OUTCOME_DONE)
                s3_fail(s, OUTCOME_UNREACHABLE, "%s", err_text(err));
        op->outcome = s->outcome;
        op->err = s->err;
        if (op->outcome == OUTCOME_DONE)
                fill_done(s, op);
        asked = s->flow.steps != no_steps;
        away = s->away;
        op_free(s);
        if (asked)
                polled_reach(t->observer, &t->reachable, !away, &op->err);
        op->done(op);
}

/* ---- start */

static int fill_secret(struct s3_op *s, const struct apply_request *r, struct err *err) {
        struct buf text = BUF_INIT;
        int k = 0;

        if (!s->doc.secret_key)
                return 0;
        buf_reserve(&text, 1024); /* so that no growing leaves a piece behind */
        if (r->values)
                k = secret_values_fill(r->values, s->doc.secret_key, &text, err);
        else
                buf_puts(&text, s->doc.secret_key);
        if (k == 0)
                s->secret_key = str_dup(buf_str(&text));
        buf_wipe(&text);
        if (k == 0 && (strlen(s->secret_key) < 8 || strlen(s->secret_key) > S3_SECRET_MAX))
                return err_set(err, -EINVAL, "secret-key: between 8 and %d characters",
                               S3_SECRET_MAX);
        return k;
}

/* A look is held against the baseline; the document may be newer, or not in cache.db. */
static bool looks(const struct s3_op *s, const struct apply_request *r, const char *member) {
        const json_t *by = r->baseline && !s->applying ? r->baseline : s->doc.json;

        return json_get(by, member) != NULL;
}

static void fill_looks(struct s3_op *s, const struct apply_request *r) {
        s->looks_versioning = looks(s, r, "versioning");
        s->looks_lifecycle = looks(s, r, "lifecycle");
}

static int fill_op(struct s3_op *s, const struct apply_request *r, struct err *err) {
        int k = r->wanted ? s3_document_parse(r->wanted, &s->doc, err)
                          : s3_document_at(r->type, r->path, &s->doc, err);

        if (k < 0)
                return k;
        if (s->doc.kind != S3_BUCKET && s->target->config.engine != S3_MINIO)
                return err_set(err, -ENOTSUP,
                               "users and policies are made on MinIO only: on another store give "
                               "this application "
                               "credentials of its own by an option");
        fill_looks(s, r);
        s->first = r->first;
        s->adopt = (r->flags & (APPLY_ADOPT | APPLY_TAKE_OVER)) != 0;
        str_copy(s->incarnation, sizeof(s->incarnation), r->incarnation);
        polled_know(&s->known, r);
        return s->removing ? 0 : fill_secret(s, r, err);
}

struct s3_op *s3_target_new(struct target *t, struct op *op, const struct flow_step *steps) {
        struct s3_op *s = mem_new(struct s3_op);

        s->target = t;
        s->op = op;
        s->seen = json_object();
        op->private = s;
        s->flow.loop = t->loop;
        s->flow.name = "s3";
        s->flow.done = on_flow;
        s->flow.steps = steps;
        return s;
}

void s3_target_run(struct s3_op *s, const struct err *why) {
        if (why) {
                s3_fail(s, OUTCOME_REFUSED, "%s", err_text(why));
                s->flow.steps = no_steps;
        }
        if (s->target->forward)
                forward_forget(s->target->forward);
        flow_start(&s->flow);
}

void s3_target_start(struct target *t, enum s3_verb verb, const struct apply_request *r,
                     struct op *op) {
        struct s3_op *s = s3_target_new(t, op, NULL);
        struct err err = { 0 };
        int k;

        s->removing = verb == S3_REMOVE;
        s->applying = verb == S3_APPLY;
        snprintf(s->flow.subject, sizeof(s->flow.subject), "%s %s", r->type, r->path);
        k = fill_op(s, r, &err);
        if (k == 0)
                s->flow.steps = tables[s->doc.kind][verb];
        s3_target_run(s, k < 0 ? &err : NULL);
}

struct loop *s3_target_loop(struct target *t) {
        return t->loop;
}

struct list *s3_target_pipes(struct target *t) {
        return &t->pipes;
}

struct http *s3_target_http(struct target *t) {
        return t->http;
}

struct s3_identity *s3_target_identity(struct target *t) {
        return &t->identity;
}

void s3_target_cancel(struct op *op) {
        struct s3_op *s = take_ptr(op->private);

        if (s)
                op_free(s);
}

/* ---- the target */

static int open_server(struct target *t, struct err *err) {
        const struct s3_config *c = &t->config;
        cleanup_(freep) char *url = NULL, *name = NULL;
        struct http_server_config config = { .ca_pem = c->ca, .user_agent = "mooring" };

        if (t->forward)
                url = str_format("%s://127.0.0.1:%d", c->tls == S3_TLS_PLAIN ? "http" : "https",
                                 forward_port(t->forward));
        else
                url = str_dup(c->endpoint);
        if (t->forward && c->tls == S3_TLS_FULL)
                name = s3_config_host(c->endpoint);
        config.url = url;
        config.tls_name = name;
        config.any_name = c->tls == S3_TLS_CA;
        config.insecure = c->tls == S3_TLS_ENCRYPT;
        if (c->identity) {
                config.header = AZURE_VERSION_HEADER;
                config.authorize = s3_identity_authorize;
                config.arg = &t->identity;
        }
        return http_server_new(&config, &t->server, err);
}

int s3_target_open(const struct target_config *c, const struct observer *o, struct target **ret,
                   struct err *err) {
        struct target *t = mem_new(struct target);
        int r = s3_config_parse(c->credential ? c->credential : c->config, &t->config, err);

        if (r == 0 && t->config.engine == S3_AZURE)
                r = s3_azure_check(&t->config, err);
        if (r == 0)
                r = s3_identity_init(&t->identity, &t->config, err);
        t->loop = c->loop;
        t->http = c->http;
        t->observer = o;
        t->reachable = -1;
        list_init(&t->pipes);
        if (r == 0 && t->config.via)
                r = forward_open(c->loop, c->reach_provider, c->reach, t->config.via,
                                 t->config.port, &t->forward, err);
        if (r == 0)
                r = open_server(t, err);
        if (r < 0) {
                s3_target_close(t);
                return err_add(err, r, "%s", c->name);
        }
        snprintf(t->sigv4, sizeof(t->sigv4), "aws:amz:%s:s3", t->config.region);
        *ret = t;
        return 0;
}

struct target *s3_target_close(struct target *t) {
        if (!t)
                return NULL;
        s3_stream_end_all(t);
        forward_close(t->forward);
        http_server_unref(t->server);
        s3_identity_deinit(&t->identity);
        s3_config_free(&t->config);
        free(t);
        return NULL;
}

json_t *s3_target_manner(const struct target *t) {
        static const char *const words[S3_TLS_MAX] = { "verify-full", "verify-ca", "encrypt",
                                                       "plain" };
        const struct s3_config *c = &t->config;

        return json_pack("{s:s, s:s, s:b, s:s?}", "server", c->via ? c->via : c->endpoint, "tls",
                         words[c->tls], "via", c->via != NULL, "ca", c->ca);
}
