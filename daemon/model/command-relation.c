/* SPDX-License-Identifier: Apache-2.0 */
/* command-relation.c - integrate and remove-relation */
#include "command-internal.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 1000 /* relations of one application in one read */

struct side {
        struct bundle_side text;
        const struct q_application_row *row;
        struct charm_meta *meta;
};

static void side_deinit(struct side *s) {
        bundle_side_deinit(&s->text);
        charm_meta_free(s->meta);
}

static int read_side(struct tx *tx, const struct q_model_row *model, const char *text,
                     struct side *s, struct err *err) {
        int r = text ? bundle_read_side(text, &s->text, err)
                     : err_set(err, -EINVAL, "two applications are needed");

        if (r >= 0)
                r = lookup_live_application(tx, model, s->text.application, &s->row, err);
        return r < 0 ? r : lookup_meta(tx, s->row, &s->meta, err);
}

int command_relation_add(struct tx *tx, struct command *c, struct err *err) {
        struct command_relation *relation = command_of(c, command_relation);
        cleanup_(side_deinit) struct side a = {};
        cleanup_(side_deinit) struct side b = {};
        struct relation_side_row sides[2];
        const struct q_model_row *model;
        int64_t id;
        int r = lookup_live_model(tx, relation->model, &model, err);

        if (r >= 0)
                r = read_side(tx, model, relation->a, &a, err);
        if (r >= 0)
                r = read_side(tx, model, relation->b, &b, err);
        if (r < 0)
                return r;
        sides[0] = (struct relation_side_row){ a.row->id, a.row->name, a.text.endpoint, a.meta };
        sides[1] = (struct relation_side_row){ b.row->id, b.row->name, b.text.endpoint, b.meta };
        r = relation_row_add(tx, c, model->id, sides, (struct bundle_place){}, &id, err);
        if (r >= 0 && id > 0)
                command_say(c, "relation", json_integer(id));
        return r < 0 ? r : 0;
}

/* ---- removing */

static bool is_meant(const struct q_relation_ends_row *e, const struct side *a,
                     const struct side *b) {
        return e->other_id == b->row->id &&
               (!a->text.endpoint || str_eq(a->text.endpoint, e->endpoint)) &&
               (!b->text.endpoint || str_eq(b->text.endpoint, e->other_endpoint));
}

static int not_one(const struct side *a, const struct side *b, size_t found, struct buf *list,
                   struct err *err) {
        if (found == 0)
                return err_set(err, -ENOENT, "%s and %s are not related", a->row->name,
                               b->row->name);
        return err_set(err, -EINVAL, "%s and %s have %zu relations, say which: %s", a->row->name,
                       b->row->name, found, buf_str(list));
}

/* The one relation between both that is not being removed already. */
static int find_between(struct tx *tx, const struct side *a, const struct side *b, int64_t *ret,
                        struct err *err) {
        cleanup_(buf_free) struct buf list = BUF_INIT;
        struct q_relation_ends_in in = { .application_id = a->row->id, .max = PAGE };
        struct q_relation_ends_row *rows;
        size_t n, found = 0;
        int r;

        do {
                r = q_relation_ends(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].relation_id;
                        if (!is_meant(&rows[i], a, b))
                                continue;
                        *ret = rows[i].relation_id;
                        buf_printf(&list, "%s\"%s:%s %s:%s\"", found++ ? ", " : "", a->row->name,
                                   rows[i].endpoint, b->row->name, rows[i].other_endpoint);
                }
        } while (r >= 0 && n == PAGE);
        if (r < 0)
                return r;
        return found == 1 ? 0 : not_one(a, b, found, &list, err);
}

static int find_named(struct tx *tx, const struct q_model_row *model,
                      const struct command_relation *c, int64_t *ret, struct err *err) {
        cleanup_(side_deinit) struct side a = {};
        cleanup_(side_deinit) struct side b = {};
        struct side *sides[] = { &a, &b };
        const char *texts[] = { c->a, c->b };

        for (int i = 0; i < 2; i++) {
                int r = texts[i] ? bundle_read_side(texts[i], &sides[i]->text, err)
                                 : err_set(err, -EINVAL,
                                           "two applications, or a relation's id, are needed");

                if (r >= 0)
                        r = lookup_application(tx, model, sides[i]->text.application,
                                               &sides[i]->row, err);
                if (r < 0)
                        return r;
        }
        return find_between(tx, &a, &b, ret, err);
}

static int find_id(struct tx *tx, const struct q_model_row *model, int64_t id, struct err *err) {
        struct q_relation_side_list_row *sides;
        struct q_relation_row *row;
        size_t n, count = 0;
        int r = q_relation_by_id(tx, &(struct q_relation_by_id_in){ .id = id }, &row, &n, err);

        if (r < 0)
                return r;
        if (n == 0 || row->model_id != model->id)
                return err_set(err, -ENOENT, "model %s has no relation %lld", model->name,
                               (long long)id);
        r = q_relation_side_list(tx, &(struct q_relation_side_list_in){ .relation_id = id }, &sides,
                                 &count, err);
        if (r >= 0 && count == 1)
                return err_set(err, -EINVAL,
                               "relation %lld is among the peers of %s: it ends with it",
                               (long long)id, sides[0].application);
        return r < 0 ? r : 0;
}

int command_relation_remove(struct tx *tx, struct command *c, struct err *err) {
        struct command_relation *relation = command_of(c, command_relation);
        const struct q_model_row *model;
        struct q_relation_row *row;
        int64_t id = relation->id;
        size_t n;
        int r = lookup_model(tx, relation->model, &model, err);

        if (r >= 0)
                r = id > 0 ? find_id(tx, model, id, err)
                           : lookup_no_guess(find_named(tx, model, relation, &id, err), err);
        if (r >= 0)
                r = q_relation_by_id(tx, &(struct q_relation_by_id_in){ .id = id }, &row, &n, err);
        if (r < 0)
                return r;
        command_say(c, "relation", json_integer(id));
        if (n == 0 || str_eq(row->life, "dying"))
                return 0;
        command_change(c, "remove-relation", NULL, "remove relation %lld (%s)", (long long)id,
                       *row->interface ? row->interface : "not settled yet");
        r = consequence_relation(tx, c, id, err);
        return r < 0 ? r : relation_row_end(tx, id, err);
}
