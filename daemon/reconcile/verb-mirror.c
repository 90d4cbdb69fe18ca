/* SPDX-License-Identifier: Apache-2.0 */
/* verb-mirror.c - a page of a bucket copied into another store, object by object; see verb.h
 *
 *   list from ─▶ list to, as far as the page goes ─▶ of each object ─┬─ the same: passed over
 *                                                                    ├─ head to: a copy of it?
 *                                                                    └─ head from ─▶ stream
 *
 * The same is what has its size and its ETag. An object that was uploaded in parts has another
 * ETag where the parts are others, so a copy notes whose it is ("copy-of"), and where sizes are
 * equal and one of the ETags is such a one, that is looked at. So whatever was copied before we
 * were killed is passed over, and nothing is remembered. What is only at the other end stays.
 *
 * A page may be noted, as an object at the other end: {"objects": [{"key", "bytes", "etag"}]} of
 * what is there now. Such a list may be what is copied later, in the place of what a bucket has,
 * or only be looked for. */
#include "verb.h"

#include "verb-list.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE_MAX 1000
#define LIMIT_MAX 100000         /* of one ask: what a kill costs is that it is listed once more */
#define SLICE_MS (5 * 60 * 1000) /* after which it answers, for who watches: the next goes on */
#define LISTS_MAX 1000 /* of the other end, for one page: a million objects that are only there */
#define NOTE_MAX (1 << 20) /* bytes of a list: what put-object takes */
#define PART_SIZE ((int64_t)8 << 20)
#define PART_SIZE_LARGE ((int64_t)12 << 20) /* s3-stream.h's largest */
#define LARGE ((int64_t)80000 << 20)        /* has more than 10,000 of the smaller parts */

struct mirror {
        const struct provider *from_provider, *to_provider;
        struct target *from, *to; /* open as long as the verb is out: verb_target_closes */
        const char *bucket, *prefix, *to_bucket, *to_prefix; /* borrowed from the ask */
        /* Borrowed too. LIST: key of a list at FROM, of keys below BASE, or NULL. NOTE: key of one
         * that is written at TO, or NULL. */
        const char *list, *base, *note;
        bool look;                      /* and do not copy */
        json_t *noted;                  /* of the page; NULL without NOTE */
        json_t *ask, *ask_to;           /* of what is out */
        json_t *page, *there;           /* THERE: key -> what the other end has under it, or null */
        char *begin, *after, *to_after; /* where this page and the next begin; NULL: none */
        size_t at, lists;
        int64_t looked, same, copied, bytes, missed, limit;
        int64_t until, slice; /* clock_mono */
        char *first_missed;
        struct stream_request stream;
};

static void next_object(struct verb *v);

struct mirror *verb_mirror_free(struct mirror *m) {
        if (!m)
                return NULL;
        json_decref(m->ask);
        json_decref(m->ask_to);
        json_decref(m->noted);
        json_decref(m->page);
        json_decref(m->there);
        free(m->begin);
        free(m->after);
        free(m->to_after);
        free(m->first_missed);
        free(m);
        return NULL;
}

/* ---- asking */

static void ready_op(struct verb *v, void (*done)(struct op *op)) {
        op_clear(&v->op);
        v->op = (struct op){ .loop = v->rec->options.loop, .done = done, .arg = v };
        v->out = true;
}

/* Takes ASK over. */
static void ask_for(struct verb *v, bool at_from, const char *verb, json_t *ask,
                    void (*done)(struct op *op)) {
        struct mirror *m = v->mirror;

        json_decref(m->ask);
        m->ask = ask;
        v->streams = false;
        v->provider = at_from ? m->from_provider : m->to_provider;
        v->request = (struct act_request){ .verb = verb, .ask = ask };
        ready_op(v, done);
        v->provider->act(at_from ? m->from : m->to, &v->request, &v->op);
}

/* False: V ended, with what the outside said. */
static bool is_done(struct verb *v, const char *bucket) {
        v->out = false;
        if (v->op.outcome == OUTCOME_DONE)
                return true;
        verb_end(v, v->op.outcome, "%s: %s", bucket, err_text(&v->op.err));
        return false;
}

static const json_t *object_now(const struct mirror *m) {
        return json_array_get(m->page, m->at);
}

static char *key_there(const struct mirror *m, const char *key) {
        return str_format("%s%s", m->to_prefix, key);
}

static json_t *object_ask(const char *bucket, const char *key) {
        return json_pack("{s:s, s:s}", "bucket", bucket, "key", key);
}

static json_t *ask_from(const struct mirror *m) {
        cleanup_(freep) char *key =
                str_format("%s%s", m->base, json_get_str(object_now(m), "key", ""));

        return object_ask(m->bucket, key);
}

/* ---- what becomes of an object */

static void is_there(struct mirror *m) {
        const json_t *o = object_now(m);

        if (m->noted)
                verb_list_add(m->noted, o);
        m->at++;
}

static void is_missed(struct mirror *m, const char *why) {
        if (!m->missed++)
                m->first_missed = str_format("%s: %s", json_get_str(object_now(m), "key", ""), why);
        m->at++;
}

/* ---- is it the same? */

/* Without the quotes. */
static char *tag_of(const json_t *object, const char *member) {
        const char *etag = json_get_str(object, member, "");

        etag += *etag == '"';
        return str_ndup(etag, strcspn(etag, "\""));
}

enum likeness { OTHER, MAYBE, SAME };

static enum likeness compare(const json_t *object, const json_t *there) {
        cleanup_(freep) char *a = tag_of(object, "etag"), *b = tag_of(there, "etag");

        if (!json_is_object(there) ||
            json_get_int(object, "bytes", -1) != json_get_int(there, "bytes", -2))
                return OTHER;
        if (str_eq(a, b))
                return SAME;
        return strchr(a, '-') || strchr(b, '-') ? MAYBE : OTHER;
}

/* ---- the copy */

static void on_copied(struct op *op) {
        struct verb *v = op->arg;
        struct mirror *m = v->mirror;
        const char *key = json_get_str(object_now(m), "key", "");

        if (op->outcome == OUTCOME_REFUSED) { /* replaced while it was read, or too large */
                v->out = false;
                is_missed(m, err_text(&op->err));
        } else if (!is_done(v, key)) {
                return;
        } else {
                m->copied++;
                m->bytes += json_get_int(op->told, "bytes", 0);
                is_there(m);
        }
        next_object(v);
}

static void copy(struct verb *v, const char *type) {
        struct mirror *m = v->mirror;
        const char *key = json_get_str(object_now(m), "key", "");
        int64_t size = json_get_int(object_now(m), "bytes", 0);
        cleanup_(freep) char *other = key_there(m, key), *tag = tag_of(object_now(m), "etag");

        json_decref(m->ask);
        json_decref(m->ask_to);
        m->ask = ask_from(m);
        m->ask_to = object_ask(m->to_bucket, other);
        json_object_set_new(m->ask_to, "content-type", json_string(type));
        json_object_set_new(m->ask_to, "copy-of", json_string(tag));
        json_object_set_new(m->ask_to, "part-size",
                            json_integer(size > LARGE ? PART_SIZE_LARGE : PART_SIZE));
        m->stream = (struct stream_request){
                .loop = v->rec->options.loop,
                .from = { .provider = m->from_provider,
                          .target = m->from,
                          .verb = "object",
                          .ask = m->ask },
                .to = { .provider = m->to_provider,
                        .target = m->to,
                        .verb = "object",
                        .ask = m->ask_to },
                .within_ms = MAX_OF(m->until - clock_mono(), 1),
        };
        v->streams = true;
        ready_op(v, on_copied);
        stream_start(&m->stream, &v->op);
}

static void on_head_from(struct op *op) {
        struct verb *v = op->arg;
        struct mirror *m = v->mirror;
        cleanup_(freep) char *type = NULL;

        if (op->outcome == OUTCOME_GONE) { /* since it was listed */
                v->out = false;
                if (m->list)
                        is_missed(m, "it is not there");
                else
                        m->at++;
                return next_object(v);
        }
        if (!is_done(v, m->bucket))
                return;
        type = str_dup(json_get_str(op->told, "content-type", "application/octet-stream"));
        copy(v, type);
}

static void ask_head_from(struct verb *v) {
        struct mirror *m = v->mirror;

        if (!m->look)
                return ask_for(v, true, "head-object", ask_from(m), on_head_from);
        is_missed(m, "it is not there, or is another");
        next_object(v);
}

static void on_head_to(struct op *op) {
        struct verb *v = op->arg;
        struct mirror *m = v->mirror;
        cleanup_(freep) char *tag = tag_of(object_now(m), "etag");

        if (op->outcome == OUTCOME_GONE) {
                v->out = false;
                return ask_head_from(v);
        }
        if (!is_done(v, m->to_bucket))
                return;
        if (!str_eq(json_get_str(op->told, "copy-of", ""), tag))
                return ask_head_from(v);
        m->same++;
        is_there(m);
        next_object(v);
}

/* ---- one after the other */

static void ask_list_from(struct verb *v);

static void tell(struct verb *v, const char *sha256) {
        struct mirror *m = v->mirror;

        op_clear(&v->op);
        v->op.told = json_pack("{s:I, s:I, s:I, s:I, s:I, s:s*, s:s*, s:s*}", "looked",
                               (json_int_t)m->looked, "same", (json_int_t)m->same, "copied",
                               (json_int_t)m->copied, "bytes", (json_int_t)m->bytes, "missed",
                               (json_int_t)m->missed, "first-missed", m->first_missed, "after",
                               m->after, "sha256", sha256);
        v->op.outcome = OUTCOME_DONE;
        v->op.err = (struct err){ 0 };
        verb_done(&v->op);
}

static void on_noted(struct op *op) {
        struct verb *v = op->arg;
        char sha256[DIGEST_HEX_SIZE];

        verb_list_hash(json_get_str(v->mirror->ask, "body", ""), sha256);
        if (is_done(v, v->mirror->note))
                tell(v, sha256);
}

static void finish(struct verb *v) {
        struct mirror *m = v->mirror;
        cleanup_(freep) char *text = m->noted ? verb_list_text(m->noted) : NULL;
        json_t *ask;

        if (!text)
                return tell(v, NULL);
        ask = object_ask(m->to_bucket, m->note);
        json_object_set_new(ask, "body", json_string(text));
        ask_for(v, false, "put-object", ask, on_noted);
}

/* Or as much of it as there was time for. */
static void end_page(struct verb *v) {
        struct mirror *m = v->mirror;

        m->looked += (int64_t)m->at;
        if (object_now(m))
                str_set(&m->after, json_get_str(json_array_get(m->page, m->at - 1), "key", NULL));
        if (!m->after || m->looked >= m->limit || clock_mono() > m->slice)
                return finish(v);
        str_set(&m->begin, m->after);
        ask_list_from(v);
}

static void next_object(struct verb *v) {
        struct mirror *m = v->mirror;

        while (object_now(m)) {
                const char *key = json_get_str(object_now(m), "key", "");
                enum likeness like = compare(object_now(m), json_get(m->there, key));
                cleanup_(freep) char *other = key_there(m, key);

                if (m->at && clock_mono() > m->slice)
                        break;
                if (like == MAYBE)
                        return ask_for(v, false, "head-object", object_ask(m->to_bucket, other),
                                       on_head_to);
                if (like == OTHER)
                        return ask_head_from(v);
                m->same++;
                is_there(m);
        }
        end_page(v);
}

/* ---- what there is at both ends */

static void ask_list_to(struct verb *v);

static void on_list_to(struct op *op) {
        struct verb *v = op->arg;
        struct mirror *m = v->mirror;
        const json_t *last = json_array_get(m->page, json_array_size(m->page) - 1);
        const char *end = json_get_str(last, "key", "");
        size_t i, cut = strlen(m->to_prefix);
        json_t *one;

        if (!is_done(v, m->to_bucket))
                return;
        json_array_foreach(json_get(op->told, "objects"), i, one) {
                const char *key = json_get_str(one, "key", "");

                if (strlen(key) > cut && json_get(m->there, key + cut))
                        json_object_set(m->there, key + cut, one);
        }
        str_set(&m->to_after, json_get_str(op->told, "after", NULL));
        if (!m->to_after || strlen(m->to_after) < cut || strcmp(m->to_after + cut, end) >= 0)
                return next_object(v);
        if (++m->lists >= LISTS_MAX)
                return verb_end(v, OUTCOME_REFUSED,
                                "%s: more than %d objects below %s that %s does not have",
                                m->to_bucket, LISTS_MAX * PAGE_MAX, m->to_prefix, m->bucket);
        ask_list_to(v);
}

static void ask_list_to(struct verb *v) {
        struct mirror *m = v->mirror;
        cleanup_(freep) char *prefix = key_there(m, m->prefix);
        json_t *ask = json_pack("{s:s, s:s, s:s*}", "bucket", m->to_bucket, "prefix", prefix,
                                "after", m->to_after);

        ask_for(v, false, "list-objects", ask, on_list_to);
}

/* Takes PAGE over. AFTER: where the next begins, or NULL. */
static void begin_page(struct verb *v, json_t *page, const char *after) {
        struct mirror *m = v->mirror;
        size_t i;
        json_t *one;

        json_decref(m->page);
        json_decref(m->there);
        m->at = m->lists = 0;
        m->page = page;
        m->there = json_object();
        str_set(&m->after, after);
        json_array_foreach(m->page, i, one)
                json_object_set_new(m->there, json_get_str(one, "key", ""), json_null());
        if (!json_array_size(m->page))
                return end_page(v);
        str_set(&m->to_after, NULL);
        if (m->begin)
                m->to_after = key_there(m, m->begin);
        ask_list_to(v);
}

static void on_list_from(struct op *op) {
        struct verb *v = op->arg;

        if (is_done(v, v->mirror->bucket))
                begin_page(v, json_incref(json_get(op->told, "objects")),
                           json_get_str(op->told, "after", NULL));
}

static void on_list(struct op *op) {
        struct verb *v = op->arg;
        json_t *page;

        if (!is_done(v, v->mirror->list))
                return;
        page = verb_list_read(json_get_str(op->told, "body", ""),
                              json_get_str(v->ask, "sha256", NULL), v->mirror->begin);
        if (!page)
                return verb_end(v, OUTCOME_REFUSED, "%s is no list of objects, or was changed",
                                v->mirror->list);
        begin_page(v, page, NULL);
}

static void ask_list_from(struct verb *v) {
        struct mirror *m = v->mirror;
        json_t *ask;

        if (m->list) {
                ask = object_ask(m->bucket, m->list);
                json_object_set_new(ask, "limit", json_integer(NOTE_MAX));
                return ask_for(v, true, "get-object", ask, on_list);
        }
        ask = json_pack("{s:s, s:s, s:I, s:s*}", "bucket", m->bucket, "prefix", m->prefix, "limit",
                        (json_int_t)MIN_OF(m->limit - m->looked, PAGE_MAX), "after", m->begin);
        ask_for(v, true, "list-objects", ask, on_list_from);
}

/* ---- begin */

static bool read_ask(struct verb *v) {
        struct mirror *m = v->mirror;
        const json_t *to = json_get(v->ask, "to");

        m->limit = json_get_int(v->ask, "limit", PAGE_MAX);
        m->bucket = json_get_str(v->ask, "bucket", "");
        m->prefix = json_get_str(v->ask, "prefix", "");
        m->to_bucket = json_get_str(to, "bucket", "");
        m->to_prefix = json_get_str(to, "prefix", "");
        m->list = json_get_str(v->ask, "list", NULL);
        m->base = json_get_str(v->ask, "base", "");
        m->note = json_get_str(v->ask, "note", NULL);
        m->look = json_get_bool(v->ask, "look", false);
        if (m->note) { /* one page is one list */
                m->noted = json_array();
                m->limit = MIN_OF(m->limit, PAGE_MAX);
        }
        if (*m->bucket && *m->to_bucket && json_get_str(to, "target", NULL) && m->limit >= 1 &&
            m->limit <= LIMIT_MAX)
                return true;
        verb_end(v, OUTCOME_REFUSED,
                 "mirror: bucket, to.target and to.bucket are needed, and limit is from 1 to %d",
                 LIMIT_MAX);
        return false;
}

void verb_mirror_start(struct verb *v, const struct world_model *model, struct world_target *from) {
        struct mirror *m = v->mirror = mem_new(struct mirror);
        struct world_target *to;

        if (!read_ask(v))
                return;
        to = verb_target(v, model, json_get_str(json_get(v->ask, "to"), "target", NULL));
        if (!to)
                return;
        if (!from->provider->bytes || !to->provider->bytes)
                return verb_end(v, OUTCOME_REFUSED, "mirror: %s and %s: object stores are needed",
                                from->name, to->name);
        v->target = from->id;
        v->other = to->id;
        m->from_provider = from->provider;
        m->to_provider = to->provider;
        m->from = from->open;
        m->to = to->open;
        m->until = v->what.within_ms ? clock_mono() + v->what.within_ms : INT64_MAX;
        m->slice = clock_mono() + SLICE_MS;
        if (json_get_str(v->ask, "after", NULL))
                m->begin = str_dup(json_get_str(v->ask, "after", NULL));
        ask_list_from(v);
}
