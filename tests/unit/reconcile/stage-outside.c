/* SPDX-License-Identifier: Apache-2.0 */
/* stage-outside.c - the provider of the stage: things in a map */
#include "stage-internal.h"

#include <errno.h>
#include <stdlib.h>

#define FIELDS "stage/1"
#define POLL_MS 1000

static struct stage *stage; /* providers have no argument of their own: one stage at a time */

struct thing {
        json_t *body;
        int incarnation;
        bool leaving;
};

struct target {
        struct stage *stage;
        const struct observer *observer;
        struct later reached;
        struct list follows; /* struct follow */
};

struct follow {
        struct list link;
        struct target *target;
        char *type;
        struct later later;
};

struct answer {
        struct list link; /* in the stage's held ones, or alone */
        struct later later;
        struct op *op;
        struct apply_request request;
        char *type, *path;
        enum { LOOK, APPLY, REMOVE } verb;
};

static struct provider provider;
static struct target *open_now;    /* the model's */
static struct target *open_inside; /* an application's own */

/* ---- things */

static void thing_free(void *p) {
        struct thing *t = p;

        json_decref(t->body);
        free(t);
}

static struct thing *find(const char *path) {
        return map_find(&stage->things, path);
}

static void fill_seen(const char *const *see, const json_t *body, struct observation *o) {
        for (; see && *see; see++) {
                json_t *value = json_get(body, *see + 1);

                if (!o->seen)
                        o->seen = json_object();
                if (value)
                        json_object_set(o->seen, *see, value);
        }
}

static void observe(const char *path, const char *const *see, struct observation *o) {
        const struct thing *t = find(path);
        cleanup_(buf_free) struct buf text = BUF_INIT;

        o->as_of = clock_mono();
        o->presence = t ? PRESENCE_PRESENT : PRESENCE_ABSENT;
        if (!t)
                return;
        if (t->leaving)
                o->presence = PRESENCE_LEAVING;
        o->ready = READY_YES;
        o->since = json_get_int(t->body, "since", 0);
        o->foreign = json_get_bool(t->body, "foreign", false);
        o->ours = !o->foreign;
        o->counted = json_get_bool(t->body, "counted", false);
        o->filled =
                json_get_bool(t->body, "data", false) && !json_get_bool(t->body, "empty", false);
        snprintf(o->incarnation, sizeof(o->incarnation), "i%d", t->incarnation);
        o->found = json_copy(t->body);
        json_canonical(t->body, &text);
        digest_sha256(text.data, text.len, o->digest);
        o->digest_valid = true;
        fill_seen(see, t->body, o);
}

static void tell_in(struct target *t, const char *path) {
        const struct world_resource *r = stage_resource(stage, path);
        struct observation o = { 0 };

        if (!t || !r || !(provider.can & PROVIDER_WATCHES))
                return;
        observe(path, (const char *const *)r->see, &o);
        t->observer->observed(t->observer->arg, r->type, path, &o);
}

static void tell(const char *path) {
        tell_in(open_now, path);
        tell_in(open_inside, path);
}

void stage_change(struct stage *s, const char *name, const char *member, json_t *value) {
        struct thing *t = find(name);

        if (value) {
                json_object_set_new(t->body, member, value);
        } else {
                map_remove(&s->things, name);
                thing_free(t);
        }
        tell(name);
}

void stage_remake(struct stage *s, const char *name) {
        find(name)->incarnation += 1000;
        tell(name);
}

void stage_leave(struct stage *s, const char *name) {
        find(name)->leaving = true;
        tell(name);
}

void stage_stay(struct stage *s, const char *name) {
        find(name)->leaving = false;
        tell(name);
}

void stage_restore(struct stage *s, const char *name, const char *body) {
        struct thing *t = mem_new(struct thing);
        struct err err = { 0 };

        assert_int_equal(json_parse(body, strlen(body), &t->body, &err), 0);
        t->incarnation = 777;
        map_set(&s->things, name, t);
}

bool stage_there(struct stage *s, const char *name) {
        return find(name) != NULL;
}

const char *stage_member(struct stage *s, const char *name, const char *member) {
        return json_get_str(find(name)->body, member, "");
}

/* ---- operations */

static void answer_free(struct answer *a) {
        list_unlink(&a->link);
        later_cancel(&a->later);
        free(a->type);
        free(a->path);
        free(a);
}

/* Which members would be other. */
static void do_try(struct answer *a) {
        const struct thing *t = find(a->path);
        json_t *fields = json_array(), *value;
        const char *name;

        json_object_foreach((json_t *)a->request.wanted, name, value)
                if (t && !json_equal(json_get(t->body, name), value))
                        json_array_append_new(fields,
                                              json_pack("{s:s, s:O*, s:O}", "field", name, "from",
                                                        json_get(t->body, name), "to", value));
        a->op->created = !t;
        a->op->told = json_pack("{s:o}", "fields", fields);
}

/* What an apply leaves as it is outside. */
static json_t *body_of(const struct answer *a, const struct thing *t) {
        json_t *body = json_deep_copy(a->request.wanted);

        for (size_t i = 0; t && i < a->request.kept_count; i++) {
                json_t *value = json_get(t->body, a->request.kept[i].field);

                if (value)
                        json_object_set(body, a->request.kept[i].field, value);
        }
        return body;
}

static void do_apply(struct answer *a) {
        static int incarnations;
        struct thing *t = find(a->path);
        struct op *op = a->op;
        json_t *body = body_of(a, t);

        op->created = !t;
        if (!t) {
                t = mem_new(struct thing);
                t->incarnation = ++incarnations;
                map_set(&stage->things, a->path, t);
        }
        json_decref(t->body);
        t->body = body;
        observe(a->path, a->request.see, &op->seen);
        if (a->request.flags & APPLY_PART)
                return;
        op->fields = str_dup(FIELDS);
        op->baseline = json_copy(t->body);
        memcpy(op->baseline_digest, op->seen.digest, DIGEST_SIZE);
}

static void do_it(struct answer *a) {
        struct thing *t = find(a->path);

        a->op->outcome = OUTCOME_DONE;
        if (str_eq(stage->fail, a->path)) {
                a->op->outcome = stage->failure;
                str_copy(a->op->token, sizeof(a->op->token), "go on");
                err_set(&a->op->err, -EIO, "%s: told to fail", a->path);
        } else if (a->verb == LOOK) {
                observe(a->path, a->request.see, &a->op->seen);
                a->op->outcome = t ? OUTCOME_DONE : OUTCOME_GONE;
        } else if (a->verb == APPLY && a->request.flags & APPLY_DRY_RUN) {
                do_try(a);
        } else if (a->verb == APPLY) {
                do_apply(a);
        } else if (t) {
                map_remove(&stage->things, a->path);
                thing_free(t);
        }
}

static void end(void *arg) {
        struct answer *a = arg;
        struct op *op = a->op;

        do_it(a);
        op->private = NULL;
        answer_free(a);
        op->done(op);
}

void stage_release(struct stage *s) {
        s->hold = false;
        list_each(pos, &s->held) {
                struct answer *a = list_entry(pos, struct answer, link);

                list_unlink(&a->link);
                later_run(&a->later);
        }
}

void stage_reach(struct stage *s) {
        list_each(pos, &s->held) {
                struct answer *a = list_entry(pos, struct answer, link);

                if (a->verb == APPLY)
                        do_apply(a);
        }
}

static void begin(struct target *t, int verb, const struct apply_request *r, struct op *op) {
        struct answer *a = mem_new(struct answer);

        list_init(&a->link);
        a->op = op;
        a->verb = verb;
        a->request = *r; /* and what it points to is borrowed until the end */
        a->type = str_dup(r->type);
        a->path = str_dup(r->path);
        op->private = a;
        later_init(&a->later, stage->loop, "stage", end, a);
        if (stage->hold)
                list_append(&stage->held, &a->link);
        else
                later_run(&a->later);
}

static void look(struct target *t, const struct apply_request *r, struct op *op) {
        stage->looks++;
        begin(t, LOOK, r, op);
}

/* Where it is large, its body is made in a thread. */
static void check_size(const struct apply_request *r) {
        cleanup_(freep) char *text = json_text(r->wanted);

        assert_true(r->size >= strlen(text));
}

static void apply(struct target *t, const struct apply_request *r, struct op *op) {
        if (r->flags & APPLY_DRY_RUN) {
                stage->trials++;
                check_size(r);
        } else {
                stage->applies++;
        }
        str_copy(stage->token, sizeof(stage->token), r->token);
        begin(t, APPLY, r, op);
}

static void remove_it(struct target *t, const struct apply_request *r, struct op *op) {
        stage->removes++;
        begin(t, REMOVE, r, op);
}

static void cancel(struct op *op) {
        if (op->private)
                answer_free(take_ptr(op->private));
}

/* ---- watching */

static void on_reached(void *arg) {
        struct target *t = arg;

        t->observer->reach(t->observer->arg, true, "here", NULL);
}

static void on_followed(void *arg) {
        struct follow *f = arg;
        const struct observer *o = f->target->observer;
        struct map_entry *e;

        if (stage->unlisted)
                return o->unlisted(o->arg, f->type);
        o->listed(o->arg, f->type, true);
        for (size_t i = 0; (e = map_next(&stage->things, &i));)
                tell(e->key);
        o->listed(o->arg, f->type, false);
}

static void follow(struct target *t, const char *type) {
        struct follow *f = mem_new(struct follow);

        f->target = t;
        f->type = str_dup(type);
        list_init(&f->link);
        list_append(&t->follows, &f->link);
        later_init(&f->later, stage->loop, "follow", on_followed, f);
        later_run(&f->later);
}

static int open_target(const struct target_config *c, const struct observer *o, struct target **ret,
                       struct err *err) {
        struct target *t = mem_new(struct target);

        if (json_get_bool(c->config, "closed", false)) {
                free(t);
                return err_set(err, -EHOSTUNREACH, "it is closed");
        }
        t->stage = stage;
        t->observer = o;
        list_init(&t->follows);
        later_init(&t->reached, c->loop, "reached", on_reached, t);
        later_run(&t->reached);
        if (json_get_bool(c->config, "inside", false))
                open_inside = t;
        else
                open_now = t;
        *ret = t;
        return 0;
}

static struct target *close_target(struct target *t) {
        struct list *pos;

        later_cancel(&t->reached);
        while ((pos = list_pop(&t->follows))) {
                struct follow *f = list_entry(pos, struct follow, link);

                later_cancel(&f->later);
                free(f->type);
                free(f);
        }
        if (open_now == t)
                open_now = NULL;
        if (open_inside == t)
                open_inside = NULL;
        free(t);
        return NULL;
}

/* ---- pure */

static int identify(const json_t *wanted, const char *scope, struct identity *ret,
                    struct err *err) {
        json_t *need;
        size_t i;

        ret->type = str_dup(json_get_str(wanted, "type", "Thing"));
        ret->path = str_dup(json_get_str(wanted, "name", NULL));
        ret->data = json_get_bool(wanted, "data", false);
        if (!ret->path)
                return err_set(err, -EINVAL, "no name");
        json_array_foreach(json_get(wanted, "needs"), i, need)
                identity_need(ret,
                              str_eq(json_get_str(need, "kind", ""), "ready") ? NEED_READY
                                                                              : NEED_EXISTS,
                              json_get_str(need, "type", "Thing"), json_get_str(need, "name", ""));
        return 0;
}

static json_t *scope(const char *model, const char *uuid) {
        return json_pack("{s:s}", "name", model);
}

static int check(const json_t *config, const json_t *credential, struct err *err) {
        return 0;
}

static int compare(const struct apply_request *r, const struct observation *o,
                   struct drift_list *ret, struct err *err) {
        const char *name;
        json_t *value;

        json_object_foreach(o->found, name, value) {
                json_t *wanted = json_get(r->baseline ? r->baseline : r->wanted, name);

                if (!wanted && !r->baseline) /* a document says nothing of what it has not */
                        continue;
                if (!wanted || !json_equal(wanted, value))
                        *drift_list_add(ret) = (struct drift){ .field = str_dup(name),
                                                               .wanted = json_incref(wanted),
                                                               .found = json_incref(value) };
        }
        return 0;
}

static int user(struct target *t, const struct user_question *q, char *text, size_t size) {
        stage->users_asked++;
        if (!stage->log_user)
                return -ENOTSUP;
        str_copy(text, size, stage->log_user);
        return text[0] != '\0';
}

static bool secret_place(const json_t *wanted, const char *pointer) {
        return str_eq(pointer, "/secret");
}

struct projection {
        int unused;
};

static int projection_parse(const char *fields, struct projection **ret, struct err *err) {
        *ret = mem_new(struct projection);
        return 0;
}

static void projection_free(struct projection *p) {
        free(p);
}

static struct provider provider = {
        .name = "kubernetes",
        .check = check,
        .identify = identify,
        .open = open_target,
        .close = close_target,
        .look = look,
        .apply = apply,
        .remove = remove_it,
        .cancel = cancel,
        .compare = compare,
        .user = user,
        .secret_place = secret_place,
        .projection_parse = projection_parse,
        .projection_free = projection_free,
};

void stage_outside_begin(struct stage *s, bool watched, bool scoped) {
        static const struct provider *table[] = { &provider, NULL };

        stage = s;
        provider.can = PROVIDER_DRY_RUN | PROVIDER_KEEPS | (watched ? PROVIDER_WATCHES : 0);
        provider.poll_every_ms = watched ? 0 : POLL_MS;
        provider.scope = scoped ? scope : NULL;
        provider.follow = watched ? follow : NULL;
        provider_set_table(table);
}

void stage_outside_end(struct stage *s) {
        map_free_with(&s->things, thing_free);
        provider_set_table(NULL);
        stage = NULL;
}
