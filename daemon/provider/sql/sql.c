/* SPDX-License-Identifier: Apache-2.0 */
/* sql.c - the provider of MySQL, MariaDB and PostgreSQL servers: databases, users, grants
 *
 * Not watched: the reconciler looks in its turn. What apply saw is the baseline, whole; the
 * projection is therefore one for all. See sql-config.h for a target's document, sql-document.c
 * for what may be wanted. */
#include "sql-target.h"

#include <errno.h>
#include <stdlib.h>

#define POLL_MS 30000 /* damage is put right within a minute (issue: 9); two queries a resource */
#define FIELDS "sql/1"

struct projection {
        char nothing;
};

static int projection_parse(const char *fields, struct projection **ret, struct err *err) {
        if (!str_eq(fields, FIELDS))
                return err_set(err, -EINVAL, "field set \"%.20s\": this program writes " FIELDS,
                               fields);
        *ret = mem_new(struct projection);
        return 0;
}

static void projection_free(struct projection *p) {
        free(p);
}

static bool secret_place(const json_t *wanted, const char *pointer) {
        return str_eq(pointer, "/password");
}

static void look(struct target *t, const struct apply_request *r, struct op *op) {
        sql_target_start(t, SQL_LOOK, r, op);
}

static void apply(struct target *t, const struct apply_request *r, struct op *op) {
        sql_target_start(t, SQL_APPLY, r, op);
}

static void remove_it(struct target *t, const struct apply_request *r, struct op *op) {
        sql_target_start(t, SQL_REMOVE, r, op);
}

/* ---- compare */

static void add_drift(struct drift_list *l, char *field, json_t *wanted, json_t *found) {
        struct drift *d = drift_list_add(l);

        *d = (struct drift){ .field = field, .wanted = wanted, .found = found };
}

static void compare_lists(const char *member, const json_t *was, const json_t *is,
                          struct drift_list *ret) {
        cleanup_(json_freep) json_t *gone = sql_engine_missing(was, is);
        cleanup_(json_freep) json_t *new = sql_engine_missing(is, was);
        size_t i;
        json_t *item;

        json_array_foreach(gone, i, item)
                add_drift(ret, str_format("%s[%s]", member, json_string_value(item)),
                          json_incref(item), NULL);
        json_array_foreach(new, i, item)
                add_drift(ret, str_format("%s[%s]", member, json_string_value(item)), NULL,
                          json_incref(item));
}

static bool hidden(const char *member) {
        return str_eq(member, "password") || str_eq(member, "auth_or");
}

static void compare_member(const char *member, json_t *was, json_t *is, struct drift_list *ret) {
        if (was && is && json_equal(was, is))
                return;
        if (json_is_array(was) && json_is_array(is))
                return compare_lists(member, was, is, ret);
        if (hidden(member))
                return add_drift(ret, str_dup(member), was ? json_string("(hidden)") : NULL,
                                 is ? json_string("(hidden, differs)") : NULL);
        add_drift(ret, str_dup(member), json_incref(was), json_incref(is));
}

static int compare(const struct apply_request *r, const struct observation *o,
                   struct drift_list *ret, struct err *err) {
        const char *member;
        json_t *value;

        if (!json_is_object(r->baseline) || !json_is_object(o->found))
                return err_set(err, -EINVAL, "%s %s: nothing to compare", r->type, r->path);
        json_object_foreach((json_t *)r->baseline, member, value)
                compare_member(member, value, json_get(o->found, member), ret);
        json_object_foreach(o->found, member, value)
                if (!json_get(r->baseline, member))
                        compare_member(member, NULL, value, ret);
        return 0;
}

extern const struct provider provider_sql;
const struct provider provider_sql = {
        .name = "sql",
        .poll_every_ms = POLL_MS,
        .check = sql_config_check,
        .identify = sql_document_identify,
        .secret_place = secret_place,
        .open = sql_target_open,
        .close = sql_target_close,
        .look = look,
        .apply = apply,
        .remove = remove_it,
        .cancel = sql_target_cancel,
        .compare = compare,
        .projection_parse = projection_parse,
        .projection_free = projection_free,
};
