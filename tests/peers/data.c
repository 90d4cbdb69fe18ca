/* SPDX-License-Identifier: Apache-2.0 */
/* data.c - see data.h */
#include "data.h"
#include "tunnel-tcp.h"

#include <unistd.h>

const char *data_env(const char *name) {
        const char *value = getenv(name);

        if (!value)
                fail_msg("%s is not set: tools/peers up DIR --services-only; . DIR/env", name);
        return value;
}

int data_port(const char *name) {
        int64_t port = 0;

        if (!str_to_int(data_env(name), &port))
                fail_msg("%s: no number", name);
        return (int)port;
}

char *data_file(const char *path) {
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        struct buf b = BUF_INIT;
        char piece[4096];
        size_t n;

        if (!f)
                fail_msg("%s: %m", path);
        while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
                buf_add(&b, piece, n);
        return buf_take(&b);
}

static void on_reach(void *arg, bool reachable, const char *identity, const char *why) {
        struct data *d = arg;

        if (reachable)
                d->reached++;
        else
                d->lost++;
}

struct data *data_new(const struct provider *p) {
        struct data *d = mem_new(struct data);

        assert_int_equal(loop_new(&d->loop, NULL), 0);
        assert_int_equal(http_new(d->loop, &d->http, NULL), 0);
        d->provider = p;
        d->observer = (struct observer){ .arg = d, .reach = on_reach };
        return d;
}

struct data *data_free(struct data *d) {
        if (d->target)
                d->target = d->provider->close(d->target);
        http_free(d->http);
        loop_free(d->loop);
        free(d);
        return NULL;
}

int data_open(struct data *d, json_t *config, struct err *err) {
        static const uint8_t key[DIGEST_SIZE] = { 7 };
        cleanup_(json_freep) json_t *owned = config;
        struct target_config c = { .id = 1,
                                   .name = "peer",
                                   .config = owned,
                                   .credential = owned,
                                   .hash_key = key,
                                   .http = d->http,
                                   .reach_provider = d->through,
                                   .reach = d->reach,
                                   .options = d->options,
                                   .loop = d->loop };
        int r;

        if (d->target)
                d->target = d->provider->close(d->target);
        r = d->provider->check(owned, NULL, err);
        return r < 0 ? r : d->provider->open(&c, &d->observer, &d->target, err);
}

void data_turn(struct data *d, int64_t ms) {
        int64_t until = clock_mono() + ms;

        while (clock_mono() < until)
                loop_step(d->loop, until - clock_mono());
}

struct thing thing_of(struct data *d, const char *fmt, ...) {
        struct thing t = { 0 };
        struct err err = { 0 };
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        for (char *p = text; *p; p++)
                if (*p == '\'')
                        *p = '"';
        if (json_parse(text, strlen(text), &t.wanted, &err) < 0 ||
            d->provider->identify(t.wanted, "model", &t.id, &err) < 0)
                fail_msg("%s: %s", text, err_text(&err));
        return t;
}

void thing_free(struct thing *t) {
        json_decref(t->wanted);
        json_decref(t->baseline);
        identity_free(&t->id);
        *t = (struct thing){ 0 };
}

static void on_done(struct op *op) {
        *(bool *)op->arg = true;
}

static void keep(struct thing *t, const struct op *op) {
        json_decref(t->baseline);
        t->baseline = json_incref(op->baseline);
        memcpy(t->digest, op->baseline_digest, DIGEST_SIZE);
        str_copy(t->incarnation, sizeof(t->incarnation), op->seen.incarnation);
        t->made |= op->created;
}

static void start(struct data *d, const struct apply_request *r, enum data_verb verb,
                  struct op *op) {
        if (verb == DATA_LOOK)
                d->provider->look(d->target, r, op);
        else if (verb == DATA_APPLY)
                d->provider->apply(d->target, r, op);
        else
                d->provider->remove(d->target, r, op);
}

enum outcome thing_do(struct data *d, struct thing *t, enum data_verb verb, unsigned flags,
                      struct op *ret) {
        cleanup_(json_freep) json_t *marks = json_pack("{s:s, s:s, s:s}", "model", "m",
                                                       "model-uuid", "0c5e", "application", "db");
        bool done = false;
        struct apply_request r = { .type = t->id.type,
                                   .path = t->id.path,
                                   .wanted = t->wanted,
                                   .marks = marks,
                                   .baseline = t->baseline,
                                   .incarnation = t->incarnation,
                                   .token = "",
                                   .first = !t->baseline,
                                   .flags = flags };
        int64_t until = clock_mono() + DATA_WAIT_MS;

        *ret = (struct op){ .loop = d->loop, .done = on_done, .arg = &done };
        start(d, &r, verb, ret);
        assert_false(done); /* never before its start returned */
        while (!done && clock_mono() < until)
                loop_step(d->loop, 1000);
        if (!done)
                fail_msg("%s %s: no end", t->id.type, t->id.path);
        if (verb == DATA_APPLY && ret->outcome == OUTCOME_DONE)
                keep(t, ret);
        return ret->outcome;
}

static void must(const struct thing *t, const struct op *op, enum outcome want) {
        if (op->outcome != want)
                fail_msg("%s %s: %s, not %s: %s", t->id.type, t->id.path, outcome_name(op->outcome),
                         outcome_name(want), err_text(&op->err));
}

void thing_same(struct data *d, struct thing *t) {
        struct op op;

        thing_do(d, t, DATA_LOOK, 0, &op);
        must(t, &op, OUTCOME_DONE);
        assert_int_equal(op.seen.presence, PRESENCE_PRESENT);
        assert_true(op.seen.as_of > 0);
        assert_true(op.seen.digest_valid);
        assert_string_equal(op.seen.incarnation, t->incarnation);
        if (memcmp(op.seen.digest, t->digest, DIGEST_SIZE) != 0) {
                cleanup_(freep) char *was = json_text(t->baseline), *is = json_text(op.seen.found);

                fail_msg("%s %s: was %s, is %s", t->id.type, t->id.path, was, is);
        }
        assert_null(op.seen.found);
        op_clear(&op);
}

enum outcome data_try(struct data *d, json_t *config, struct err *ret) {
        struct thing db = thing_of(d, "{'type':'database','name':'x'}");
        enum outcome outcome;
        struct op op;

        if (data_open(d, config, ret) < 0)
                fail_msg("%s", err_text(ret));
        outcome = thing_do(d, &db, DATA_LOOK, 0, &op);
        *ret = op.err;
        op_clear(&op);
        thing_free(&db);
        return outcome;
}

void thing_make(struct data *d, struct thing *t) {
        struct op op;
        uint8_t digest[DIGEST_SIZE];
        cleanup_(buf_free) struct buf text = BUF_INIT;

        thing_do(d, t, DATA_APPLY, 0, &op);
        must(t, &op, OUTCOME_DONE);
        assert_true(op.created);
        assert_non_null(op.fields);
        json_canonical(op.baseline, &text);
        digest_sha256(text.data, text.len, digest);
        assert_memory_equal(digest, op.baseline_digest, DIGEST_SIZE);
        op_clear(&op);
        thing_same(d, t);
}

static char *drift_text(struct data *d, struct thing *t, const struct observation *o) {
        struct apply_request r = { .type = t->id.type,
                                   .path = t->id.path,
                                   .baseline = t->baseline };
        cleanup_(drift_list_free) struct drift_list list = { 0 };
        struct buf b = BUF_INIT;

        if (o->presence == PRESENCE_ABSENT)
                return str_dup("(absent)");
        if (!str_eq(o->incarnation, t->incarnation))
                return str_dup("(replaced)");
        assert_non_null(o->found);
        assert_int_equal(d->provider->compare(&r, o, &list, NULL), 0);
        for (size_t i = 0; i < list.count; i++)
                buf_printf(&b, "%s%s", i ? " " : "", list.items[i].field);
        return buf_take(&b);
}

void thing_healed(struct data *d, struct thing *t, const char *fields) {
        cleanup_(freep) char *found = NULL;
        struct op op;

        thing_do(d, t, DATA_LOOK, 0, &op);
        must(t, &op, str_eq(fields, "(absent)") ? OUTCOME_GONE : OUTCOME_DONE);
        if (op.outcome == OUTCOME_GONE)
                op.seen.presence = PRESENCE_ABSENT; /* as the reconciler does */
        found = drift_text(d, t, &op.seen);
        assert_string_equal(found, fields);
        op_clear(&op);
        thing_do(d, t, DATA_APPLY, 0, &op);
        must(t, &op, OUTCOME_DONE);
        op_clear(&op);
        thing_same(d, t);
}

void thing_gone(struct data *d, struct thing *t) {
        struct op op;

        thing_do(d, t, DATA_REMOVE, 0, &op);
        must(t, &op, OUTCOME_DONE);
        op_clear(&op);
        assert_int_equal(thing_do(d, t, DATA_LOOK, 0, &op), OUTCOME_GONE);
        op_clear(&op);
        thing_free(t);
}

void thing_broken_everywhere(struct data *d, struct tunnel_tcp *way, const char *json) {
        bool hit = true;

        for (int n = 1; hit; n++) {
                struct thing t = thing_of(d, "%s", json);
                int before = way->dropped;
                enum outcome o;
                struct op op;

                assert_true(n < 500);
                way->drop_at = way->sends + n;
                o = thing_do(d, &t, DATA_APPLY, 0, &op);
                op_clear(&op);
                hit = way->dropped > before;
                way->drop_at = 0;
                assert_true(hit ? o == OUTCOME_DONE || o == OUTCOME_NOT_YET ||
                                            o == OUTCOME_UNREACHABLE
                                : o == OUTCOME_DONE);
                thing_do(d, &t, DATA_APPLY, 0, &op);
                must(&t, &op, OUTCOME_DONE);
                op_clear(&op);
                assert_true(t.made); /* whoever made it on the way, it is ours to remove */
                thing_same(d, &t);
                thing_gone(d, &t);
        }
}

struct op data_act(struct data *d, const char *verb, const char *ask,
                   const struct secret_values *values) {
        cleanup_(freep) char *text = str_dup(ask);
        cleanup_(json_freep) json_t *j = NULL;
        bool done = false;
        struct op op = { .loop = d->loop, .done = on_done, .arg = &done };
        struct act_request r = { .verb = verb, .values = values };
        int64_t until = clock_mono() + DATA_WAIT_MS;

        for (char *p = text; *p; p++)
                if (*p == '\'')
                        *p = '"';
        assert_int_equal(json_parse(text, strlen(text), &j, NULL), 0);
        r.ask = j;
        d->provider->act(d->target, &r, &op);
        assert_false(done);
        while (!done && clock_mono() < until)
                loop_step(d->loop, 1000);
        if (!done)
                fail_msg("%s: no end", verb);
        return op;
}

void data_must(struct op *op, enum outcome outcome, const char *text) {
        if (op->outcome != outcome || (text && !strstr(err_text(&op->err), text)))
                fail_msg("%s, not %s: %s", outcome_name(op->outcome), outcome_name(outcome),
                         err_text(&op->err));
        op_clear(op);
}
