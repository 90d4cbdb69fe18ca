/* SPDX-License-Identifier: Apache-2.0 */
/* relation-row.c - rows of relations: made when their endpoints fit, settled when a charm comes,
 * ended
 *
 * While the charm of a side is not there, an endpoint that was not named is '' and so may be the
 * interface; roles are then taken in the order given. relation_row_settle matches such a
 * relation anew when a charm comes. */
#include "command-internal.h"

#include "interface.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 1000 /* rows of one read */

struct ends {
        struct q_relation_ends_row *rows;
        size_t count;
};

/* All relations of one application: VIEW_RELATIONS_MAX bounds them for people, PAGE for one
 * read. */
static int read_ends(struct tx *tx, int64_t application, int64_t after, struct ends *ret,
                     struct err *err) {
        struct q_relation_ends_in in = { .application_id = application,
                                         .after = after,
                                         .max = PAGE };
        int r = q_relation_ends(tx, &in, &ret->rows, &ret->count, err);

        return r < 0 ? r : 0;
}

static int insert_side(struct tx *tx, int64_t relation, enum meta_role role, int64_t application,
                       const char *endpoint, struct err *err) {
        struct w_relation_side_insert_in in = { .relation_id = relation,
                                                .role = meta_role_names[role],
                                                .application_id = application,
                                                .endpoint = endpoint };
        int r = w_relation_side_insert(tx, &in, err);

        return r < 0 ? r : 0;
}

static int insert_relation(struct tx *tx, int64_t id, int64_t model, const char *interface,
                           struct err *err) {
        struct w_relation_insert_in in = {
                .id = id, .model_id = model, .interface = interface, .created_at = tx_now(tx)
        };
        int r = w_relation_insert(tx, &in, err);

        return r < 0 ? r : 0;
}

/* Whether what is in a row and what is wanted mean the same: '' is not known yet. */
static bool same_endpoint(const char *row, const char *wanted) {
        return str_eq(row, wanted) || !*row || !*wanted;
}

/* How many relations an endpoint has, and the one that is wanted, if it is there. */
struct census {
        const struct q_relation_ends_row *twin;
        int64_t on_endpoint;
        const char *with;  /* the other side of one of them */
        const char *alike; /* one whose charm is that of the side that is wanted; or NULL */
};

static int count_ends(struct tx *tx, const struct relation_side_row *mine,
                      const struct relation_side_row *other, const char *endpoint,
                      const char *other_endpoint, struct census *ret, struct err *err) {
        struct ends ends = {};
        int64_t after = 0;

        do {
                int r = read_ends(tx, mine->id, after, &ends, err);

                if (r < 0)
                        return r;
                for (size_t i = 0; i < ends.count; i++) {
                        const struct q_relation_ends_row *e = &ends.rows[i];

                        after = e->relation_id;
                        if (e->other_id == other->id && same_endpoint(e->endpoint, endpoint) &&
                            same_endpoint(e->other_endpoint, other_endpoint)) {
                                ret->twin = e;
                        } else if (*endpoint && str_eq(e->endpoint, endpoint)) {
                                ret->on_endpoint++;
                                ret->with = e->other_name;
                                if (other->meta && str_eq(e->other_charm, other->meta->name))
                                        ret->alike = e->other_name;
                        }
                }
        } while (ends.count == PAGE);
        return 0;
}

/* A limit of 1 and one is there already. */
static bool is_full(struct command *c, const struct relation_side_row *s, const char *endpoint,
                    int64_t limit, const struct census *census, struct bundle_place at) {
        if (limit == 0 || census->on_endpoint < limit)
                return false;
        command_fault(c, at, "relation: %s:%s takes %lld relation%s and has one with %s",
                      s->application, endpoint, (long long)limit, limit == 1 ? "" : "s",
                      census->with);
        return true;
}

/* Two of one charm ask for the same, unless their options say otherwise: seldom what is meant. */
static void note_shared(struct command *c, const struct relation_side_row sides[2],
                        const struct endpoint_match *m, const struct census census[2]) {
        static const char *const shared[] = { "database", "bucket" };

        for (size_t i = 0; i < 4; i++) {
                const struct relation_side_row *server = &sides[i % 2], *asks = &sides[1 - i % 2];
                cleanup_(json_freep) json_t *any = json_string("x");
                struct err ignored = {};

                if (census[i % 2].alike && m->roles[i % 2] == META_PROVIDES &&
                    interface_check(m->interface, meta_role_names[META_REQUIRES], shared[i / 2],
                                    any, &ignored) == 0)
                        command_note(c,
                                     "%s and %s, of the same charm, both get their %s from %s: it "
                                     "is one for both where they ask for the same name",
                                     census[i % 2].alike, asks->application, shared[i / 2],
                                     server->application);
        }
}

static int write_relation(struct tx *tx, int64_t model, const struct relation_side_row sides[2],
                          const struct endpoint_match *m, int64_t *ret, struct err *err) {
        int64_t id = tx_id(tx, "relation");
        int r = insert_relation(tx, id, model, m->interface, err);

        for (int i = 0; r >= 0 && i < 2; i++)
                r = insert_side(tx, id, m->roles[i], sides[i].id, m->endpoints[i], err);
        if (r < 0)
                return r;
        for (int i = 0; i < 2; i++)
                tx_mark(tx, MARK_APPLICATION, sides[i].id);
        *ret = id;
        return 1;
}

static int add_matched(struct tx *tx, struct command *c, int64_t model,
                       const struct relation_side_row sides[2], const struct endpoint_match *m,
                       struct bundle_place at, int64_t *ret, struct err *err) {
        struct census census[2] = {};
        int r = count_ends(tx, &sides[0], &sides[1], m->endpoints[0], m->endpoints[1], &census[0],
                           err);

        if (r >= 0)
                r = count_ends(tx, &sides[1], &sides[0], m->endpoints[1], m->endpoints[0],
                               &census[1], err);
        if (r < 0)
                return r;
        if (census[0].twin) {
                *ret = census[0].twin->relation_id;
                if (str_eq(census[0].twin->life, "dying"))
                        command_fault(c, at, "relation %s:%s - %s:%s is being removed",
                                      sides[0].application, m->endpoints[0], sides[1].application,
                                      m->endpoints[1]);
                return 0;
        }
        for (int i = 0; i < 2; i++) {
                if (is_full(c, &sides[i], m->endpoints[i], m->limits[i], &census[i], at))
                        return 0;
        }
        command_concerns(c, sides[0].application);
        command_concerns(c, sides[1].application);
        command_change(c, "integrate", NULL, "relate %s%s%s and %s%s%s", sides[0].application,
                       *m->endpoints[0] ? ":" : "", m->endpoints[0], sides[1].application,
                       *m->endpoints[1] ? ":" : "", m->endpoints[1]);
        note_shared(c, sides, m, census);
        return write_relation(tx, model, sides, m, ret, err);
}

int relation_row_add(struct tx *tx, struct command *c, int64_t model,
                     const struct relation_side_row sides[2], struct bundle_place at, int64_t *ret,
                     struct err *err) {
        struct endpoint_side match[2] = {
                { sides[0].application, sides[0].endpoint, sides[0].meta },
                { sides[1].application, sides[1].endpoint, sides[1].meta },
        };
        struct endpoint_match m;
        struct err wrong = {};

        *ret = 0;
        if (sides[0].id == sides[1].id) {
                command_fault(c, at, "application %s cannot be related to itself",
                              sides[0].application);
                return 0;
        }
        if (endpoint_match(match, &m, &wrong) < 0) {
                command_fault(c, at, "relation: %s", err_text(&wrong));
                return 0;
        }
        return add_matched(tx, c, model, sides, &m, at, ret, err);
}

/* ---- when a charm comes */

static bool has_peer(const struct q_relation_by_application_row *rows, size_t n,
                     const char *endpoint) {
        for (size_t i = 0; i < n; i++) {
                if (str_eq(rows[i].role, "peers") && str_eq(rows[i].endpoint, endpoint))
                        return true;
        }
        return false;
}

static int add_peers(struct tx *tx, const struct application_row *a, struct err *err) {
        struct q_relation_by_application_row *rows;
        size_t n;
        int r = q_relation_by_application(
                tx, &(struct q_relation_by_application_in){ .application_id = a->id, .max = PAGE },
                &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < a->meta->endpoint_count; i++) {
                const struct meta_endpoint *e = &a->meta->endpoints[i];
                int64_t id;

                if (e->role != META_PEERS || has_peer(rows, n, e->name))
                        continue;
                id = tx_id(tx, "relation");
                r = insert_relation(tx, id, a->model, e->interface, err);
                if (r >= 0)
                        r = insert_side(tx, id, META_PEERS, a->id, e->name, err);
        }
        return r < 0 ? r : 0;
}

static int other_meta(struct tx *tx, int64_t application, struct charm_meta **ret,
                      struct err *err) {
        struct q_application_row *row;
        size_t n;
        int r = q_application_by_id(tx, &(struct q_application_by_id_in){ .id = application }, &row,
                                    &n, err);

        *ret = NULL;
        return r < 0 || n == 0 ? r : lookup_meta(tx, row, ret, err);
}

static int rewrite(struct tx *tx, const struct application_row *a,
                   const struct q_relation_ends_row *e, const struct endpoint_match *m,
                   struct err *err) {
        int r = w_relation_set_interface(tx,
                                         &(struct w_relation_set_interface_in){
                                                 .interface = m->interface, .id = e->relation_id },
                                         err);

        if (r >= 0)
                r = w_relation_side_delete(
                        tx, &(struct w_relation_side_delete_in){ .relation_id = e->relation_id },
                        err);
        if (r >= 0)
                r = insert_side(tx, e->relation_id, m->roles[0], a->id, m->endpoints[0], err);
        if (r >= 0)
                r = insert_side(tx, e->relation_id, m->roles[1], e->other_id, m->endpoints[1], err);
        if (r < 0)
                return r;
        tx_mark(tx, MARK_APPLICATION, e->other_id);
        return 0;
}

static int settle_one(struct tx *tx, struct command *c, const struct application_row *a,
                      const struct q_relation_ends_row *e, struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *other = NULL;
        struct endpoint_match m;
        struct err wrong = {};
        int r = other_meta(tx, e->other_id, &other, err);
        struct endpoint_side sides[2] = {
                { a->name, *e->endpoint ? e->endpoint : NULL, a->meta },
                { e->other_name, *e->other_endpoint ? e->other_endpoint : NULL, other },
        };

        if (r < 0)
                return r;
        r = endpoint_match(sides, &m, &wrong);
        if (r < 0)
                command_fault(c, (struct bundle_place){}, "relation: %s", err_text(&wrong));
        return r < 0 ? 0 : rewrite(tx, a, e, &m, err);
}

/* Whether the charms left something open, or may have told another role than was guessed. */
static bool is_open(const struct q_relation_ends_row *e, const struct application_row *a) {
        const struct meta_endpoint *mine = charm_meta_endpoint(a->meta, e->endpoint);

        return !*e->endpoint || !*e->other_endpoint || !*e->interface || !mine ||
               !str_eq(meta_role_names[mine->role], e->role);
}

int relation_row_settle(struct tx *tx, struct command *c, const struct application_row *a,
                        struct err *err) {
        struct ends ends = {};
        int64_t after = 0;
        int r = add_peers(tx, a, err);

        do {
                if (r >= 0)
                        r = read_ends(tx, a->id, after, &ends, err);
                for (size_t i = 0; r >= 0 && i < ends.count; i++) {
                        after = ends.rows[i].relation_id;
                        if (is_open(&ends.rows[i], a))
                                r = settle_one(tx, c, a, &ends.rows[i], err);
                }
        } while (r >= 0 && ends.count == PAGE);
        return r < 0 ? r : 0;
}

/* ---- the end */

/* The others leave when they have planned without it: see removal_side. */
static int end_without_charm(struct tx *tx, int64_t relation, int64_t application,
                             struct err *err) {
        struct q_application_row *row;
        size_t n;
        int r = q_application_by_id(tx, &(struct q_application_by_id_in){ .id = application }, &row,
                                    &n, err);

        if (r < 0 || n == 0 || row->charm_sha256)
                return r < 0 ? r : 0;
        return removal_side(tx, relation, application, err);
}

int relation_row_end(struct tx *tx, int64_t relation, struct err *err) {
        struct q_relation_side_list_row *sides;
        size_t n;
        int r = w_relation_set_life(
                tx, &(struct w_relation_set_life_in){ .life = "dying", .id = relation }, err);

        if (r >= 0)
                r = q_relation_side_list(
                        tx, &(struct q_relation_side_list_in){ .relation_id = relation }, &sides,
                        &n, err);
        if (r < 0)
                return r;
        for (size_t i = 0; r >= 0 && i < n; i++) {
                tx_mark(tx, MARK_APPLICATION, sides[i].application_id);
                r = end_without_charm(tx, relation, sides[i].application_id, err);
        }
        return r;
}
