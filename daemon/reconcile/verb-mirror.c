/* SPDX-License-Identifier: Apache-2.0 */
/* verb-mirror.c - a page of a bucket copied into another store; see verb.h
 *
 *   list from ─▶ list to, as far as the page goes ─▶ of each object what verb-mirror-object.c does
 *
 * The same is what has its size and its ETag. An object that was uploaded in parts has another
 * ETag where the parts are others, so a copy notes whose it is ("copy-of"), and where sizes are
 * equal and one of the ETags is such a one, that is looked at. So whatever was copied before we
 * were killed is passed over, and nothing is remembered. What is only at the other end stays.
 *
 * A page may be noted, as an object at the other end: {"objects": [{"key", "bytes", "etag"}]} of
 * what is there now. Such a list may be what is copied later, in the place of what a bucket has,
 * or only be looked for. */
#include "verb-list.h"
#include "verb-mirror.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE_MAX 1000
#define LIMIT_MAX 100000         /* of one ask: what a kill costs is that it is listed once more */
#define SLICE_MS (5 * 60 * 1000) /* after which it answers, for who watches: the next goes on */
#define LISTS_MAX 1000 /* of the other end, for one page: a million objects that are only there */
#define NOTE_MAX (1 << 20) /* bytes of a list: what put-object takes */

struct mirror *verb_mirror_free(struct mirror *m) {
        if (!m)
                return NULL;
        verb_mirror_stop(m);
        free(m->stands);
        json_decref(m->ask);
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

char *verb_mirror_key(const struct mirror *m, const char *key) {
        return str_format("%s%s", m->to_prefix, key);
}

json_t *verb_mirror_ask(const char *bucket, const char *key) {
        return json_pack("{s:s, s:s}", "bucket", bucket, "key", key);
}

/* ---- the objects of a page, and its end */

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
        ask = verb_mirror_ask(m->to_bucket, m->note);
        json_object_set_new(ask, "body", json_string(text));
        ask_for(v, false, "put-object", ask, on_noted);
}

static void note(struct mirror *m) {
        for (size_t i = 0; m->noted && i < m->at; i++)
                if (m->stands[i])
                        verb_list_add(m->noted, json_array_get(m->page, i));
}

/* Or as much of it as there was time for. */
static void end_page(struct verb *v) {
        struct mirror *m = v->mirror;

        note(m);
        m->looked += (int64_t)m->at;
        if (m->at < json_array_size(m->page))
                str_set(&m->after, json_get_str(json_array_get(m->page, m->at - 1), "key", NULL));
        if (!m->after || m->looked >= m->limit || clock_mono() > m->slice)
                return finish(v);
        str_set(&m->begin, m->after);
        ask_list_from(v);
}

/* Meanwhile V is out, with nothing of its own. */
void verb_mirror_go_on(struct verb *v) {
        v->out = true;
        op_clear(&v->op);
        v->op = (struct op){ .loop = v->rec->options.loop, .arg = v };
        if (verb_mirror_objects(v))
                return;
        v->out = false;
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
                return verb_mirror_go_on(v);
        if (++m->lists >= LISTS_MAX)
                return verb_end(v, OUTCOME_REFUSED,
                                "%s: more than %d objects below %s that %s does not have",
                                m->to_bucket, LISTS_MAX * PAGE_MAX, m->to_prefix, m->bucket);
        ask_list_to(v);
}

static void ask_list_to(struct verb *v) {
        struct mirror *m = v->mirror;
        cleanup_(freep) char *prefix = verb_mirror_key(m, m->prefix);
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
        free(m->stands);
        m->stands = mem_array(bool, json_array_size(page) + 1);
        m->there = json_object();
        str_set(&m->after, after);
        json_array_foreach(m->page, i, one)
                json_object_set_new(m->there, json_get_str(one, "key", ""), json_null());
        if (!json_array_size(m->page))
                return end_page(v);
        str_set(&m->to_after, NULL);
        if (m->begin)
                m->to_after = verb_mirror_key(m, m->begin);
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
                ask = verb_mirror_ask(m->bucket, m->list);
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
