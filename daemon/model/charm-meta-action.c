/* SPDX-License-Identifier: Apache-2.0 */
/* charm-meta-action.c - "actions" of charm.yaml: the keys of Juju's actions.yaml, and ours
 *
 *   actions:
 *     set-password:
 *       description: Change the password of a system user
 *       params: { username: {type: string, enum: [root]}, password: {type: string, secret: true} }
 *       required: [username]
 *       additionalProperties: false   # so it is when nothing is said
 *       parallel: true                # beside other actions of the application
 *       execution-group: maintenance  # one at a time of this group, whatever the application
 *                                     # (own/NAME: of this application)
 *       destructive: true             # ours: a second person has to approve it
 *       role: operator                # ours: the least that may run it; admin when nothing is said
 *       deadline: 10m                 # ours: of the whole
 *       secret-results: [password]    # ours: shown to operators only, who are kept in the audit
 *       asks: [exec]                  # ours: what it asks of the cluster: the rights that takes
 */
#include "charm-meta-action.h"

#include "clock.h"
#include "param.h"
#include "secret-token.h"

#include <errno.h>
#include <stdlib.h>

#define ACTIONS_MAX 200
#define DEADLINE_DEFAULT_MS (30 * 60000ll)
#define DEADLINE_MIN_MS 1000
#define DEADLINE_MAX_MS (7 * 86400000ll) /* a restore of terabytes */

struct action_in {
        const char *description, *group, *deadline, *role;
        json_t *params, *required, *others, *secret_results, *asks, *rest;
        bool parallel, destructive;
};

#define AT(member) offsetof(struct action_in, member)
static const struct json_field action_fields[] = {
        { "description", JSON_FIELD_STRING, AT(description), JSON_NULL_OK, 0, 0, NULL },
        { "title", JSON_FIELD_ANY, AT(rest), 0, 0, 0, NULL },
        { "params", JSON_FIELD_OBJECT, AT(params), JSON_NULL_OK, 0, 0, NULL },
        { "required", JSON_FIELD_LIST, AT(required), JSON_NULL_OK, 0, 0, NULL },
        { "additionalProperties", JSON_FIELD_ANY, AT(others), JSON_NULL_OK, 0, 0, NULL },
        { "parallel", JSON_FIELD_BOOL, AT(parallel), 0, 0, 0, NULL },
        { "execution-group", JSON_FIELD_STRING, AT(group), JSON_NULL_OK, 1, 63, NULL },
        { "destructive", JSON_FIELD_BOOL, AT(destructive), 0, 0, 0, NULL },
        { "role", JSON_FIELD_STRING, AT(role), JSON_NULL_OK, 0, 0, NULL },
        { "deadline", JSON_FIELD_STRING, AT(deadline), JSON_NULL_OK, 1, 20, NULL },
        { "secret-results", JSON_FIELD_LIST, AT(secret_results), JSON_NULL_OK, 0, 0, NULL },
        { "asks", JSON_FIELD_LIST, AT(asks), JSON_NULL_OK, 0, 0, NULL },
        {},
};

static bool name_valid(const char *name) {
        return *name >= 'a' && *name <= 'z' && strlen(name) <= 63 &&
               strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

static int read_deadline(const struct action_in *in, const json_t *j,
                         const struct json_where *where, int64_t *ret, struct err *err) {
        *ret = DEADLINE_DEFAULT_MS;
        if (!in->deadline || (clock_parse_span(in->deadline, ret) && *ret >= DEADLINE_MIN_MS &&
                              *ret <= DEADLINE_MAX_MS))
                return 0;
        return json_error(err, where, j, "deadline", "must be a time from 1s to 7d, as 10m");
}

static int read_role(const struct action_in *in, const json_t *j, const struct json_where *where,
                     bool *ret_operators, struct err *err) {
        *ret_operators = in->role && str_eq(in->role, "operator");
        if (!in->role || *ret_operators || str_eq(in->role, "admin"))
                return 0;
        return json_error(err, where, j, "role", "must be operator or admin: who may run it");
}

static int read_names(const json_t *list, const char *member, const json_t *j,
                      const struct json_where *where, struct err *err) {
        size_t i;
        json_t *name;

        json_array_foreach((json_t *)list, i, name)
                if (!json_is_string(name))
                        return json_error(err, where, j, member, "must be a list of names");
        return 0;
}

/* As JSON schema has it: an object of these properties. */
static json_t *make_schema(const struct action_in *in) {
        json_t *schema = json_object();

        json_object_set_new(schema, "type", json_string("object"));
        json_object_set_new(schema, "properties",
                            in->params ? json_incref(in->params) : json_object());
        if (in->required)
                json_object_set(schema, "required", in->required);
        json_object_set_new(schema, "additionalProperties",
                            in->others ? json_incref(in->others) : json_false());
        return schema;
}

static int read_action(struct charm_meta *m, const char *name, json_t *j,
                       const struct json_where *where, struct err *err) {
        struct meta_action *a = &m->actions[m->action_count];
        struct action_in in = {};
        int k = json_decode(j, action_fields, false, &in, where, err);

        if (k < 0)
                return k;
        if (!name_valid(name))
                return json_error(err, where, j, NULL,
                                  "the name of an action has small letters, digits and '-'");
        m->action_count++;
        *a = (struct meta_action){ .name = str_dup(name),
                                   .description = str_dup(in.description),
                                   .group = str_dup(in.group),
                                   .schema = make_schema(&in),
                                   .parallel = in.parallel,
                                   .destructive = in.destructive,
                                   .secret_results = json_incref(in.secret_results),
                                   .asks = json_incref(in.asks) };
        k = read_deadline(&in, j, where, &a->deadline_ms, err);
        if (k >= 0)
                k = read_role(&in, j, where, &a->for_operators, err);
        if (k >= 0)
                k = read_names(in.secret_results, "secret-results", j, where, err);
        if (k >= 0)
                k = read_names(in.asks, "asks", j, where, err);
        return k < 0 ? k : param_check_schema(a->schema, where, err);
}

int charm_meta_action_read(struct charm_meta *m, json_t *actions, const char *file,
                           const struct json_lines *lines, struct err *err) {
        const char *name;
        json_t *j;

        if (json_object_size(actions) > ACTIONS_MAX)
                return err_set(err, -EINVAL, "%s: has more than %d actions", file ? file : "charm",
                               ACTIONS_MAX);
        m->actions = mem_array(struct meta_action, json_object_size(actions) + 1);
        json_object_foreach(actions, name, j) {
                cleanup_(freep) char *path = str_format("actions.%s", name);
                struct json_where where = { file, lines, path };
                int k = read_action(m, name, j, &where, err);

                if (k < 0)
                        return k;
        }
        return 0;
}

int charm_meta_action_asks(const struct meta_action *a, const json_t *ask, struct err *err) {
        const char *verb = json_get_str(ask, "verb", "");
        const json_t *listed;
        size_t i;

        if (!str_eq(json_get_str(ask, "kind", ""), "verb") || json_get(ask, "target"))
                return 0;
        json_array_foreach(a->asks, i, listed)
                if (str_eq(json_string_value(listed), verb))
                        return 0;
        return err_set(err, -EPERM,
                       "asks for %s, which charm.yaml does not list under asks of action %s", verb,
                       a->name);
}

int charm_meta_option_sealed(const struct charm_meta *m, const char *option, struct err *err) {
        const struct meta_option *o = m ? charm_meta_option(m, option) : NULL;

        return o && o->type == META_SECRET
                       ? 0
                       : err_set(err, -EINVAL,
                                 "option %s is no secret: a secret would be seen there", option);
}

static int check_asked(const struct charm_meta *m, const char *option, const json_t *value,
                       struct err *err) {
        const struct meta_option *o = m ? charm_meta_option(m, option) : NULL;

        if (o && !o->by_actions)
                return err_set(err, -EPERM,
                               "asks to set option %s, which charm.yaml does not mark as "
                               "set-by-actions",
                               option);
        if (json_is_string(value) && secret_token_in(json_string_value(value)))
                return charm_meta_option_sealed(m, option, err);
        return 0;
}

int charm_meta_options_asked(const struct charm_meta *m, const json_t *ask, struct err *err) {
        const char *option;
        json_t *value;
        int r = 0;

        json_object_foreach(json_get(ask, "options"), option, value)
                if (r >= 0)
                        r = check_asked(m, option, value, err);
        return r;
}

void charm_meta_action_free(struct charm_meta *m) {
        for (size_t i = 0; i < m->action_count; i++) {
                free(m->actions[i].name);
                free(m->actions[i].description);
                free(m->actions[i].group);
                json_decref(m->actions[i].schema);
                json_decref(m->actions[i].secret_results);
                json_decref(m->actions[i].asks);
        }
        free(m->actions);
}
