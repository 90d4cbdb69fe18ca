/* SPDX-License-Identifier: Apache-2.0 */
/* preview.c - which objects the plans of some applications would make, change or let go, under rows
 * that a command wrote and takes back (refresh --dry-run, integrate --dry-run)
 *
 *   inside the transaction: the views ──▶ plans (charm workers) ──▶ prepare (jobs) ──▶ compared
 *
 * Nothing is kept: no rows, no secrets. A secret that a charm asks for and that is not there is
 * given a token of nothing, and the charm is asked once more with it. What a plan tells over a
 * relation goes into the view of the other side, when that is one of them, and it is asked again,
 * until nobody says anything new. What the plans look like is compared with what is wanted now,
 * document by document; for each that differs the outside is asked what it would answer
 * (trial.c). Where the command gives an application another content of its charm, the content
 * before is asked with the same view, in a worker of its own, and what else the two plans differ in
 * is told (plan-difference.h). Of an application that is removed what goes with it is told; what
 * holds data the command itself names. */
#include "application.h"
#include "tally.h"
#include "trial.h"

#include "clock.h"
#include "interface.h"
#include "lookup.h"
#include "plan-difference.h"

#include <errno.h>
#include <stdlib.h>

/* Applications of one preview: those of a large bundle. The rest is counted. */
#define PREVIEW_MAX 64
/* How often one charm is asked: two that agree do so in a few, as RELATION_TURNS_MAX says. */
#define TURNS_MAX 20
/* After a start, for the objects to be read: a list of thousands takes seconds. Then what is known
 * is told. */
#define READ_WAIT_MS 10000
#define READ_AGAIN_MS 50

struct side { /* one application */
        struct preview *of;
        struct application_work *work;
        bool due;   /* to be asked, or again */
        bool again; /* it was given tokens of nothing */
        int turns;
        bool asked_before;   /* the content of before; no more */
        struct plan *before; /* its plan, or NULL */
        size_t anyway;       /* documents that it wants other too */
};

/* Documents of one turn of the loop: half a millisecond when each is another one. */
#define SLICE 50

static void tell_slice(void *arg);

struct preview {
        struct reconcile *rec;
        struct side *sides; /* as many as PREVIEW_MAX */
        size_t count, at;   /* at: that is asked, or prepared */
        size_t more;        /* applications that are left out */
        struct list link;   /* while it is under way */
        struct later ask;
        struct timer wait;  /* for what is being read */
        int64_t wait_until; /* clock_mono */
        struct later slice;
        size_t told;         /* of a plan's documents, and then of what is wanted now */
        struct trial *trial; /* until it is started */
        uint8_t view[DIGEST_SIZE];
        json_t *lines;
        void (*done)(void *arg, json_t *lines);
        void *arg;
};

struct preview *preview_new(struct reconcile *rec) {
        struct preview *p = mem_new(struct preview);

        p->rec = rec;
        p->sides = mem_array(struct side, PREVIEW_MAX);
        p->lines = json_array();
        list_init(&p->link);
        return p;
}

void preview_forget(struct preview *p) {
        for (size_t i = 0; i < p->count; i++) {
                plan_free(p->sides[i].before);
                application_work_free(p->sides[i].work);
        }
        p->count = p->more = 0;
        memset(p->view, 0, sizeof(p->view));
}

struct preview *preview_free(struct preview *p) {
        if (!p)
                return NULL;
        list_unlink(&p->link);
        later_cancel(&p->ask);
        later_cancel(&p->slice);
        timer_cancel(&p->wait);
        trial_free(p->trial);
        preview_forget(p);
        free(p->sides);
        json_decref(p->lines);
        free(p);
        return NULL;
}

/* Of all that the plan is made of, but what is seen of the objects; after that of those before. */
static void digest_view(struct preview *p, const struct application_work *w) {
        cleanup_(buf_free) struct buf b = BUF_INIT;

        buf_add(&b, p->view, DIGEST_SIZE);
        buf_printf(&b, "%s\n", w->charm_sha256 ? w->charm_sha256 : "");
        json_canonical(w->view, &b);
        json_canonical(w->model_options, &b);
        for (size_t i = 0; i < w->want_count; i++) {
                buf_puts(&b, w->wants[i].label);
                buf_add(&b, w->wants[i].document, DIGEST_SIZE);
        }
        digest_sha256(b.data, b.len, p->view);
}

static int read_side(struct preview *p, struct tx *tx, int64_t id, struct side *side,
                     struct err *err) {
        int r;

        *side = (struct side){ .of = p, .due = true, .work = mem_new(struct application_work) };
        list_init(&side->work->link);
        side->work->rec = p->rec;
        side->work->id = id;
        side->work->call.arg = side->work;
        r = application_view_run(tx, &side->work->call, err);
        if (r >= 0)
                digest_view(p, side->work);
        return r;
}

int preview_read(struct preview *p, struct tx *tx, const char *model, const char *application,
                 struct err *err) {
        const struct q_application_row *a;
        const struct q_model_row *m;
        int r = lookup_model(tx, model, &m, err);

        if (r >= 0)
                r = lookup_application(tx, m, application, &a, err);
        if (r < 0)
                return r;
        if (p->count == PREVIEW_MAX) {
                p->more++;
                return 0;
        }
        return read_side(p, tx, a->id, &p->sides[p->count++], err);
}

static bool has_side(const struct preview *p, const char *application) {
        for (size_t i = 0; i < p->count; i++)
                if (str_eq(p->sides[i].work->name, application))
                        return true;
        return false;
}

int preview_read_others(struct preview *p, struct tx *tx, const char *model, struct err *err) {
        for (size_t i = 0; i < p->count; i++) { /* COUNT rises */
                const json_t *relations = json_get(p->sides[i].work->view, "relations"), *relation;
                size_t k;

                json_array_foreach(relations, k, relation) {
                        const char *name = json_get_str(relation, "application", "");
                        size_t before = p->count;
                        int r = has_side(p, name) ? 0 : preview_read(p, tx, model, name, err);

                        if (r < 0)
                                return r;
                        if (p->count > before)
                                p->sides[before].due = false;
                }
        }
        return 0;
}

const uint8_t *preview_view(const struct preview *p) {
        return p->view;
}

static void end(struct preview *p) {
        p->done(p->arg, take_ptr(p->lines));
        preview_free(p);
}

/* The one that is there; NULL: it would be new. Its id may be somebody else's by now. */
static struct world_application *application_of(const struct side *s) {
        struct world_application *a = world_application(&s->of->rec->world, s->work->id);

        return a && a->model == s->work->model && str_eq(a->name, s->work->name) ? a : NULL;
}

/* ---- what differs */

/* An object outside: DO is what becomes of it, and the text says it. */
static json_t *tell(struct side *s, const char *what, const char *type, const char *path,
                    const char *more) {
        json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s}", "change", "object", "application",
                                 s->work->name, "do", what, "type", type, "path", path);

        json_object_set_new(line, "text", json_sprintf("%s %s %s%s", what, type, path, more));
        json_array_append_new(s->of->lines, line);
        return line;
}

/* Of the plan as a whole. */
static json_t *tell_whole(struct side *s, const char *text) {
        json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "change", "object",
                                 "application", s->work->name, "do", text, "type", "plan", "path",
                                 s->work->name, "text", text);

        json_array_append_new(s->of->lines, line);
        return line;
}

static void add_seen(json_t *line, const struct world_resource *r) {
        cleanup_(freep) char *seen = r ? resource_seen_text(r) : str_dup("no row");

        json_object_set_new(line, "seen", json_string(seen));
}

static int64_t target_of(const struct side *s, const struct prepared *d) {
        struct map_entry *e;

        if (!d->target)
                return s->work->target;
        for (size_t i = 0; (e = map_next(&s->of->rec->world.targets, &i));) {
                const struct world_target *t = e->value;

                if (t->application == s->work->id && str_eq(t->label, d->target))
                        return t->id;
        }
        return 0;
}

static void tell_doc(struct side *s, struct prepared *d) {
        const struct world_want *want =
                world_want_in(s->work->wants, s->work->want_count, d->label);
        const struct world_resource *r = NULL;
        char hex[DIGEST_HEX_SIZE];
        int64_t target;
        json_t *line;

        if (want && memcmp(want->document, d->mark, DIGEST_SIZE) == 0)
                return;
        s->anyway += s->before && plan_same_document(s->before, s->work->plan, d->label);
        target = target_of(s, d);
        r = target ? world_resource_at(&s->of->rec->world, target, d->identity.type,
                                       d->identity.path)
                   : NULL;
        line = tell(s, want ? "change" : "make", d->identity.type, d->identity.path, "");
        json_object_set_new(line, "content", json_string(digest_hex(d->mark, DIGEST_SIZE, hex)));
        add_seen(line, r);
        trial_add(s->of->trial, &(struct trial_object){ .line = line,
                                                        .resource = r ? r->id : 0,
                                                        .document = str_dup(d->text),
                                                        .application = s->work->id,
                                                        .name = s->work->name,
                                                        .model = s->work->model,
                                                        .target = target,
                                                        .type = d->identity.type,
                                                        .path = d->identity.path });
}

static void tell_gone(struct side *s, const struct world_want *want) {
        const struct world_resource *r = world_resource(&s->of->rec->world, want->resource);

        if (r && !application_doc(s->work, want->label))
                add_seen(tell(s, r->row.data ? "let go" : "remove", r->type, r->path,
                              r->row.data ? ", which holds data" : ""),
                         r);
}

/* Somebody goes on wanting it. */
static bool is_left_to_another(const struct side *s, const struct world_resource *r) {
        size_t ending = 0;

        for (size_t i = 0; i < r->wanter_count; i++)
                for (size_t k = 0; k < s->of->count; k++)
                        ending += s->of->sides[k].work->id == r->wanters[i] &&
                                  s->of->sides[k].work->dying;
        return r->owner != s->work->id || ending < r->wanter_count;
}

/* As application_remove_run does it. */
static void tell_ended(struct side *s, const struct world_want *want) {
        const struct world_resource *r = world_resource(&s->of->rec->world, want->resource);
        const struct world_target *t = r ? world_target(&s->of->rec->world, r->target) : NULL;

        if (!t || r->row.data || !(r->row.made || r->row.adopted || r->row.applied_generation) ||
            is_left_to_another(s, r))
                return;
        if (t->application == s->work->id)
                add_seen(tell(s, "remove", r->type, r->path, ", with the server that it is in"), r);
        else if (r->row.adopted)
                add_seen(tell(s, "leave", r->type, r->path, ", which was adopted"), r);
        else
                add_seen(tell(s, "remove", r->type, r->path, ""), r);
}

static int is_replaced(void *arg, const struct prepared *d, const struct world_want *want,
                       bool *ret, struct err *err) {
        const struct side *s = arg;
        const struct world_resource *r = world_resource(&s->of->rec->world, want->resource);

        *ret = r && (!str_eq(r->type, d->identity.type) || !str_eq(r->path, d->identity.path));
        return 0;
}

/* How much that is: who agrees to it is asked by no limit. */
static void tell_all(struct side *s) {
        struct application_work *w = s->work;
        struct limit_walk walk = { is_replaced, NULL, s };
        char content[LIMIT_CONTENT_SIZE];
        struct err ignored = { 0 };
        json_t *line;

        if (application_limit_digests(w, &walk, &ignored) < 0 || !(w->removed + w->changed))
                return;
        line = tell_whole(s, "plan");
        json_object_set_new(line, "text",
                            json_sprintf("change %zu and let go %zu of the %zu objects of %s",
                                         w->changed, w->removed, w->want_count, w->name));
        json_object_set_new(line, "content",
                            json_string(limit_content(w->removal, w->change, content)));
}

static void tell_contents(struct side *s) {
        cleanup_(json_freep) json_t *sentences = NULL;
        cleanup_(freep) char *anyway = NULL;
        const json_t *sentence;
        size_t i;

        if (!s->before)
                return;
        sentences =
                plan_differences(s->before, s->work->plan, json_get(s->work->view, "relations"));
        json_array_foreach(sentences, i, sentence)
                tell_whole(s, json_string_value(sentence));
        if (!s->anyway)
                return;
        anyway = str_format("change %zu of these objects with the content before, too", s->anyway);
        tell_whole(s, anyway);
}

static void on_tried(void *arg) {
        end(arg);
}

static void tell_refused(struct side *s) {
        cleanup_(freep) char *text =
                str_format("have its plan refused: %s", err_text(&s->work->err));

        tell_whole(s, text);
}

/* ---- what is told, in slices */

static void told(struct preview *p) {
        if (p->more)
                json_array_append_new(
                        p->lines,
                        json_pack("{s:s, s:o}", "change", "object", "text",
                                  json_sprintf("the plans of %zu more applications are not made",
                                               p->more)));
        if (!json_array_size(p->lines) && !p->sides[0].work->dying)
                tell_whole(&p->sides[0], "change no object");
        trial_start(take_ptr(p->trial), on_tried, p);
}

static void tell_next(struct preview *p) {
        for (; p->at < p->count; p->at++) {
                struct side *s = &p->sides[p->at];

                if (s->work->err.code)
                        tell_refused(s);
                else if (s->work->plan || s->work->dying)
                        return later_run(&p->slice);
                else if (s->due && s->work->undecided)
                        tell_whole(s, s->work->undecided); /* a person decides first */
        }
        told(p);
}

static void tell_slice(void *arg) {
        struct preview *p = arg;
        struct side *s = &p->sides[p->at];
        struct application_work *w = s->work;
        size_t to = p->told + SLICE;

        for (; p->told < MIN_OF(to, w->doc_count + w->want_count); p->told++)
                if (p->told < w->doc_count)
                        tell_doc(s, &w->docs[p->told]);
                else if (w->dying)
                        tell_ended(s, &w->wants[p->told - w->doc_count]);
                else
                        tell_gone(s, &w->wants[p->told - w->doc_count]);
        if (p->told == to)
                return later_run(&p->slice);
        if (w->plan)
                tell_all(s);
        if (w->plan)
                tell_contents(s);
        p->told = 0;
        p->at++;
        tell_next(p);
}

static void compare(struct preview *p) {
        p->trial = trial_new(p->rec);
        p->at = 0;
        tell_next(p);
}

/* ---- made ready, one after the other */

static void prepare_next(struct preview *p);

static void prepare(void *arg) {
        struct preview *p = arg;

        application_prepare(p->sides[p->at].work);
}

static void on_prepared(void *arg) {
        struct preview *p = arg;

        if (p->rec->stopping)
                return end(p);
        p->at++;
        prepare_next(p);
}

static void prepare_next(struct preview *p) {
        struct application_work *w;

        while (p->at < p->count && (!p->sides[p->at].work->plan || p->sides[p->at].work->err.code))
                p->at++;
        if (p->at == p->count)
                return compare(p);
        w = p->sides[p->at].work;
        application_stage_hold(w);
        w->job = (struct job){ .loop = p->rec->options.loop,
                               .work = prepare,
                               .done = on_prepared,
                               .dropped = on_prepared,
                               .arg = p,
                               .name = "preview" };
        job_start(&w->job);
}

/* ---- the plans */

/* The same one for the same secret, so that the same plan looks the same. */
static void no_secret(const struct application_work *w, const char *key,
                      char uri[SECRET_URI_SIZE]) {
        cleanup_(freep) char *whose = str_format("%s/%s", w->model_name, w->name);
        uint8_t digest[DIGEST_SIZE];

        digest_hmac(whose, strlen(whose), key, strlen(key), digest);
        digest_text(digest, DIGEST_BASE32, SECRET_URI_SIZE - 1, uri);
}

/* Tokens that lead nowhere for what is asked for and not there. False: all is there. */
static bool add_secrets(struct application_work *w) {
        json_t *have = json_get(w->view, "secrets");
        const char *key;
        json_t *policy;
        bool any = false;

        json_object_foreach(w->plan->secrets, key, policy) {
                char uri[SECRET_URI_SIZE], token[SECRET_TOKEN_MAX];

                if (json_object_get(have, key))
                        continue;
                no_secret(w, key, uri);
                json_object_set_new(have, key,
                                    json_string(secret_token_write(uri, 1, SECRET_PLAIN, token)));
                any = true;
        }
        return any;
}

/* FROM says SAID over relation ID. */
static void hear(struct side *to, const struct side *from, int64_t id, json_t *said) {
        json_t *relation;
        size_t i;

        json_array_foreach(json_get(to->work->view, "relations"), i, relation) {
                if (json_get_int(relation, "id", 0) != id ||
                    !str_eq(json_get_str(relation, "application", ""), from->work->name) ||
                    json_equal(json_get(relation, "told"), said))
                        continue;
                json_object_set(relation, "told", said);
                to->due = true;
        }
}

static void hand_on(struct side *s) {
        const json_t *relation;
        size_t i;

        json_array_foreach(json_get(s->work->view, "relations"), i, relation) {
                int64_t id = json_get_int(relation, "id", 0);
                cleanup_(freep) char *key = str_format("%lld", (long long)id);
                json_t *said = json_get(s->work->plan->tell, key);
                cleanup_(json_freep) json_t *nothing = said ? NULL : json_object();

                for (size_t k = 0; k < s->of->count; k++)
                        hear(&s->of->sides[k], s, id, said ? said : nothing);
        }
}

static void on_plan(struct charm_call *c, int r, struct plan *plan, const struct err *err) {
        struct side *s = c->arg;
        struct application_work *w = s->work;

        plan_free(w->plan);
        w->plan = plan;
        s->due = false;
        if (r < 0)
                w->err = *err;
        else if (interface_check_tell(json_get(w->view, "relations"), plan->tell, NULL, &w->err) <
                 0)
                r = -EINVAL;
        if (r >= 0 && !s->again && add_secrets(w))
                s->due = s->again = true;
        else if (r >= 0)
                hand_on(s);
        later_run(&s->of->ask);
}

static bool can_be_planned(const struct side *s) {
        const struct application_work *w = s->work;

        return w->found && !w->dying && w->charm_sha256 && w->provider && !w->undecided &&
               !w->err.code;
}

typedef void plan_done_fn(struct charm_call *c, int r, struct plan *plan, const struct err *err);

static void ask_content(struct side *s, const char *sha256, plan_done_fn *done) {
        struct application_work *w = s->work;

        str_copy(w->charm.sha256, sizeof(w->charm.sha256), sha256);
        w->charm.model = w->model;
        w->charm.application = w->id;
        w->charm.view = w->view_text;
        w->charm.view_len = strlen(w->view_text);
        w->charm.done = done;
        w->charm.arg = s;
        charm_host_plan(s->of->rec->options.host, &w->charm);
}

static void ask_charm(struct side *s) {
        struct application_work *w = s->work;

        s->turns++;
        json_object_set_new(w->view, "seen", application_seen_json(w));
        free(w->view_text);
        w->view_text = json_text(w->view);
        ask_content(s, w->charm_sha256, on_plan);
}

/* ---- the content before */

/* It may not understand the options of the other one, or be gone: then there is nothing to compare
 * with. */
static void on_before(struct charm_call *c, int r, struct plan *plan, const struct err *err) {
        struct side *s = c->arg;

        s->before = r < 0 ? plan_free(plan) : plan;
        later_run(&s->of->ask);
}

static struct side *next_before(struct preview *p) {
        for (size_t i = 0; i < p->count; i++) {
                struct side *s = &p->sides[i];
                const struct world_application *a = application_of(s);

                if (!s->asked_before && s->work->plan && !s->work->err.code && a && a->charm &&
                    !str_eq(a->charm, s->work->charm_sha256))
                        return s;
        }
        return NULL;
}

static void ask_before(struct side *s) {
        s->asked_before = true;
        ask_content(s, application_of(s)->charm, on_before);
}

/* Whose turn it is; NULL: all have said what they have to say. */
static struct side *next_due(struct preview *p) {
        for (size_t i = 0; i < p->count; i++) {
                struct side *s = &p->sides[i];
                const struct world_target *t = world_target(&p->rec->world, s->work->target);

                s->work->provider = t ? t->provider : NULL;
                if (!s->due || !can_be_planned(s))
                        continue;
                if (s->turns < TURNS_MAX)
                        return s;
                err_set(&s->work->err, -ELOOP,
                        "the charms of both sides of a relation answer each other for ever");
        }
        return NULL;
}

/* Objects of it were not read since the start, and will be. */
static bool is_unread(const struct side *s) {
        const struct world_application *a = application_of(s);
        const struct world_target *t = world_target(&s->of->rec->world, s->work->target);

        return a && tally_count(a, TALLY_UNREAD) && t && (t->reachable || !t->reach_known);
}

static bool waits_for_reading(struct preview *p) {
        for (size_t i = 0; clock_mono() < p->wait_until && i < p->count; i++)
                if (is_unread(&p->sides[i]))
                        return true;
        return false;
}

static void ask(void *arg) {
        struct preview *p = arg;
        struct side *s, *before;

        if (p->rec->stopping || !p->count)
                return end(p);
        if (waits_for_reading(p))
                return timer_after(&p->wait, READ_AGAIN_MS);
        s = next_due(p);
        before = s ? NULL : next_before(p);
        p->at = s ? (size_t)(s - p->sides) : before ? (size_t)(before - p->sides) : 0;
        if (s)
                ask_charm(s);
        else if (before)
                ask_before(before);
        else
                prepare_next(p);
}

void preview_start(struct preview *p, void (*done)(void *arg, json_t *lines), void *arg) {
        p->done = done;
        p->arg = arg;
        list_append(&p->rec->previews, &p->link);
        later_init(&p->ask, p->rec->options.loop, "preview", ask, p);
        later_init(&p->slice, p->rec->options.loop, "preview", tell_slice, p);
        timer_init(&p->wait, p->rec->options.loop, "preview", ask, p);
        p->wait_until = clock_mono() + READ_WAIT_MS;
        later_run(&p->ask);
}

void preview_stop(struct reconcile *rec) {
        list_each(link, &rec->previews) {
                struct preview *p = list_entry(link, struct preview, link);

                struct application_work *w = p->at < p->count ? p->sides[p->at].work : NULL;

                if (!list_linked(&p->ask.link) && !list_linked(&p->slice.link) && !p->wait.at &&
                    !(w && charm_host_has(&w->charm)))
                        continue; /* a thread has it, and gives it back */
                if (w)
                        charm_host_cancel(&w->charm);
                end(p);
        }
}
