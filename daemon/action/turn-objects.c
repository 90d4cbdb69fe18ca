/* SPDX-License-Identifier: Apache-2.0 */
/* turn-objects.c - what an operation applied goes with it: asked for by the engine itself, as its
 * last turn, after all that cleans up
 *
 * Which objects there may be is in the journal: what was asked for and never done is looked for
 * too. What cannot be removed is a leftover. */
#include "turn.h"

#include "command.h"

#include <stdlib.h>

#define KIND "remove"
#define PAGE 200

bool turn_objects_removing(const struct turn *t) {
        return t->rows.asked && str_eq(json_get_str(t->rows.ask, "kind", ""), KIND);
}

static void add_object(json_t *list, const json_t *ask) {
        const char *verb = json_get_str(ask, "verb", "");
        const json_t *object = json_get(json_get(ask, "ask"), "object");
        json_t *one;
        size_t i;

        if (json_get(ask, "target") || !(str_eq(verb, "apply") || str_eq(verb, "job")))
                return;
        one = json_pack("{s:s, s:s, s:s}", "apiVersion", json_get_str(object, "apiVersion", ""),
                        "kind", json_get_str(object, "kind", ""), "name",
                        json_get_str(json_get(object, "metadata"), "name", ""));
        for (i = 0; i < json_array_size(list); i++)
                if (json_equal(json_array_get(list, i), one))
                        break;
        if (i == json_array_size(list))
                json_array_append(list, one);
        json_decref(one);
}

static int applied(struct tx *tx, int64_t id, json_t *list, struct err *err) {
        struct q_operation_turn_list_in in = { .operation_id = id, .max = PAGE };
        struct q_operation_turn_row *rows;
        size_t n;
        int r;

        do {
                r = q_operation_turn_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        cleanup_(json_freep) json_t *ask = NULL;

                        in.after = rows[i].seq;
                        r = json_parse(rows[i].ask, strlen(rows[i].ask), &ask, err);
                        if (r >= 0 && !str_eq(rows[i].outcome, "refused"))
                                add_object(list, ask);
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

int turn_objects_ask(struct tx *tx, const struct turn *t, json_t **ret, struct err *err) {
        json_t *list = json_array();
        int r = applied(tx, t->id, list, err);

        *ret = NULL;
        if (r >= 0 && json_array_size(list))
                *ret = json_pack("{s:s, s:s, s:{s:O}}", "kind", KIND, "verb", KIND, "ask",
                                 "objects", list);
        json_decref(list);
        return r;
}

int turn_objects_left(struct tx *tx, const struct turn *t, struct err *err) {
        const char *why =
                tx_format(tx, "was applied by operation %lld, and could not be removed: %s",
                          (long long)t->id, t->rows.error);
        const json_t *object;
        size_t i;
        int r = 0;

        json_array_foreach(json_get(json_get(t->rows.ask, "ask"), "objects"), i, object) {
                struct data_left left = { .model = t->rows.model,
                                          .application = t->rows.application,
                                          .type = json_get_str(object, "kind", ""),
                                          .path = tx_format(tx, "%s/%s", t->rows.model,
                                                            json_get_str(object, "name", "")),
                                          .why = why };

                if (r >= 0)
                        r = data_leave(tx, &left, err);
        }
        return r;
}
