/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.c - see endpoint.h */
#include "endpoint.h"

#include "opt.h"

#include <errno.h>
#include <stdlib.h>

#define CANDIDATES_SHOWN 8 /* pairs that a message names */

/* One pair that fits. */
struct pair {
        const struct meta_endpoint *of[2];
};

static bool fits(const struct meta_endpoint *a, const struct meta_endpoint *b) {
        if (a->role == META_PEERS || b->role == META_PEERS || a->role == b->role)
                return false;
        return str_eq(a->interface, b->interface);
}

static int no_endpoint(const struct endpoint_side *s, struct err *err) {
        const struct charm_meta *m = s->meta;
        cleanup_(freep) const char **names = mem_array(const char *, m->endpoint_count + 1);
        cleanup_(buf_free) struct buf all = BUF_INIT;
        const char *near;

        for (size_t i = 0; i < m->endpoint_count; i++) {
                names[i] = m->endpoints[i].name;
                buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
        }
        near = opt_nearest(s->endpoint, names);
        if (near)
                return err_set(
                        err, -EINVAL,
                        "application %s: charm %s has no endpoint \"%s\", did you mean \"%s\"?",
                        s->application, m->name, s->endpoint, near);
        return err_set(err, -EINVAL, "application %s: charm %s has no endpoint \"%s\", it has %s",
                       s->application, m->name, s->endpoint, all.len ? all.data : "none");
}

/* The endpoint that S names, which a relation can use; *RET NULL: implied, or the charm is not
 * there. */
static int named(const struct endpoint_side *s, const struct meta_endpoint **ret, struct err *err) {
        *ret = NULL;
        if (!s->meta || !s->endpoint)
                return 0;
        *ret = charm_meta_endpoint(s->meta, s->endpoint);
        if (!*ret)
                return no_endpoint(s, err);
        if ((*ret)->role == META_PEERS)
                return err_set(err, -EINVAL,
                               "%s:%s is among peers: it relates to itself, and needs no relation",
                               s->application, s->endpoint);
        return 0;
}

static void take(struct endpoint_match *m, int side, const struct meta_endpoint *e) {
        m->endpoints[side] = e->name;
        m->roles[side] = e->role;
        m->limits[side] = e->limit;
        m->interface = e->interface;
}

/* One or both charms are not there: what is known is taken, the rest stays as given. */
static int open_match(const struct endpoint_side sides[2],
                      const struct meta_endpoint *const known[2], struct endpoint_match *ret) {
        struct endpoint_match m = { .roles = { META_PROVIDES, META_REQUIRES }, .interface = "" };

        for (int i = 0; i < 2; i++)
                m.endpoints[i] = sides[i].endpoint ? sides[i].endpoint : "";
        for (int i = 0; i < 2; i++) {
                if (!known[i])
                        continue;
                take(&m, i, known[i]);
                m.roles[!i] = known[i]->role == META_PROVIDES ? META_REQUIRES : META_PROVIDES;
        }
        *ret = m;
        return ENDPOINT_OPEN;
}

static const char *side_text(const struct endpoint_side *s, char *text, size_t size) {
        snprintf(text, size, "%s%s%s", s->application, s->endpoint ? ":" : "",
                 s->endpoint ? s->endpoint : "");
        return text;
}

static int nothing_fits(const struct endpoint_side sides[2],
                        const struct meta_endpoint *const known[2], struct err *err) {
        char a[256], b[256];

        side_text(&sides[0], a, sizeof(a));
        side_text(&sides[1], b, sizeof(b));
        if (!known[0] || !known[1])
                return err_set(err, -EINVAL, "%s and %s have no interface in common", a, b);
        if (!str_eq(known[0]->interface, known[1]->interface))
                return err_set(err, -EINVAL, "%s and %s do not fit: interface %s and interface %s",
                               a, b, known[0]->interface, known[1]->interface);
        return err_set(err, -EINVAL, "%s and %s do not fit: both are %s", a, b,
                       meta_role_names[known[0]->role]);
}

static int ambiguous(const struct endpoint_side sides[2], const struct pair *pairs, size_t n,
                     struct err *err) {
        cleanup_(buf_free) struct buf list = BUF_INIT;
        char a[256], b[256];

        for (size_t i = 0; i < MIN_OF(n, (size_t)CANDIDATES_SHOWN); i++)
                buf_printf(&list, "%s\"%s:%s %s:%s\"", i ? ", " : "", sides[0].application,
                           pairs[i].of[0]->name, sides[1].application, pairs[i].of[1]->name);
        if (n > CANDIDATES_SHOWN)
                buf_printf(&list, " and %zu more", n - CANDIDATES_SHOWN);
        return err_set(err, -EINVAL, "%s and %s can be related in %zu ways, say which: %s",
                       side_text(&sides[0], a, sizeof(a)), side_text(&sides[1], b, sizeof(b)), n,
                       buf_str(&list));
}

/* Each pair of endpoints of both that fits and that was not excluded by a name. */
static struct pair *find_pairs(const struct endpoint_side sides[2],
                               const struct meta_endpoint *const known[2], size_t *ret_n) {
        const struct charm_meta *a = sides[0].meta, *b = sides[1].meta;
        struct pair *pairs = NULL;
        size_t n = 0, room = 0;

        for (size_t i = 0; i < a->endpoint_count; i++) {
                for (size_t k = 0; k < b->endpoint_count; k++) {
                        const struct meta_endpoint *x = &a->endpoints[i], *y = &b->endpoints[k];

                        if ((known[0] && known[0] != x) || (known[1] && known[1] != y) ||
                            !fits(x, y))
                                continue;
                        pairs = mem_grow(pairs, &room, n + 1, sizeof(*pairs));
                        pairs[n++] = (struct pair){ { x, y } };
                }
        }
        *ret_n = n;
        return pairs;
}

int endpoint_match(const struct endpoint_side sides[2], struct endpoint_match *ret,
                   struct err *err) {
        const struct meta_endpoint *known[2] = {};
        cleanup_(freep) struct pair *pairs = NULL;
        struct endpoint_match m = {};
        size_t n = 0;

        for (int i = 0; i < 2; i++) {
                int r = named(&sides[i], &known[i], err);

                if (r < 0)
                        return r;
        }
        if (!sides[0].meta || !sides[1].meta)
                return open_match(sides, known, ret);
        pairs = find_pairs(sides, known, &n);
        if (n == 0)
                return nothing_fits(sides, known, err);
        if (n > 1)
                return ambiguous(sides, pairs, n, err);
        take(&m, 0, pairs[0].of[0]);
        take(&m, 1, pairs[0].of[1]);
        *ret = m;
        return 0;
}
