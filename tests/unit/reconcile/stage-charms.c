/* SPDX-License-Identifier: Apache-2.0 */
/* stage-charms.c - stands in for the charm host: plans are what the test wrote down */
#include "stage-internal.h"

#include <errno.h>
#include <stdlib.h>

static json_t *member(const json_t *j, const char *name, json_t *empty) {
        json_t *value = json_get(j, name);

        if (!value)
                return empty;
        json_decref(empty);
        return json_incref(value);
}

/* "own:label/field", "told:key", or VALUE itself; NULL: not there yet. */
static json_t *resolve(const json_t *view, const json_t *value) {
        const char *text = json_string_value(value);
        json_t *relation;
        size_t i;

        if (!text || (!str_starts(text, "own:") && !str_starts(text, "told:")))
                return json_incref((json_t *)value);
        if (str_starts(text, "own:"))
                return json_incref(json_get(json_get(view, "secrets"), text + 4));
        json_array_foreach(json_get(view, "relations"), i, relation)
                if (json_get(json_get(relation, "told"), text + 5))
                        return json_incref(json_get(json_get(relation, "told"), text + 5));
        return NULL;
}

static void add_docs(struct plan *p, const json_t *view, json_t *docs) {
        const char *label;
        json_t *doc;

        json_object_foreach(docs, label, doc) {
                json_t *secret =
                        json_get(doc, "secret") ? resolve(view, json_get(doc, "secret")) : NULL;
                cleanup_(buf_free) struct buf text = BUF_INIT;
                struct plan_doc *d;

                if (json_get(doc, "secret") && !secret)
                        continue;
                if (secret)
                        json_object_set_new(doc, "secret", secret);

                p->docs = mem_grow(p->docs, &p->doc_room, p->doc_count + 1, sizeof(*p->docs));
                d = &p->docs[p->doc_count++];
                json_canonical(doc, &text);
                *d = (struct plan_doc){ .label = str_dup(label),
                                        .target = str_dup(json_get_str(doc, "target", NULL)),
                                        .text = str_dup(buf_str(&text)),
                                        .len = text.len };
                digest_sha256(text.data, text.len, d->sha256);
        }
}

static json_t *say(const json_t *view, const json_t *said) {
        json_t *ret = json_object(), *value;
        const char *key;

        json_object_foreach((json_t *)said, key, value) {
                json_t *resolved = resolve(view, value);

                if (resolved)
                        json_object_set_new(ret, key, resolved);
        }
        return ret;
}

/* What it tells goes to all of its relations. */
static json_t *tell_all(const json_t *view, const json_t *said) {
        json_t *tell = json_object();
        json_t *relation;
        size_t i;

        json_array_foreach(json_get(view, "relations"), i, relation) {
                char id[32];

                snprintf(id, sizeof(id), "%lld", (long long)json_get_int(relation, "id", 0));
                if (said)
                        json_object_set_new(tell, id, say(view, said));
        }
        return tell;
}

/* "echo": tells the number that the other side told, and one more. */
static json_t *echo(const json_t *view) {
        json_t *relation, *said = json_object();
        int64_t n = 0;
        size_t i;

        json_array_foreach(json_get(view, "relations"), i, relation)
                n = MAX_OF(n, json_get_int(json_get(relation, "told"), "n", 0));
        json_object_set_new(said, "n", json_integer(n + 1));
        return said;
}

static struct plan *make_plan(const struct charm_call *c, const json_t *j) {
        cleanup_(json_freep) json_t *view = NULL;
        cleanup_(json_freep) json_t *said = NULL;
        struct plan *p = mem_new(struct plan);

        assert_int_equal(json_parse(c->view, c->view_len, &view, NULL), 0);
        said = json_get(j, "echo") ? echo(view) : json_incref(json_get(j, "tell"));
        p->tell = tell_all(view, said);
        p->secrets = member(j, "secrets", json_object());
        p->targets = member(j, "targets", json_object());
        p->see = member(j, "see", json_object());
        p->needs = member(j, "needs", json_array());
        p->keep = member(j, "keep", json_array());
        add_docs(p, view, json_get(j, "docs"));
        return p;
}

static void answer(struct stage *s, struct charm_call *c) {
        const struct world_application *a = world_application(&s->rec->world, c->application);
        const char *text = map_find(&s->plans, a->name);
        cleanup_(json_freep) json_t *j = NULL;
        struct err err = { 0 };
        const char *error;

        if (!text)
                text = "{}";
        if (json_parse(text, strlen(text), &j, &err) < 0)
                fail_msg("%s", err_text(&err));
        error = json_get_str(j, "error", NULL);
        c->host = NULL;
        s->planned++;
        if (error) {
                err_set(&err, -EPROTO, "%s", error);
                return c->done(c, -EPROTO, NULL, &err);
        }
        c->done(c, 0, make_plan(c, j), &err);
}

void stage_answer_charms(void *stage) {
        struct stage *s = stage;
        struct list *pos;

        while (!s->charms_silent && (pos = list_pop(&s->asked)))
                answer(s, list_entry(pos, struct charm_call, link));
}

/* ---- charm-host.h */

void charm_host_plan(struct charm_host *h, struct charm_call *c) {
        struct stage *s = (struct stage *)h;

        list_init(&c->link);
        c->host = h;
        list_append(&s->asked, &c->link);
        later_run(&s->answer_charms);
}

void charm_host_cancel(struct charm_call *c) {
        list_unlink(&c->link);
        c->host = NULL;
}

bool charm_host_has(const struct charm_call *c) {
        return c->host != NULL;
}

int charm_host_find(const struct charm_host *h, const char *name, const char *channel,
                    int64_t revision, const struct charm_offer **ret, struct err *err) {
        struct stage *s = (struct stage *)h;

        *ret = s->offer;
        s->found++;
        return s->offer ? 0 : err_set(err, -ENOENT, "no charm module \"%s\"", name);
}
