/* SPDX-License-Identifier: Apache-2.0 */
/* apply.c - server-side apply as a flow
 *
 * The repeated case is one PATCH: an identical apply changes nothing on the server, and its
 * answer is the observation, the field set and the baseline. Around it, each only when it is
 * needed:
 *
 *   look       when the first apply, which only makes, found it there, or when it is
 *              adopted: what is not ours is not touched; of a dry run to tell what differs
 *   body       a large one is made in a thread
 *   serving    webhooks and API services: what serves them is ready,
 *              else everything they guard would stand still
 *   delete     to make anew what cannot be changed (only when asked)
 *   take       items that others put into our keyed lists become ours,
 *              on request or after 422 Duplicate value; fields that are
 *              handed over stop being ours
 *   confirm    "is immutable" is believed only when the same content under another
 *              name would be taken
 *
 * The body holds secret values: it is built once, kept until the end and wiped. */
#include "apply.h"

#include "baseline.h"
#include "body.h"
#include "clock.h"
#include "difference.h"
#include "fieldset.h"
#include "identify.h"
#include "keep.h"
#include "kinds.h"
#include "look.h"
#include "normalise.h"
#include "project.h"
#include "refusal.h"
#include "field-rules.h"
#include "serving.h"
#include "takeover.h"
#include "value-check.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define TAKE_TRIES_MAX 5    /* the object changes between our look and our patch */
#define STRICT_ROUNDS_MAX 3 /* applies in a row after which others had added something again */
#define GONE_PAUSE_MS 300
#define GONE_TRIES_MAX 100 /* half a minute: then the reconciler waits instead */
#define ANSWER_MAX (16u << 20)
/* No object has it: an apply that names it makes, or is refused by 409. */
#define VERSION_OF_NONE "1"

struct applying {
        struct operation operation;
        struct look_wish wish;
        const struct apply_request *request; /* the caller's, for as long as the operation lives */
        struct buf body;
        json_t *document; /* what is sent where fields are kept; NULL: what is wanted */
        json_t *owned;    /* keep.h's: fields that we give up before */
        bool unmade;      /* the body is to be made (anew) */
        char *application;
        json_t *services; /* of a webhook configuration: those still to be asked about */
        unsigned flags;
        bool first, taken, created;
        bool making;     /* the body names a version that no object has */
        bool met;        /* and was refused for that, as it seems */
        bool ours;       /* the first look found our own stamp */
        char *uid;       /* of what is to be deleted */
        bool anew;       /* it is deleted to be made again */
        bool confirming; /* the body is made for the confirmation */
        bool folding;    /* the patch is the last thing that is done */
        int rounds;
        json_t *runtime;  /* what the component completes at run time: paths, or NULL */
        json_t *released; /* the document without what it has completed, or NULL */
        char *whose, *patch;
        const char *headers[4];
        int tries;
        struct answer_meaning meaning; /* of the apply that a confirmation is about */
        struct err why;
        struct buf answer;
        struct buf live; /* of a dry run: what is there */
        struct baseline baseline;
        json_t *warnings;
};

static flow_ask ask_look, ask_body, ask_serving, ask_delete, ask_gone, ask_taken, ask_take,
        ask_patch, ask_confirm, ask_read;
static flow_got got_look, got_body, got_serving, got_delete, got_gone, got_taken, got_take,
        got_patch, got_confirm, got_read;

enum {
        STEP_LOOK,
        STEP_BODY,
        STEP_SERVING,
        STEP_DELETE,
        STEP_GONE,
        STEP_TAKE_LOOK,
        STEP_TAKE,
        STEP_PATCH,
        STEP_CONFIRM,
        STEP_READ
};

static const struct flow_step steps[] = {
        // step, ask, got, deadline, pause, flags
        { "look", ask_look, got_look, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "body", ask_body, got_body, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "serving", ask_serving, got_serving, OPERATION_STEP_MS, 1, FLOW_ALL },
        { "delete", ask_delete, got_delete, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "gone", ask_gone, got_gone, OPERATION_STEP_MS, GONE_PAUSE_MS, FLOW_ALL },
        { "take-look", ask_taken, got_taken, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "take-over", ask_take, got_take, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "patch", ask_patch, got_patch, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "confirm", ask_confirm, got_confirm, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "read", ask_read, got_read, OPERATION_STEP_MS, 0, FLOW_ALL },
        {}
};

static struct applying *applying_of(struct flow *f) {
        return container_of(container_of(f, struct operation, flow), struct applying, operation);
}

/* ---- look: whose is it? */

/* Applied again, what the component has completed at run time would be ours again, as it was
 * declared. */
static void release(struct applying *a, struct scan_slice object) {
        cleanup_(json_freep) json_t *own = NULL, *live = NULL;
        struct scan_slice entry = fieldset_own(object);

        if (!a->runtime)
                return;
        own = entry.text ? scan_json(scan_get(entry, "fieldsV1")) : NULL;
        live = normalise_found(a->operation.type, object, a->operation.target->hash_key);
        json_decref(a->released);
        a->released = json_deep_copy(a->document ? a->document : a->request->wanted);
        field_rules_release(a->released, a->runtime, own, live);
        a->unmade = true;
}

/* What is made is made of all that is wanted: what is left out is somebody's, of an object that is
 * gone. Says whether anything was left out. */
static bool make_whole(struct applying *a) {
        bool partly = a->document || a->released;

        json_decref(take_ptr(a->document));
        json_decref(take_ptr(a->released));
        json_decref(take_ptr(a->owned));
        json_decref(take_ptr(a->runtime));
        a->flags &= ~(unsigned)APPLY_PART;
        a->unmade |= partly;
        return partly;
}

static int ask_look(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        int r = operation_address(&a->operation);

        if (r)
                return r;
        if (a->making ||
            (!a->first && !(a->flags & (APPLY_RECREATE | APPLY_DRY_RUN)) && !a->runtime))
                return FLOW_SKIP;
        operation_ask(&a->operation, ask, "GET", "");
        return 0;
}

static int got_look(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        struct answer_meaning m;
        struct err why = { 0 };
        struct scan_slice object = operation_got(&a->operation, ask, ANSWER_GET, &m, &why);

        if (m.outcome == OUTCOME_GONE && a->met) /* refused for something else, or gone since */
                return operation_end(&a->operation, a->meaning.outcome, a->meaning.again_at,
                                     &a->why);
        if (m.outcome == OUTCOME_GONE && a->flags & APPLY_COMPARE)
                return operation_end(&a->operation, OUTCOME_DONE, 0, NULL);
        if (m.outcome == OUTCOME_GONE) {
                a->flags &= ~(unsigned)APPLY_RECREATE;
                make_whole(a);
                return 0;
        }
        if (m.outcome != OUTCOME_DONE)
                return operation_end(&a->operation, m.outcome, m.again_at, &why);
        if (a->flags & APPLY_DRY_RUN)
                buf_add(&a->live, object.text, object.len);
        a->ours = normalise_is_ours(object, a->operation.target->controller, a->wish.model);
        if (a->flags & APPLY_COMPARE)
                return value_check_compare(&a->operation, a->request, object, a->ours);
        if (!(a->flags & APPLY_ADOPT) && !a->ours && (a->first || !(a->flags & APPLY_DRY_RUN)))
                return refusal_foreign(&a->operation, a->application, object);
        if (refusal_is_older(a->request, a->application, object))
                return refusal_older(&a->operation, a->application, object);
        if (a->flags & APPLY_RECREATE && refusal_takes_claims(object))
                return refusal_claims(&a->operation);
        free(a->uid);
        a->uid = scan_dup(scan_dig(object, "metadata", "uid", NULL));
        release(a, object);
        return a->first ? value_check_keep(&a->operation, a->request, object) : 0;
}

/* ---- body: what cannot be sent is refused before anything is written */

static int ask_body(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        const struct apply_request *r = a->request;
        struct body_wish w = { .wanted = a->released   ? a->released
                                         : a->document ? a->document
                                                       : r->wanted,
                               .marks = r->marks,
                               .type = r->type,
                               .path = r->path,
                               .version = a->making ? VERSION_OF_NONE : NULL,
                               .values = r->values,
                               .body = &a->body,
                               .size = r->size };
        struct err why = { 0 };

        if (!a->unmade)
                return FLOW_SKIP;
        a->unmade = false;
        buf_wipe(&a->body);
        if (body_is_large(&w)) {
                body_ask(ask, &w);
                return 0;
        }
        if (normalise_body(w.wanted, w.type, w.path, w.marks, w.version, w.values, w.body, &why) <
            0)
                return operation_say(&a->operation, OUTCOME_REFUSED, "%s", err_text(&why));
        return FLOW_SKIP;
}

static int got_body(struct flow *f, struct ask *ask, struct err *err) {
        if (ask->outcome == OUTCOME_DONE)
                return 0;
        return operation_say(&applying_of(f)->operation, ask->outcome, "%s", err_text(&ask->err));
}

/* ---- serving: is anybody there to answer a webhook? */

static int ask_serving(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        const json_t *service = json_array_get(a->services, 0);
        struct target *t = a->operation.target;
        struct http_request *r;

        if (!service || a->flags & APPLY_DRY_RUN)
                return FLOW_SKIP;
        r = http_ask(ask, t->http, t->server, "GET", NULL,
                     "/apis/discovery.k8s.io/v1/namespaces/%s/"
                     "endpointslices?labelSelector=kubernetes.io%%2Fservice-name%%3D%s",
                     json_get_str(service, "namespace", "default"),
                     json_get_str(service, "name", ""));
        r->headers = a->operation.headers;
        return 0;
}

static int got_serving(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        const json_t *service = json_array_get(a->services, 0);
        const struct http_request *r = http_answer(ask);

        /* Who may not read endpoints is told so by the first call that a webhook fails. */
        if (r->end == HTTP_OK && r->status == 200) {
                bool ready = serving_is_ready(scan_of(buf_str(&r->reply), r->reply.len));

                if (!ready)
                        return operation_say(&a->operation, OUTCOME_NOT_YET,
                                             "Service %s/%s, which serves it, has no ready pod",
                                             json_get_str(service, "namespace", "default"),
                                             json_get_str(service, "name", ""));
        }
        json_array_remove(a->services, 0);
        return FLOW_AGAIN;
}

/* ---- delete and gone: to make it anew */

static int ask_delete(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        const struct kind_row *row = kinds_find(a->operation.type);
        struct http_request *r;

        if (!(a->flags & APPLY_RECREATE) || a->flags & APPLY_DRY_RUN)
                return FLOW_GOTO(a->confirming ? STEP_CONFIRM : STEP_TAKE_LOOK);
        if (row && row->flags & KIND_DATA)
                return operation_say(&a->operation, OUTCOME_REFUSED,
                                     "it holds data and is never made anew");
        freep(&a->patch);
        a->patch = str_format("{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\","
                              "\"propagationPolicy\":\"Foreground\","
                              "\"preconditions\":{\"uid\":\"%s\"}}",
                              a->uid);
        a->headers[1] = "Content-Type: application/json";
        r = operation_ask(&a->operation, ask, "DELETE", "");
        r->headers = a->headers;
        r->body = a->patch;
        r->body_len = strlen(a->patch);
        return 0;
}

static int got_delete(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        struct answer_meaning m;
        struct err why = { 0 };

        operation_got(&a->operation, ask, ANSWER_DELETE, &m, &why);
        if (m.outcome != OUTCOME_DONE && m.outcome != OUTCOME_GONE)
                return operation_end(&a->operation, m.outcome, m.again_at, &why);
        return 0;
}

static int ask_gone(struct flow *f, struct ask *ask, struct err *err) {
        operation_ask(&applying_of(f)->operation, ask, "GET", "");
        return 0;
}

static int got_gone(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        struct answer_meaning m;
        struct err why = { 0 };
        struct scan_slice object = operation_got(&a->operation, ask, ANSWER_GET, &m, &why);
        cleanup_(freep) char *leaving = NULL;

        if (m.outcome == OUTCOME_GONE ||
            (m.outcome == OUTCOME_DONE &&
             !scan_says(scan_dig(object, "metadata", "uid", NULL), a->uid)))
                return 0;
        if (m.outcome != OUTCOME_DONE)
                return operation_end(&a->operation, m.outcome, m.again_at, &why);
        leaving = observe_leaving(object);
        if (++a->tries > GONE_TRIES_MAX)
                return operation_say(&a->operation, OUTCOME_NOT_YET, "%s", leaving);
        return FLOW_AGAIN;
}

/* ---- take over */

/* Two items of one name: one of them may be somebody's. Of an object that is only being taken
 * over nothing was ever ours. */
static bool is_to_take_over(const struct applying *a) {
        return a->meaning.duplicate && !a->taken && (a->wish.projection || !a->first) &&
               !(a->flags & APPLY_DRY_RUN);
}

static int ask_taken(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        bool wished = (a->flags & APPLY_TAKE_OVER && !a->taken) || a->owned;

        if (!is_to_take_over(a) && (!wished || !a->wish.projection || a->flags & APPLY_DRY_RUN))
                return FLOW_GOTO(STEP_PATCH);
        operation_ask(&a->operation, ask, "GET", "");
        return 0;
}

static char *take(struct applying *a, struct scan_slice object) {
        struct takeover t = { .stored = a->wish.projection,
                              .document = a->document ? a->document : a->request->wanted,
                              .how = a->meaning.duplicate ? TAKEOVER_ALL : TAKEOVER_LOST,
                              .baseline = a->request->baseline,
                              .kept = a->request->kept,
                              .kept_count = a->request->kept_count };

        return takeover_patch(&t, object, clock_wall(), &a->whose);
}

static int got_taken(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        struct answer_meaning m;
        struct err why = { 0 };
        struct scan_slice object = operation_got(&a->operation, ask, ANSWER_GET, &m, &why);

        if (m.outcome == OUTCOME_GONE) {
                a->taken = true;
                make_whole(a);
                return FLOW_GOTO(STEP_BODY);
        }
        if (m.outcome != OUTCOME_DONE)
                return operation_end(&a->operation, m.outcome, m.again_at, &why);
        free(a->patch);
        free(a->whose);
        a->whose = NULL;
        if (a->owned) {
                a->patch = takeover_give_up(a->owned, object);
                if (a->patch)
                        return 0;
                json_decref(take_ptr(a->owned));
                return FLOW_GOTO(STEP_TAKE_LOOK);
        }
        a->patch = take(a, object);
        if (a->patch)
                return 0;
        a->taken = true;
        /* The duplicate is in the document itself: nobody's item to take. */
        if (a->meaning.duplicate)
                return operation_end(&a->operation, OUTCOME_REFUSED, 0, &a->why);
        return FLOW_GOTO(STEP_PATCH);
}

static int ask_take(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        struct http_request *r =
                operation_ask(&a->operation, ask, "PATCH", "?fieldManager=" FIELDSET_MANAGER);

        a->headers[1] = "Content-Type: application/json-patch+json";
        r->headers = a->headers;
        r->body = a->patch;
        r->body_len = strlen(a->patch);
        return 0;
}

static int got_take(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        const struct http_request *r = http_answer(ask);
        struct answer_meaning m;
        struct err why = { 0 };
        struct scan_slice object = operation_got(&a->operation, ask, ANSWER_APPLY, &m, &why);

        if (a->folding) {
                if (m.outcome == OUTCOME_DONE) {
                        buf_wipe(&a->answer);
                        buf_add(&a->answer, object.text, object.len);
                }
                return FLOW_GOTO(STEP_READ); /* refused, it is for the next time */
        }
        if (r->end == HTTP_OK && r->status == 409 && a->rounds)
                return 0;
        if (r->end == HTTP_OK && r->status == 409 && ++a->tries < TAKE_TRIES_MAX)
                return FLOW_GOTO(STEP_TAKE_LOOK);
        if (m.outcome != OUTCOME_DONE)
                return operation_end(&a->operation, m.outcome, m.again_at, &why);
        if (a->owned) {
                json_decref(take_ptr(a->owned));
                return FLOW_GOTO(STEP_TAKE_LOOK);
        }
        a->taken = true;
        free(a->operation.op->took_over);
        a->operation.op->took_over = take_ptr(a->whose);
        return 0;
}

/* ---- the apply itself */

static int ask_patch(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        bool dry = a->flags & APPLY_DRY_RUN;
        struct http_request *r = operation_ask(&a->operation, ask, "PATCH",
                                               dry ? "?fieldManager=" FIELDSET_MANAGER
                                                     "&force=true&fieldValidation=Strict&dryRun=All"
                                                   : "?fieldManager=" FIELDSET_MANAGER
                                                     "&force=true&fieldValidation=Strict");

        a->headers[1] = "Content-Type: application/apply-patch+yaml";
        r->headers = a->headers;
        r->body = a->body.data;
        r->body_len = a->body.len;
        r->reply_max = ANSWER_MAX;
        return 0;
}

/* Accepted. Is it alone where it must be? */
static int settle(struct applying *a) {
        struct scan_slice object = scan_of(buf_str(&a->answer), a->answer.len);

        if (a->flags & APPLY_DRY_RUN)
                return FLOW_GOTO(STEP_READ);
        freep(&a->patch);
        freep(&a->whose);
        if (!a->request->kept_count) /* what is left as it is may be just that */
                a->patch = takeover_strict(a->operation.type, object, clock_wall(), &a->whose);
        if (a->patch && a->rounds++ == STRICT_ROUNDS_MAX)
                return operation_say(&a->operation, OUTCOME_NOT_YET,
                                     "%s adds to what only we may declare, again and again",
                                     a->whose);
        if (a->patch)
                return FLOW_GOTO(STEP_TAKE);
        a->patch = takeover_fold(object);
        a->folding = a->patch != NULL;
        return FLOW_GOTO(a->patch ? STEP_TAKE : STEP_READ);
}

static int got_patch(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        struct err why = { 0 };
        struct scan_slice object =
                operation_got(&a->operation, ask, ANSWER_APPLY, &a->meaning, &why);
        const struct answer_meaning *m = &a->meaning;

        operation_warnings(http_answer(ask), &a->warnings);
        a->why = why;
        if (m->outcome == OUTCOME_DONE) {
                /* What already has our stamp at the first apply was made by one of ours whose
                 * answer was lost. */
                a->created = a->created || http_answer(ask)->status == 201 ||
                             (a->first && a->ours && !(a->flags & APPLY_ADOPT));
                if (http_answer(ask)->status == 201 && make_whole(a)) /* it went meanwhile */
                        return FLOW_GOTO(STEP_BODY);
                buf_wipe(&a->answer);
                buf_add(&a->answer, object.text, object.len);
                return settle(a);
        }
        if (a->making && http_answer(ask)->end == HTTP_OK && http_answer(ask)->status == 409) {
                a->making = false;
                a->met = a->unmade = true;
                return FLOW_GOTO(STEP_LOOK);
        }
        if (is_to_take_over(a))
                return FLOW_GOTO(STEP_TAKE_LOOK);
        if (m->immutable) { /* it would be made anew of all that is wanted */
                a->confirming = make_whole(a);
                return a->confirming ? FLOW_GOTO(STEP_BODY) : 0;
        }
        return operation_end(&a->operation, m->outcome, m->again_at, &why);
}

/* ---- confirm: the same content under another name */

/* Made anew where the document or a person says that it may be; what holds data never. */
static int immutable(struct applying *a) {
        const struct kind_row *row = kinds_find(a->operation.type);
        bool data = row && row->flags & KIND_DATA;
        bool may = a->request->flags & APPLY_RECREATE || field_rules_recreates(a->request->wanted);

        if (data || a->anew)
                return operation_say(&a->operation, OUTCOME_IMMUTABLE, "needs recreate: %s",
                                     err_text(&a->why));
        if (!may)
                return refusal_recreate(&a->operation, a->application, &a->why);
        a->anew = true;
        if (a->flags & APPLY_DRY_RUN)
                return operation_end(&a->operation, OUTCOME_DONE, 0, NULL);
        a->met = false;
        a->flags |= APPLY_RECREATE;
        return FLOW_GOTO(STEP_LOOK);
}

static int ask_confirm(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        struct operation *o = &a->operation;
        cleanup_(json_freep) json_t *document = NULL;
        const char *slash = strrchr(o->url, '/');
        struct http_request *r;

        a->confirming = false;
        /* A Secret's refusal names no values and its rule is the server's own: it is believed. */
        if (str_eq(o->type, "Secret"))
                return immutable(a);
        document = scan_json(scan_of(a->body.data, a->body.len));
        json_object_set_new(json_get(document, "metadata"), "name", json_string("mooring-check"));
        json_object_del(json_get(document, "metadata"), "resourceVersion");
        free(a->patch);
        a->patch = json_text(document);
        r = http_ask(ask, o->target->http, o->target->server, "POST", NULL,
                     "%.*s?dryRun=All&fieldManager=" FIELDSET_MANAGER, (int)(slash - o->url),
                     o->url);
        a->headers[1] = "Content-Type: application/json";
        r->headers = a->headers;
        r->body = a->patch;
        r->body_len = strlen(a->patch);
        return 0;
}

static int got_confirm(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        struct answer_meaning m;
        struct err ignored = { 0 };

        operation_got(&a->operation, ask, ANSWER_CREATE, &m, &ignored);
        if (m.outcome == OUTCOME_DONE)
                return immutable(a);
        return operation_end(&a->operation, a->meaning.outcome, 0, &a->why);
}

/* ---- read: what the answer says is ours */

static int ask_read(struct flow *f, struct ask *ask, struct err *err) {
        struct applying *a = applying_of(f);
        struct operation *o = &a->operation;
        struct scan_slice object = scan_of(buf_str(&a->answer), a->answer.len);
        const uint8_t *key = normalise_secret_key(o->type, object, o->target->hash_key);

        if (a->flags & APPLY_PART)
                return operation_end(o, OUTCOME_DONE, 0, NULL);
        baseline_prepare(&a->baseline, o->type, object, a->wish.projection);
        if (!a->baseline.projection || object.len <= BASELINE_INLINE_MAX) {
                baseline_read(&a->baseline, object, key);
                return operation_end(o, OUTCOME_DONE, 0, NULL);
        }
        baseline_ask(ask, &a->baseline, object, key);
        return 0;
}

static int got_read(struct flow *f, struct ask *ask, struct err *err) {
        return operation_end(&applying_of(f)->operation, OUTCOME_DONE, 0, NULL);
}

/* ---- ends */

/* Without an entry of ours (an edit can clear them) the stored set went on. */
static void take_baseline(struct applying *a) {
        struct op *op = a->operation.op;
        struct baseline *b = &a->baseline;

        if (!b->projection)
                return;
        op->fields = take_ptr(b->fields);
        op->baseline = take_ptr(b->document);
        memcpy(op->baseline_digest, b->digest, DIGEST_SIZE);
        fieldset_unref(a->wish.projection);
        a->wish.projection = take_ptr(b->projection);
        memcpy(a->wish.baseline, b->digest, DIGEST_SIZE);
        a->wish.baseline_valid = true;
}

/* Of a dry run: what would be other. */
static json_t *told(const struct applying *a) {
        const struct operation *o = &a->operation;

        if (a->anew)
                return json_pack("{s:s}", "anew", err_text(&a->why));
        return difference_told(o->type, &a->live, &a->answer, o->target->hash_key);
}

static void ended(struct operation *o) {
        struct applying *a = container_of(o, struct applying, operation);
        struct scan_slice object = scan_of(buf_str(&a->answer), a->answer.len);
        struct observe_context c;

        o->op->warnings = take_ptr(a->warnings);
        if (o->outcome != OUTCOME_DONE)
                return;
        if (a->flags & APPLY_COMPARE)
                return;
        if (a->flags & APPLY_DRY_RUN)
                o->op->told = told(a);
        if (a->anew && a->flags & APPLY_DRY_RUN)
                return;
        o->op->created = a->created;
        take_baseline(a);
        look_wish_context(&a->wish, o, &c);
        if (!(a->flags & APPLY_PART))
                c.digest = c.baseline; /* it is the same object */
        observe_object(o->target, &c, object, &o->op->seen, NULL);
}

static void drop(struct operation *o) {
        struct applying *a = container_of(o, struct applying, operation);

        operation_deinit(o);
        look_wish_deinit(&a->wish);
        buf_wipe(&a->body);
        buf_wipe(&a->answer);
        buf_wipe(&a->live);
        baseline_deinit(&a->baseline);
        free(a->application);
        free(a->uid);
        free(a->whose);
        free(a->patch);
        json_decref(a->runtime);
        json_decref(a->released);
        json_decref(a->document);
        json_decref(a->owned);
        json_decref(a->services);
        json_decref(a->warnings);
        free(a);
}

void apply_start(struct target *t, const struct apply_request *r, struct op *op) {
        struct applying *a = mem_new(struct applying);

        operation_init(&a->operation, t, r->type, r->path, op);
        a->operation.makes = true;
        a->operation.ended = ended;
        a->operation.drop = drop;
        a->operation.version = str_dup(json_get_str(r->wanted, "apiVersion", NULL));
        a->headers[0] = a->operation.headers[0];
        a->request = r;
        a->flags = r->flags & ~(unsigned)APPLY_RECREATE; /* only once it is known to be needed */
        a->first = r->first;
        a->making = r->first && !(r->flags & (APPLY_ADOPT | APPLY_DRY_RUN));
        a->application = str_dup(json_get_str(r->marks, "application", NULL));
        look_wish_init(&a->wish, r);
        a->runtime = field_rules_runtime(r->wanted);
        a->document = keep_document(r, &a->owned);
        a->unmade = true;
        if (r->first || !r->projection)
                a->services = serving_services(r->type, r->wanted);
        operation_run(&a->operation, "kube-apply", steps);
}
