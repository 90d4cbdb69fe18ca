/* SPDX-License-Identifier: Apache-2.0 */
/* verb-mirror-object.c - what becomes of each object of a page, some of them at a time
 *
 *      compare ─┬─ the same: passed over
 *               ├─ perhaps ─▶ head to: a copy of it? ─┐
 *               └─ another ────────────────────────────┴▶ head from ─▶ stream
 *
 * The first that fails ends the verb, and with it those that are under way: what they have sent of
 * an object is taken back, and the next ask begins them anew. */
#include "verb-mirror.h"

#include "clock.h"

#include <stdlib.h>

#define PART_SIZE ((int64_t)8 << 20)
#define PART_SIZE_LARGE ((int64_t)12 << 20) /* s3-stream.h's largest */
#define LARGE ((int64_t)80000 << 20)        /* has more than 10,000 of the smaller parts */

static struct mirror *mirror_of(const struct mirror_object *o) {
        return o->verb->mirror;
}

static const json_t *listed(const struct mirror *m, size_t at) {
        return json_array_get(m->page, at);
}

static const char *key_of(const struct mirror_object *o) {
        return json_get_str(listed(mirror_of(o), o->at), "key", "");
}

/* ---- the ends of one */

static void object_clear(struct mirror_object *o) {
        op_clear(&o->op);
        json_decref(take_ptr(o->ask));
        json_decref(take_ptr(o->ask_to));
        o->verb = NULL;
        o->streams = false;
}

static void over(struct mirror_object *o) {
        struct verb *v = o->verb;

        object_clear(o);
        verb_mirror_go_on(v);
}

static void is_missed(struct mirror *m, size_t at, const char *why) {
        int64_t place = m->looked + (int64_t)at;

        if (!m->missed++ || place < m->first_missed_at) {
                free(m->first_missed);
                m->first_missed = str_format("%s: %s", json_get_str(listed(m, at), "key", ""), why);
                m->first_missed_at = place;
        }
}

/* False: the verb ended, with what the outside said. */
static bool is_done(struct mirror_object *o, const char *what) {
        o->out = false;
        if (o->op.outcome == OUTCOME_DONE)
                return true;
        verb_end(o->verb, o->op.outcome, "%s: %s", what, err_text(&o->op.err));
        return false;
}

/* ---- asking */

static void ready_op(struct mirror_object *o, void (*done)(struct op *op)) {
        op_clear(&o->op);
        o->op = (struct op){ .loop = o->verb->rec->options.loop, .done = done, .arg = o };
        o->out = true;
}

/* Takes ASK over. */
static void ask_head(struct mirror_object *o, bool at_from, json_t *ask,
                     void (*done)(struct op *op)) {
        struct mirror *m = mirror_of(o);

        json_decref(o->ask);
        o->ask = ask;
        o->request = (struct act_request){ .verb = "head-object", .ask = ask };
        ready_op(o, done);
        if (at_from)
                m->from_provider->act(m->from, &o->request, &o->op);
        else
                m->to_provider->act(m->to, &o->request, &o->op);
}

static json_t *ask_from(const struct mirror_object *o) {
        cleanup_(freep) char *key = str_format("%s%s", mirror_of(o)->base, key_of(o));

        return verb_mirror_ask(mirror_of(o)->bucket, key);
}

static json_t *ask_to(const struct mirror_object *o) {
        cleanup_(freep) char *key = verb_mirror_key(mirror_of(o), key_of(o));

        return verb_mirror_ask(mirror_of(o)->to_bucket, key);
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
        struct mirror_object *o = op->arg;
        struct mirror *m = mirror_of(o);

        if (op->outcome == OUTCOME_REFUSED) { /* replaced while it was read, or too large */
                o->out = false;
                is_missed(m, o->at, err_text(&op->err));
        } else if (!is_done(o, key_of(o))) {
                return;
        } else {
                m->copied++;
                m->bytes += json_get_int(op->told, "bytes", 0);
                m->stands[o->at] = true;
        }
        over(o);
}

static void copy(struct mirror_object *o, const char *type) {
        struct mirror *m = mirror_of(o);
        cleanup_(freep) char *tag = tag_of(listed(m, o->at), "etag");

        json_decref(o->ask);
        json_decref(o->ask_to);
        o->ask = ask_from(o);
        o->ask_to = ask_to(o);
        json_object_set_new(o->ask_to, "content-type", json_string(type));
        json_object_set_new(o->ask_to, "copy-of", json_string(tag));
        json_object_set_new(o->ask_to, "part-size",
                            json_integer(o->size > LARGE ? PART_SIZE_LARGE : PART_SIZE));
        o->stream = (struct stream_request){
                .loop = o->verb->rec->options.loop,
                .from = { .provider = m->from_provider,
                          .target = m->from,
                          .verb = "object",
                          .ask = o->ask },
                .to = { .provider = m->to_provider,
                        .target = m->to,
                        .verb = "object",
                        .ask = o->ask_to },
                .within_ms = MAX_OF(m->until - clock_mono(), 1),
        };
        o->streams = true;
        ready_op(o, on_copied);
        stream_start(&o->stream, &o->op);
}

static void on_head_from(struct op *op) {
        struct mirror_object *o = op->arg;
        struct mirror *m = mirror_of(o);
        cleanup_(freep) char *type = NULL;

        if (op->outcome == OUTCOME_GONE) { /* since it was listed */
                o->out = false;
                if (m->list)
                        is_missed(m, o->at, "it is not there");
                return over(o);
        }
        if (!is_done(o, m->bucket))
                return;
        type = str_dup(json_get_str(op->told, "content-type", "application/octet-stream"));
        copy(o, type);
}

static void on_head_to(struct op *op) {
        struct mirror_object *o = op->arg;
        struct mirror *m = mirror_of(o);
        cleanup_(freep) char *tag = tag_of(listed(m, o->at), "etag");
        bool gone = op->outcome == OUTCOME_GONE;

        o->out = false;
        if (!gone && !is_done(o, m->to_bucket))
                return;
        if (!gone && str_eq(json_get_str(op->told, "copy-of", ""), tag)) {
                m->same++;
                m->stands[o->at] = true;
                return over(o);
        }
        if (!m->look)
                return ask_head(o, true, ask_from(o), on_head_from);
        is_missed(m, o->at, "it is not there, or is another");
        over(o);
}

/* ---- which are begun */

static struct mirror_object *free_object(struct mirror *m, int64_t size) {
        struct mirror_object *found = NULL;
        int64_t bytes = size;
        size_t under_way = 0;

        for (size_t i = 0; i < MIRROR_AT_ONCE; i++) {
                bytes += m->objects[i].verb ? m->objects[i].size : 0;
                under_way += m->objects[i].verb != NULL;
                if (!m->objects[i].verb)
                        found = &m->objects[i];
        }
        return under_way && bytes > MIRROR_BYTES_AT_ONCE ? NULL : found;
}

/* The next of the page. False: it has to wait until another is done with. */
static bool begin_next(struct verb *v) {
        struct mirror *m = v->mirror;
        const json_t *object = listed(m, m->at);
        enum likeness like = compare(object, json_get(m->there, json_get_str(object, "key", "")));
        struct mirror_object *o;

        if (like == SAME || (like == OTHER && m->look)) {
                m->same += like == SAME;
                m->stands[m->at] = like == SAME;
                if (like != SAME)
                        is_missed(m, m->at, "it is not there, or is another");
                m->at++;
                return true;
        }
        o = free_object(m, json_get_int(object, "bytes", 0));
        if (!o)
                return false;
        o->verb = v;
        o->at = m->at++;
        o->size = json_get_int(object, "bytes", 0);
        if (like == MAYBE)
                ask_head(o, false, ask_to(o), on_head_to);
        else
                ask_head(o, true, ask_from(o), on_head_from);
        return true;
}

bool verb_mirror_objects(struct verb *v) {
        struct mirror *m = v->mirror;

        while (listed(m, m->at) && !(m->at && clock_mono() > m->slice))
                if (!begin_next(v))
                        break;
        for (size_t i = 0; i < MIRROR_AT_ONCE; i++)
                if (m->objects[i].verb)
                        return true;
        return false;
}

void verb_mirror_stop(struct mirror *m) {
        for (size_t i = 0; i < MIRROR_AT_ONCE; i++) {
                struct mirror_object *o = &m->objects[i];

                if (o->out && o->streams)
                        stream_cancel(&o->op);
                else if (o->out)
                        m->from_provider->cancel(&o->op);
                o->out = false;
                object_clear(o);
        }
}

/* ---- looking */

bool verb_mirror_trouble(const struct mirror *m, char *text, size_t size) {
        for (size_t i = 0; i < MIRROR_AT_ONCE; i++) {
                const struct mirror_object *o = &m->objects[i];
                char why[ERR_TEXT_MAX];

                if (!o->out || !o->streams || !stream_trouble(&o->op, why, sizeof(why)))
                        continue;
                snprintf(text, size, "%s: %s", key_of(o), why);
                return true;
        }
        return false;
}

uint64_t verb_mirror_moved(const struct mirror *m) {
        uint64_t moved = (uint64_t)m->bytes;

        for (size_t i = 0; i < MIRROR_AT_ONCE; i++)
                if (m->objects[i].out && m->objects[i].streams)
                        moved += stream_moved(&m->objects[i].op);
        return moved;
}
