/* SPDX-License-Identifier: Apache-2.0 */
/* view-internal.h - what the files of views share */
#pragma once

#include "lookup.h"
#include "view-model.h"

void view_put(json_t *j, const char *member, const char *text); /* NULL: left out */
void view_put_int(json_t *j, const char *member, int64_t n);
void view_put_time(json_t *j, const char *member, int64_t wall_ms);
/* "paused", if there is a pause: BY not NULL. UNTIL 0: nobody said. */
void view_put_pause(json_t *j, const char *by, const char *why, int64_t until);
/* {"current", "message", "since"} */
json_t *view_state(const char *current, const char *message, int64_t since);
/* Of a model, as its rows have it: available, destroying, removed (its storage is kept). */
int view_model_state(struct tx *tx, const struct q_model_row *m, json_t **ret, struct err *err);
/* JSON text of a row, or null. */
json_t *view_parse(const char *text);
bool view_is_token(const json_t *value); /* what stands in the row of a secret option */

/* Calls FN for each relation of a model, with its sides (one of peers, else two: provides
 * first). */
typedef int (*view_relation_fn)(struct tx *tx, const struct q_relation_row *r,
                                const struct q_relation_side_list_row *sides, size_t count,
                                void *arg, struct err *err);
int view_each_relation(struct tx *tx, int64_t model, view_relation_fn fn, void *arg,
                       struct err *err);

int view_application_json(struct tx *tx, const struct q_application_row *a,
                          const struct view_filter *f, json_t **ret, struct err *err);
int view_units_json(struct tx *tx, const struct q_application_row *a, json_t **ret,
                    struct err *err);
/* One relation as it is listed. */
json_t *view_relation_json(const struct q_relation_row *r,
                           const struct q_relation_side_list_row *sides, size_t count);
