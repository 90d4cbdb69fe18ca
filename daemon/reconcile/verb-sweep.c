/* SPDX-License-Identifier: Apache-2.0 */
/* verb-sweep.c - objects that no list names any more are deleted; see verb.h
 *
 *   list where the lists are ─▶ get each of them ─▶ ... ─▶ list objects ─▶ delete those ─▶ ...
 *
 * The lists are what verb-mirror.c notes. All are read before anything is deleted, and one that
 * cannot be read ends it: a key that nobody has read is a key that nobody names. Of keys 64 bits of
 * their hash are remembered; where two of them meet, an object stays that might go. Whoever is
 * killed in the middle begins again. */
#include "verb.h"

#include "verb-list.h"

#include "clock.h"

#include <stdlib.h>

#define KEYS_MAX (1 << 20) /* that all lists name, each once: 16 MiB of memory while it runs */
#define SLICE_MS (5 * 60 * 1000) /* of objects: then it answers, and the next one goes on */
#define NOTE_MAX (1 << 20)       /* bytes of a list: what put-object takes */

struct sweep {
        struct target *at_store;                     /* open as long as the verb is out */
        const char *bucket, *prefix, *lists, *infix; /* borrowed from the ask */
        bool folders;                                /* below PREFIX, which no list names */
        json_t *ask, *page;                          /* PAGE: of lists, then of objects */
        char *after;                                 /* where the next page begins; NULL: none */
        size_t at;
        uint64_t *keys; /* an open table, 0: free */
        size_t room, count;
        int64_t read, looked, deleted, slice; /* SLICE: clock_mono */
};

struct sweep *verb_sweep_free(struct sweep *s) {
        if (!s)
                return NULL;
        json_decref(s->ask);
        json_decref(s->page);
        free(s->after);
        free(s->keys);
        free(s);
        return NULL;
}

/* ---- the keys that are named */

static uint64_t mark_of(const char *key) {
        uint8_t digest[DIGEST_SIZE];
        uint64_t mark;

        digest_sha256(key, strlen(key), digest);
        memcpy(&mark, digest, sizeof(mark));
        return mark ? mark : 1;
}

static uint64_t *slot_of(const struct sweep *s, uint64_t mark) {
        size_t i = mark & (s->room - 1);

        while (s->keys[i] && s->keys[i] != mark)
                i = (i + 1) & (s->room - 1);
        return &s->keys[i];
}

static void grow(struct sweep *s) {
        uint64_t *old = s->keys;
        size_t room = s->room;

        s->room = room ? room * 2 : 1024;
        s->keys = mem_array(uint64_t, s->room);
        for (size_t i = 0; i < room; i++)
                if (old[i])
                        *slot_of(s, old[i]) = old[i];
        free(old);
}

static void name_key(struct sweep *s, const char *key) {
        uint64_t mark = mark_of(key), *slot;

        if (s->count * 2 >= s->room)
                grow(s);
        slot = slot_of(s, mark);
        s->count += !*slot;
        *slot = mark;
}

static bool is_named(const struct sweep *s, const char *key) {
        return s->room && *slot_of(s, mark_of(key));
}

/* ---- asking */

/* Takes ASK over. */
static void ask_for(struct verb *v, const char *verb, json_t *ask, void (*done)(struct op *op)) {
        struct sweep *s = v->sweep;

        json_decref(s->ask);
        s->ask = ask;
        v->request = (struct act_request){ .verb = verb, .ask = ask };
        op_clear(&v->op);
        v->op = (struct op){ .loop = v->rec->options.loop, .done = done, .arg = v };
        v->out = true;
        v->provider->act(s->at_store, &v->request, &v->op);
}

static void ask_page(struct verb *v, const char *prefix, void (*done)(struct op *op)) {
        struct sweep *s = v->sweep;

        ask_for(v, "list-objects",
                json_pack("{s:s, s:s, s:s*}", "bucket", s->bucket, "prefix", prefix, "after",
                          s->after),
                done);
}

static void ask_object(struct verb *v, const char *verb, const char *key,
                       void (*done)(struct op *op)) {
        ask_for(v, verb,
                json_pack("{s:s, s:s, s:i}", "bucket", v->sweep->bucket, "key", key, "limit",
                          NOTE_MAX),
                done);
}

/* False: V ended, with what the outside said. */
static bool is_done(struct verb *v) {
        v->out = false;
        if (v->op.outcome == OUTCOME_DONE)
                return true;
        verb_end(v, v->op.outcome, "%s: %s", json_get_str(v->sweep->ask, "key", v->sweep->bucket),
                 err_text(&v->op.err));
        return false;
}

static bool take_page(struct verb *v) {
        struct sweep *s = v->sweep;

        if (!is_done(v))
                return false;
        json_decref(s->page);
        s->page = json_incref(json_get(v->op.told, "objects"));
        s->at = 0;
        str_set(&s->after, json_get_str(v->op.told, "after", NULL));
        return true;
}

static const char *key_now(const struct sweep *s) {
        return json_get_str(json_array_get(s->page, s->at), "key", NULL);
}

/* ---- the objects */

static void next_object(struct verb *v);

static void on_objects(struct op *op) {
        if (take_page(op->arg))
                next_object(op->arg);
}

static void on_deleted(struct op *op) {
        struct verb *v = op->arg;

        if (!is_done(v))
                return;
        v->sweep->deleted++;
        v->sweep->at++;
        next_object(v);
}

static void tell(struct verb *v) {
        const struct sweep *s = v->sweep;

        op_clear(&v->op);
        v->op.told = json_pack("{s:I, s:I, s:I, s:s*}", "lists", (json_int_t)s->read, "looked",
                               (json_int_t)s->looked, "deleted", (json_int_t)s->deleted, "after",
                               s->after);
        v->op.outcome = OUTCOME_DONE;
        v->op.err = (struct err){ 0 };
        verb_done(&v->op);
}

/* As a list would name it. */
static const char *name_of(const struct sweep *s, const char *key) {
        const char *rest = key + strlen(s->prefix), *slash = s->folders ? strchr(rest, '/') : NULL;

        return slash ? slash + 1 : rest;
}

static void next_object(struct verb *v) {
        struct sweep *s = v->sweep;
        bool late = clock_mono() > s->slice;
        const char *key;

        for (; (key = key_now(s)); s->at++) {
                if (late && s->at) { /* each answer has come further than the one before */
                        str_set(&s->after,
                                json_get_str(json_array_get(s->page, s->at - 1), "key", NULL));
                        s->looked += (int64_t)s->at;
                        return tell(v);
                }
                if (!is_named(s, name_of(s, key)))
                        return ask_object(v, "delete-object", key, on_deleted);
        }
        s->looked += (int64_t)s->at;
        if (!s->after || late)
                return tell(v);
        ask_page(v, s->prefix, on_objects);
}

/* The lists are read anew by each slice, so their time is not of it: where it takes longer, each
 * answer would come but one object further. */
static void begin_objects(struct verb *v) {
        v->sweep->slice = clock_mono() + SLICE_MS;
        str_set(&v->sweep->after, json_get_str(v->ask, "after", NULL));
        ask_page(v, v->sweep->prefix, on_objects);
}

/* ---- the lists */

static void next_list(struct verb *v);

static void on_lists(struct op *op) {
        if (take_page(op->arg))
                next_list(op->arg);
}

static void on_list(struct op *op) {
        struct verb *v = op->arg;
        struct sweep *s = v->sweep;
        cleanup_(json_freep) json_t *named = NULL;
        size_t i;
        json_t *one;

        if (!is_done(v))
                return;
        named = verb_list_read(json_get_str(op->told, "body", ""), NULL, NULL);
        if (!named)
                return verb_end(v, OUTCOME_REFUSED,
                                "%s is no list of objects: nothing is deleted while nobody knows "
                                "what it names",
                                key_now(s));
        json_array_foreach(named, i, one)
                name_key(s, json_get_str(one, "key", ""));
        if (s->count > KEYS_MAX)
                return verb_end(v, OUTCOME_REFUSED,
                                "the lists name more than %d objects: nothing is deleted",
                                KEYS_MAX);
        s->read++;
        s->at++;
        next_list(v);
}

static void next_list(struct verb *v) {
        struct sweep *s = v->sweep;
        const char *key;

        for (; (key = key_now(s)); s->at++) {
                if (strcmp(key, s->prefix) >= 0)
                        return begin_objects(v);
                if (strstr(key + strlen(s->lists), s->infix))
                        return ask_object(v, "get-object", key, on_list);
        }
        if (!s->after)
                return begin_objects(v);
        ask_page(v, s->lists, on_lists);
}

/* ---- begin */

void verb_sweep_start(struct verb *v, struct world_target *at) {
        struct sweep *s = v->sweep = mem_new(struct sweep);

        s->bucket = json_get_str(v->ask, "bucket", "");
        s->prefix = json_get_str(v->ask, "prefix", "");
        s->lists = json_get_str(v->ask, "lists", NULL);
        s->infix = json_get_str(v->ask, "infix", "");
        s->folders = json_get_bool(v->ask, "folders", false);
        if (!*s->bucket || !*s->prefix || !s->lists || !*s->infix)
                return verb_end(v, OUTCOME_REFUSED,
                                "sweep: bucket, prefix, lists and infix are needed");
        if (!at->provider->bytes)
                return verb_end(v, OUTCOME_REFUSED, "sweep: %s: an object store is needed",
                                at->name);
        v->target = at->id;
        v->provider = at->provider;
        s->at_store = at->open;
        ask_page(v, s->lists, on_lists);
}
