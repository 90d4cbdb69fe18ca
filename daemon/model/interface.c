/* SPDX-License-Identifier: Apache-2.0 */
/* interface.c - relation data against its schema; see interface.h */
#include "interface.h"

#include "interface-table.h"

#include <errno.h>

static const struct interface_schema *find(const char *name) {
        for (size_t i = 0; i < interface_table_count; i++)
                if (str_eq(interface_table[i].name, name))
                        return &interface_table[i];
        return NULL;
}

static bool writes(const struct interface_field *f, const char *role) {
        switch (f->writer) {
        case INTERFACE_PROVIDES:
                return str_eq(role, "provides");
        case INTERFACE_REQUIRES:
                return str_eq(role, "requires");
        default:
                return true;
        }
}

/* The field that ROLE writes; when there is none but the other side has one of that name, that. */
static const struct interface_field *find_field(const struct interface_schema *s, const char *role,
                                                const char *key) {
        const struct interface_field *others = NULL;

        for (size_t i = 0; i < s->count; i++) {
                if (!str_eq(s->fields[i].name, key))
                        continue;
                if (writes(&s->fields[i], role))
                        return &s->fields[i];
                others = &s->fields[i];
        }
        return others;
}

static bool fits(enum interface_type type, const json_t *value) {
        switch (type) {
        case INTERFACE_TEXT:
                return json_is_string(value);
        case INTERFACE_INT:
                return json_is_integer(value);
        case INTERFACE_NUMBER:
                return json_is_number(value);
        case INTERFACE_BOOL:
                return json_is_boolean(value);
        case INTERFACE_LIST:
                return json_is_array(value);
        case INTERFACE_MAP:
                return json_is_object(value);
        default:
                return true;
        }
}

/* Tokens in all their forms, those of secrets that are not made yet ("want") too. */
static bool has_token(const json_t *value) {
        cleanup_(freep) char *text = json_text(value);

        return strstr(text, "{{secret:") || strstr(text, "{{want:");
}

static int check_secret(const struct interface_field *f, const char *interface, const json_t *value,
                        struct err *err) {
        bool token = has_token(value);

        if (token && f->secret == INTERFACE_SECRET_NEVER)
                return err_set(err, -EINVAL,
                               "interface %s: %s is not secret: no token may stand there",
                               interface, f->name);
        if (!token && f->secret == INTERFACE_SECRET_ALWAYS)
                return err_set(err, -EINVAL,
                               "interface %s: %s is secret: it takes a token of charm_secret, "
                               "nothing readable",
                               interface, f->name);
        return 0;
}

static int no_such_field(const struct interface_schema *s, const char *role, const char *key,
                         struct err *err) {
        cleanup_(buf_free) struct buf names = BUF_INIT;

        for (size_t i = 0; i < s->count; i++)
                if (writes(&s->fields[i], role))
                        buf_printf(&names, "%s%s", names.len ? ", " : "", s->fields[i].name);
        return err_set(err, -EINVAL, "interface %s: the %s side has no field %s; it has %s",
                       s->name, role, key, names.len ? buf_str(&names) : "none");
}

int interface_check(const char *interface, const char *role, const char *key, const json_t *value,
                    struct err *err) {
        static const char *const names[] = { "a text", "a whole number", "a number", "a boolean",
                                             "a list", "a map",          "" };
        const struct interface_schema *s = find(interface);
        const struct interface_field *f;

        if (str_eq(role, "peers"))
                return 0;
        if (!s && has_token(value))
                return err_set(err, -EINVAL,
                               "interface %s has no schema, so that %s cannot hold a secret",
                               interface, key);
        if (!s)
                return INTERFACE_UNKNOWN;
        f = find_field(s, role, key);
        if (!f)
                return no_such_field(s, role, key, err);
        if (!writes(f, role))
                return err_set(
                        err, -EINVAL,
                        "interface %s: %s is told by the other side, not by the one that %s it",
                        interface, key, role);
        if (!fits(f->type, value))
                return err_set(err, -EINVAL, "interface %s: %s wants %s, is %s", interface, key,
                               names[f->type], json_type_name(value));
        return check_secret(f, interface, value, err);
}

bool interface_secret(const char *interface, const char *role, const char *key) {
        const struct interface_schema *s = find(interface);
        const struct interface_field *f = s ? find_field(s, role, key) : NULL;

        return f && writes(f, role) && f->secret != INTERFACE_SECRET_NEVER;
}

/* ---- a whole plan */

static const json_t *find_relation(const json_t *relations, const char *id) {
        int64_t number;
        json_t *r;
        size_t i;

        if (!str_to_int(id, &number))
                return NULL;
        json_array_foreach((json_t *)relations, i, r)
                if (json_get_int(r, "id", -1) == number)
                        return r;
        return NULL;
}

static void note(json_t *list, const char *interface) {
        size_t i;
        json_t *j;

        if (!list)
                return;
        json_array_foreach(list, i, j)
                if (str_eq(json_string_value(j), interface))
                        return;
        json_array_append_new(list, json_string(interface));
}

static int check_relation(const json_t *relation, const json_t *keys, json_t *ret_unknown,
                          struct err *err) {
        const char *interface = json_get_str(relation, "interface", ""),
                   *role = json_get_str(relation, "role", "");
        const char *key;
        json_t *value;

        json_object_foreach((json_t *)keys, key, value) {
                int r = interface_check(interface, role, key, value, err);

                if (r < 0)
                        return err_add(err, r, "relation %s",
                                       json_get_str(relation, "endpoint", ""));
                if (r == INTERFACE_UNKNOWN)
                        note(ret_unknown, interface);
        }
        return 0;
}

int interface_check_tell(const json_t *relations, const json_t *tell, json_t *ret_unknown,
                         struct err *err) {
        const char *id;
        json_t *keys;

        json_object_foreach((json_t *)tell, id, keys) {
                const json_t *relation = find_relation(relations, id);
                int r = relation ? check_relation(relation, keys, ret_unknown, err)
                                 : err_set(err, -EINVAL,
                                           "the plan tells relation %s, which is not in its view",
                                           id);

                if (r < 0)
                        return r;
        }
        return 0;
}
