/* SPDX-License-Identifier: Apache-2.0 */
/* polled.c - see polled.h */
#include "polled.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>

struct projection {
        char nothing;
};

/* ---- answers */

static void digest_of(const json_t *j, uint8_t ret[DIGEST_SIZE]) {
        cleanup_(buf_free) struct buf text = BUF_INIT;

        json_canonical(j, &text);
        digest_sha256(text.data, text.len, ret);
}

static void fill_see(const char *const *see, const json_t *body, struct observation *o) {
        for (; see && *see; see++) {
                json_t *value = json_at(body, *see);

                if (!o->seen)
                        o->seen = json_object();
                if (value)
                        json_object_set(o->seen, *see, value);
        }
}

void polled_know(struct polled_known *k, const struct apply_request *r) {
        k->see = r->see;
        k->baseline_valid = r->baseline != NULL;
        if (r->baseline)
                digest_of(r->baseline, k->baseline);
}

void polled_observe(const struct polled_known *k, const struct polled_seen *s,
                    struct observation *o) {
        o->as_of = clock_mono();
        o->presence = s->present ? PRESENCE_PRESENT : PRESENCE_ABSENT;
        if (!s->present)
                return;
        o->ready = READY_YES;
        o->ours = s->ours;
        o->filled = s->filled;
        o->counted = true;
        str_copy(o->incarnation, sizeof(o->incarnation), s->incarnation);
        digest_of(s->body, o->digest);
        o->digest_valid = !s->partial;
        if (!k->baseline_valid || memcmp(o->digest, k->baseline, DIGEST_SIZE) != 0)
                o->found = json_incref(s->body);
        fill_see(k->see, s->body, o);
}

void polled_applied(struct op *op, const char *fields, json_t *body, bool created) {
        op->created = created;
        op->fields = str_dup(fields);
        op->baseline = json_incref(body);
        memcpy(op->baseline_digest, op->seen.digest, DIGEST_SIZE);
}

void polled_reach(const struct observer *o, int *reachable, bool now, const struct err *why) {
        if (*reachable == now || !o || !o->reach)
                return;
        *reachable = now;
        o->reach(o->arg, now, NULL, now ? NULL : err_text(why));
}

/* ---- projection */

int polled_projection_parse(const char *own, const char *fields, struct projection **ret,
                            struct err *err) {
        if (!str_eq(fields, own))
                return err_set(err, -EINVAL, "field set \"%.20s\": this program writes %s", fields,
                               own);
        *ret = mem_new(struct projection);
        return 0;
}

void polled_projection_free(struct projection *p) {
        free(p);
}

/* ---- compare */

static void compare_value(const char *path, json_t *was, json_t *is, struct drift_list *ret);

static void compare_member(const char *path, const char *member, json_t *was, json_t *is,
                           struct drift_list *ret) {
        cleanup_(freep) char *to = str_format("%s%s%s", path, path[0] ? "." : "", member);

        compare_value(to, was, is, ret);
}

static void compare_objects(const char *path, json_t *was, json_t *is, struct drift_list *ret) {
        const char *member;
        json_t *value;

        json_object_foreach(was, member, value)
                compare_member(path, member, value, json_get(is, member), ret);
        json_object_foreach(is, member, value)
                if (!json_get(was, member))
                        compare_member(path, member, NULL, value, ret);
}

static bool is_set(const json_t *list) {
        size_t i;
        json_t *item;

        json_array_foreach((json_t *)list, i, item)
                if (!json_is_string(item))
                        return false;
        return json_is_array(list);
}

static bool holds(const json_t *list, const json_t *item) {
        size_t i;
        json_t *other;

        json_array_foreach((json_t *)list, i, other)
                if (json_equal(other, item))
                        return true;
        return false;
}

static void add_drift(struct drift_list *ret, char *field, json_t *wanted, json_t *found) {
        *drift_list_add(ret) = (struct drift){ .field = field,
                                               .wanted = json_incref(wanted),
                                               .found = json_incref(found) };
}

static void compare_sets(const char *path, json_t *was, json_t *is, struct drift_list *ret) {
        size_t i;
        json_t *item;

        json_array_foreach(was, i, item)
                if (!holds(is, item))
                        add_drift(ret, str_format("%s[%s]", path, json_string_value(item)), item,
                                  NULL);
        json_array_foreach(is, i, item)
                if (!holds(was, item))
                        add_drift(ret, str_format("%s[%s]", path, json_string_value(item)), NULL,
                                  item);
}

static void compare_lists(const char *path, json_t *was, json_t *is, struct drift_list *ret) {
        size_t n = MAX_OF(json_array_size(was), json_array_size(is));

        for (size_t i = 0; i < n; i++) {
                cleanup_(freep) char *to = str_format("%s[%zu]", path, i);

                compare_value(to, json_array_get(was, i), json_array_get(is, i), ret);
        }
}

/* Depth is that of what came through json_parse, which limits it. */
static void compare_value(const char *path, json_t *was, json_t *is, struct drift_list *ret) {
        if (was && is && json_equal(was, is))
                return;
        if (json_is_object(was) && json_is_object(is))
                compare_objects(path, was, is, ret);
        else if (is_set(was) && is_set(is))
                compare_sets(path, was, is, ret);
        else if (json_is_array(was) && json_is_array(is))
                compare_lists(path, was, is, ret);
        else
                add_drift(ret, str_dup(path), was, is);
}

static void mask(struct drift *d) {
        if (d->wanted) {
                json_decref(d->wanted);
                d->wanted = json_string("(hidden)");
        }
        if (d->found) {
                json_decref(d->found);
                d->found = json_string("(hidden, differs)");
        }
}

int polled_compare(const struct apply_request *r, const struct observation *o,
                   bool (*hidden)(const char *member), struct drift_list *ret, struct err *err) {
        if (!json_is_object(r->baseline) || !json_is_object(o->found))
                return err_set(err, -EINVAL, "%s %s: nothing to compare", r->type, r->path);
        compare_value("", (json_t *)r->baseline, o->found, ret);
        for (size_t i = 0; hidden && i < ret->count; i++)
                if (hidden(ret->items[i].field))
                        mask(&ret->items[i]);
        return 0;
}

/* ---- config */

int polled_check_way(const struct polled_way *w, struct err *err) {
        if (!w->via && !w->address)
                return err_set(err, -EINVAL, "%s or via: one of them says where %s is", w->member,
                               w->what);
        if (!w->via && !w->verifies)
                return err_set(err, -EINVAL,
                               "tls.mode %s: only through the API server (via); a direct address "
                               "needs verify-full",
                               w->mode);
        if (w->via && (!strchr(w->via, '/') || w->via[0] == '/' || str_ends(w->via, "/")))
                return err_set(err, -EINVAL, "via \"%s\": NAMESPACE/POD", w->via);
        if (w->via && w->verifies && !w->address)
                return err_set(err, -EINVAL,
                               "tls.mode verify-full: %s says the name in the certificate",
                               w->member);
        return 0;
}
