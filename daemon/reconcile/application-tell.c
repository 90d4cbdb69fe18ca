/* SPDX-License-Identifier: Apache-2.0 */
/* application-tell.c - what a plan tells over its relations, and whom that opens secrets for */
#include "application.h"

#include "queries.gen.h"

#include <errno.h>

#define RELATION_TURNS_MAX 20 /* charms that agree with each other do so in a few */

struct granting {
        struct tx *tx;
        const struct application_work *w;
        int64_t relation;
        struct map told; /* uris */
};

/* Its own, or one that people granted to it; not what another one told it. */
static int may_tell(const struct granting *g, const struct q_secret_row *s, bool *ret,
                    struct err *err) {
        struct q_secret_opens_in in = { .uri = s->uri, .application_id = g->w->id };
        struct q_secret_opens_row *row;
        size_t n = 0;
        int r = s->user_secret_id_null ? 0 : q_secret_opens(g->tx, &in, &row, &n, err);

        *ret = n > 0 || s->application_id == g->w->id;
        return r < 0 ? r : 0;
}

/* A token that is told opens for the other side of this relation, and for nobody else. */
static int grant(void *arg, const struct secret_ref *ref, const char *pointer, bool in_name,
                 struct err *err) {
        struct granting *g = arg;
        struct q_secret_row *row;
        bool may = false;
        size_t n;
        int r = q_secret_by_uri(g->tx, &(struct q_secret_by_uri_in){ .uri = ref->uri }, &row, &n,
                                err);

        if (r >= 0 && n)
                r = may_tell(g, row, &may, err);
        if (r < 0)
                return r;
        if (!may)
                return err_set(err, -EPERM, "tells a secret that is not its own");
        r = w_secret_grant_insert(g->tx,
                                  &(struct w_secret_grant_insert_in){ .secret_id = row->id,
                                                                      .relation_id = g->relation },
                                  err);
        map_set(&g->told, ref->uri, g);
        return r < 0 ? r : 0;
}

/* What is not told any more opens for nobody there. */
static int withdraw(struct granting *g, struct err *err) {
        struct q_secret_granted_by_row *rows;
        size_t n;
        int r = q_secret_granted_by(g->tx,
                                    &(struct q_secret_granted_by_in){ .relation_id = g->relation,
                                                                      .application_id = g->w->id },
                                    &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (!map_find(&g->told, rows[i].uri))
                        r = w_secret_grant_delete(
                                g->tx,
                                &(struct w_secret_grant_delete_in){ .secret_id = rows[i].id,
                                                                    .relation_id = g->relation },
                                err);
        return r < 0 ? r : 0;
}

static int other_side(struct tx *tx, const struct application_work *w, int64_t relation,
                      int64_t *ret, struct err *err) {
        struct q_relation_other_sides_row *rows;
        size_t n;
        int r = q_relation_other_sides(
                tx, &(struct q_relation_other_sides_in){ .application_id = w->id }, &rows, &n, err);

        *ret = 0;
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (rows[i].relation_id == relation && str_eq(rows[i].life, "alive"))
                        *ret = rows[i].other_id;
        return r;
}

static int grant_told(struct tx *tx, const struct application_work *w, int64_t relation,
                      const json_t *said, struct err *err) {
        struct granting g = { .tx = tx, .w = w, .relation = relation };
        const char *key;
        json_t *value;
        int r = 0;

        json_object_foreach((json_t *)said, key, value) {
                r = secret_token_walk(value, grant, &g, err);
                if (r < 0) {
                        r = err_add(err, r, "relation %lld: %s", (long long)relation, key);
                        break;
                }
        }
        if (r >= 0)
                r = withdraw(&g, err);
        map_free(&g.told);
        return r;
}

/* Two charms that answer each other for ever are a mistake of both. */
static int count_turn(struct tx *tx, const struct application_work *w, int64_t relation,
                      struct err *err) {
        struct q_relation_side_list_row *sides;
        struct q_relation_row *row;
        size_t n, count;
        int r = w_relation_turn(tx, &(struct w_relation_turn_in){ .id = relation }, err);

        if (r >= 0)
                r = q_relation_by_id(tx, &(struct q_relation_by_id_in){ .id = relation }, &row, &n,
                                     err);
        if (r < 0 || n == 0 || row->turns <= RELATION_TURNS_MAX)
                return r;
        r = q_relation_side_list(tx, &(struct q_relation_side_list_in){ .relation_id = relation },
                                 &sides, &count, err);
        if (r < 0 || count == 0)
                return r;
        return err_set(err, -ELOOP,
                       "%s and %s have changed what they tell each other %d times in a row, and "
                       "nothing else changed: their charms answer each other for ever",
                       sides[0].application, sides[count - 1].application, RELATION_TURNS_MAX);
}

static int tell_relation(struct tx *tx, struct application_work *w, int64_t relation,
                         const json_t *said, struct err *err) {
        struct q_relation_data_list_row *rows;
        int64_t other, changes = 0;
        const char *key;
        json_t *value;
        size_t n;
        int r = other_side(tx, w, relation, &other, err);

        if (r < 0 || !other)
                return r; /* the relation went while the charm was planning */
        r = grant_told(tx, w, relation, said, err);
        if (r < 0)
                return r;
        json_object_foreach((json_t *)said, key, value) {
                cleanup_(freep) char *text = json_text(value);

                r = w_relation_data_set(tx,
                                        &(struct w_relation_data_set_in){ .relation_id = relation,
                                                                          .application_id = w->id,
                                                                          .key = key,
                                                                          .value = text },
                                        err);
                if (r < 0)
                        return r;
                changes += r;
        }
        r = q_relation_data_list(tx,
                                 &(struct q_relation_data_list_in){ .relation_id = relation,
                                                                    .application_id = w->id,
                                                                    .after = "",
                                                                    .max = 1000 },
                                 &rows, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (json_object_get(said, rows[i].key))
                        continue;
                r = w_relation_data_delete(
                        tx,
                        &(struct w_relation_data_delete_in){ .relation_id = relation,
                                                             .application_id = w->id,
                                                             .key = rows[i].key },
                        err);
                changes++;
        }
        if (r < 0 || !changes)
                return r;
        tx_mark(tx, MARK_APPLICATION, other);
        return w->moved ? 0 : count_turn(tx, w, relation, err);
}

int application_tell(struct tx *tx, struct application_work *w, struct err *err) {
        size_t i;
        json_t *relation;

        if (w->moved) {
                int r = w_relation_turns_end(
                        tx, &(struct w_relation_turns_end_in){ .application_id = w->id }, err);

                if (r < 0)
                        return r;
        }
        json_array_foreach(json_get(w->view, "relations"), i, relation) {
                int64_t id = json_get_int(relation, "id", 0);
                int r = tell_relation(tx, w, id,
                                      json_get(w->plan->tell, tx_format(tx, "%lld", (long long)id)),
                                      err);

                if (r < 0)
                        return r;
        }
        return 0;
}
