/* SPDX-License-Identifier: Apache-2.0 */
/* examine.c - asks a cluster what a person would look at: its version and its clock, what we may
 * do in each namespace, and what becomes of the volumes when their claims go
 *
 * Started by doctor only, never by the loop on its own, and reads only. What one question is
 * refused is told in the answer's place, and the next is asked all the same; only when nobody
 * answers there is no use in going on. */
#include "examine.h"

#include "operation.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define STEP_MS 8000 /* a person waits for it */
#define SCOPES_MAX                                                                                 \
        64           /* asked one by one, all within 15 s; further ones are told as not looked at */
#define PAGE 500     /* as client-go: volumes are small */
#define PAGES_MAX 20 /* 10,000 volumes; further ones are told as not looked at */
#define MINOR_OF "%d.%d"

struct examining {
        struct operation operation;
        json_t *scopes, *told;
        size_t scope;
        char *next; /* where the list of volumes goes on */
        int pages;
};

static flow_ask ask_version, ask_rights, ask_volumes;
static flow_got got_version, got_rights, got_volumes;

enum { STEP_VERSION, STEP_RIGHTS, STEP_VOLUMES };
static const struct flow_step steps[] = {
        // step, ask, got, deadline, pause, flags
        [STEP_VERSION] = { "version", ask_version, got_version, STEP_MS, 0, FLOW_ALL },
        [STEP_RIGHTS] = { "rights", ask_rights, got_rights, STEP_MS, 0, FLOW_ALL },
        [STEP_VOLUMES] = { "volumes", ask_volumes, got_volumes, STEP_MS, 0, FLOW_ALL },
        {}
};

static struct examining *examining_of(struct flow *f) {
        return container_of(container_of(f, struct operation, flow), struct examining, operation);
}

static struct http_request *ask(struct examining *e, struct ask *a, const char *method, char *body,
                                const char *path) {
        struct target *t = e->operation.target;
        struct http_request *r = http_ask(a, t->http, t->server, method, body, "%s", path);

        r->headers = e->operation.headers;
        r->total_ms = STEP_MS - 1000;
        return r;
}

/* The answer's JSON, or NULL with why under MEMBER of TO. */
static json_t *answer(const struct ask *a, json_t *to, const char *member) {
        const struct http_request *r = http_answer(a);
        struct scan_slice body = scan_of(buf_str(&r->reply), r->reply.len);
        cleanup_(freep) char *message = NULL;
        cleanup_(freep) char *text = NULL;
        struct err err = { 0 };
        json_t *json = NULL;

        if (r->end != HTTP_OK) {
                json_object_set_new(to, member, json_words(err_text(&r->err)));
        } else if (r->status / 100 != 2) {
                message = scan_dup(scan_get(body, "message"));
                text = str_format("the API server answered %ld: %s", r->status,
                                  message ? message : "no reason given");
                json_object_set_new(to, member, json_words(text));
        } else if (json_parse(body.text, body.len, &json, &err) < 0) {
                json_object_set_new(to, member, json_words(err_text(&err)));
        }
        return json;
}

/* ---- version and clock */

/* Milliseconds since 1970 of "Sun, 06 Nov 1994 08:49:37 GMT"; 0: not one. */
static int64_t date_of(const char *text) {
        struct tm tm = { 0 };
        const char *end = text ? strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) : NULL;

        return end && !*end ? (int64_t)timegm(&tm) * 1000 : 0;
}

static void tell_version(struct examining *e, const json_t *version) {
        int64_t major = 0, minor = 0;
        const char *minor_text = json_get_str(version, "minor", "");
        cleanup_(freep) char *digits = str_ndup(minor_text, strspn(minor_text, "0123456789"));

        str_to_int(json_get_str(version, "major", ""), &major); /* clouds say "34+" */
        str_to_int(digits, &minor);
        json_object_set_new(e->told, "version",
                            json_string(json_get_str(version, "gitVersion", "not told")));
        json_object_set_new(e->told, "tested",
                            json_boolean(major == 1 && minor >= EXAMINE_TESTED_OLDEST &&
                                         minor <= EXAMINE_TESTED_NEWEST));
        json_object_set_new(e->told, "tested-with",
                            EXAMINE_TESTED_OLDEST == EXAMINE_TESTED_NEWEST
                                    ? json_sprintf(MINOR_OF, 1, EXAMINE_TESTED_OLDEST)
                                    : json_sprintf(MINOR_OF " to " MINOR_OF, 1,
                                                   EXAMINE_TESTED_OLDEST, 1,
                                                   EXAMINE_TESTED_NEWEST));
}

static int ask_version(struct flow *f, struct ask *a, struct err *err) {
        ask(examining_of(f), a, "GET", NULL, "/version");
        return FLOW_OK;
}

static int got_version(struct flow *f, struct ask *a, struct err *err) {
        struct examining *e = examining_of(f);
        const struct http_request *r = http_answer(a);
        cleanup_(json_freep) json_t *version = answer(a, e->told, "version-failed");
        int64_t date;

        if (r->end != HTTP_OK) {
                json_object_del(e->told, "version-failed");
                json_object_set_new(e->told, "failed", json_words(err_text(&r->err)));
                return operation_end(&e->operation, OUTCOME_UNREACHABLE, 0, &r->err);
        }
        if (version)
                tell_version(e, version);
        json_object_set_new(e->told, "took-ms", json_integer(r->took_us / 1000));
        date = date_of(http_header(r, "Date"));
        if (date) {
                json_object_set_new(e->told, "date", json_integer(date));
                json_object_set_new(e->told, "at", json_integer(clock_wall() - r->took_us / 2000));
        }
        return FLOW_OK;
}

/* ---- rights, a question a namespace */

static const char *scope_of(const struct examining *e) {
        return json_string_value(json_array_get(e->scopes, e->scope));
}

static int ask_rights(struct flow *f, struct ask *a, struct err *err) {
        struct examining *e = examining_of(f);
        cleanup_(json_freep) json_t *review = NULL;

        if (!scope_of(e))
                return FLOW_SKIP;
        review = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "authorization.k8s.io/v1", "kind",
                           "SelfSubjectRulesReview", "spec", "namespace", scope_of(e));
        e->operation.headers[1] = "Content-Type: application/json";
        ask(e, a, "POST", json_text(review),
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews");
        return FLOW_OK;
}

static int got_rights(struct flow *f, struct ask *a, struct err *err) {
        struct examining *e = examining_of(f);
        json_t *told = json_object();
        cleanup_(json_freep) json_t *review = answer(a, told, "failed");
        json_t *status = json_get(review, "status");

        e->operation.headers[1] = NULL;
        if (review) {
                json_object_set_new(told, "incomplete",
                                    json_boolean(json_get_bool(status, "incomplete", false)));
                json_object_set(told, "rules", json_get(status, "resourceRules"));
        }
        json_object_set_new(json_get(e->told, "rights"), scope_of(e), told);
        e->scope++;
        if (scope_of(e) && e->scope < SCOPES_MAX)
                return FLOW_GOTO(STEP_RIGHTS);
        if (scope_of(e))
                json_object_set_new(e->told, "rights-failed",
                                    json_sprintf("only those in the first %d of %zu namespaces "
                                                 "were asked for",
                                                 SCOPES_MAX, json_array_size(e->scopes)));
        return FLOW_OK;
}

/* ---- volumes */

static int ask_volumes(struct flow *f, struct ask *a, struct err *err) {
        struct examining *e = examining_of(f);
        cleanup_(buf_free) struct buf path = BUF_INIT;

        buf_printf(&path, "/api/v1/persistentvolumes?limit=%d", PAGE);
        if (e->next) {
                buf_puts(&path, "&continue=");
                http_escape(&path, e->next, false);
        }
        ask(e, a, "GET", NULL, buf_str(&path));
        return FLOW_OK;
}

static void tell_volume(struct examining *e, const json_t *volume) {
        const json_t *spec = json_get(volume, "spec"), *claim = json_get(spec, "claimRef");
        const char *phase = json_get_str(json_get(volume, "status"), "phase", "");

        /* Released: its claim is gone, and what was in it is there still. */
        if (!claim || (!str_eq(phase, "Bound") && !str_eq(phase, "Released")))
                return;
        json_array_append_new(json_get(e->told, "volumes"),
                              json_pack("{s:s, s:s, s:s, s:s, s:s}", "volume",
                                        json_get_str(json_get(volume, "metadata"), "name", ""),
                                        "scope", json_get_str(claim, "namespace", ""), "claim",
                                        json_get_str(claim, "name", ""), "policy",
                                        json_get_str(spec, "persistentVolumeReclaimPolicy", ""),
                                        "phase", phase));
}

static int got_volumes(struct flow *f, struct ask *a, struct err *err) {
        struct examining *e = examining_of(f);
        cleanup_(json_freep) json_t *list = answer(a, e->told, "volumes-failed");
        const char *next = json_get_str(json_get(list, "metadata"), "continue", "");
        const json_t *volume;
        size_t i;

        json_array_foreach(json_get(list, "items"), i, volume)
                tell_volume(e, volume);
        if (next[0] && ++e->pages < PAGES_MAX) {
                str_set(&e->next, next);
                return FLOW_GOTO(STEP_VOLUMES);
        }
        if (next[0])
                json_object_set_new(e->told, "volumes-failed",
                                    json_sprintf("only the first %d were read", PAGES_MAX * PAGE));
        return operation_end(&e->operation, OUTCOME_DONE, 0, NULL);
}

/* ---- ends */

static void ended(struct operation *o) {
        struct examining *e = container_of(o, struct examining, operation);

        if (o->outcome != OUTCOME_DONE && !json_get(e->told, "failed"))
                json_object_set_new(e->told, "failed", json_words(err_text(&o->err)));
        o->op->told = take_ptr(e->told);
}

static void drop(struct operation *o) {
        struct examining *e = container_of(o, struct examining, operation);

        operation_deinit(o);
        json_decref(e->scopes);
        json_decref(e->told);
        free(e->next);
        free(e);
}

void examine_start(struct target *t, const json_t *scopes, struct op *op) {
        struct examining *e = mem_new(struct examining);

        operation_init(&e->operation, t, "", t->name, op);
        e->operation.ended = ended;
        e->operation.drop = drop;
        e->scopes = json_deep_copy(scopes);
        e->told = json_pack("{s:{}, s:[]}", "rights", "volumes");
        operation_run(&e->operation, "kube-examine", steps);
}
