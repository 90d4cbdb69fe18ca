/* SPDX-License-Identifier: Apache-2.0 */
/* selector.c - label and field selectors; see selector.h */
#include "selector.h"

#include "store.h"

#include <ctype.h>

void selector_deinit(struct selector *s) {
        json_decref(s->labels);
        json_decref(s->fields);
        *s = (struct selector){ 0 };
}

static void blanks(const char **p) {
        *p += strspn(*p, " ");
}

static char *word(const char **p) {
        size_t n = strcspn(*p, " ,=!()");
        char *text = str_ndup(*p, n);

        *p += n;
        blanks(p);
        return text;
}

/* "(a, b)" */
static bool values(const char **p, json_t *out) {
        if (**p != '(')
                return false;
        do {
                cleanup_(freep) char *value = NULL;

                (*p)++;
                blanks(p);
                value = word(p);
                json_array_append_new(out, json_string(value));
        } while (**p == ',');
        if (**p != ')')
                return false;
        (*p)++;
        return true;
}

/* What follows a key. False: not an operator. */
static bool requirement(const char **p, const char **ret_operator, json_t *out) {
        cleanup_(freep) char *value = NULL;
        bool in = str_starts(*p, "in "), in_tight = str_starts(*p, "in(");
        bool notin = str_starts(*p, "notin "), notin_tight = str_starts(*p, "notin(");

        if (!**p || **p == ',') {
                *ret_operator = "exists";
                return true;
        }
        if (in || in_tight || notin || notin_tight) {
                *ret_operator = in || in_tight ? "in" : "notin";
                *p += strlen(*ret_operator);
                blanks(p);
                return values(p, out);
        }
        *ret_operator = **p == '!' ? "!=" : "=";
        if (!strncmp(*p, "!=", 2) || !strncmp(*p, "==", 2))
                *p += 2;
        else if (**p == '=')
                (*p)++;
        else
                return false;
        blanks(p);
        value = word(p);
        json_array_append_new(out, json_string(value));
        return true;
}

static bool parse(const char *text, json_t *out) {
        const char *p = text;

        while (blanks(&p), *p) {
                bool not = *p == '!';
                cleanup_(freep) char *key = NULL;
                cleanup_(json_freep) json_t *list = json_array();
                const char *operator= "!";

                p += not ;
                blanks(&p);
                key = word(&p);
                if (!*key)
                        return false;
                if (!not &&!requirement(&p, &operator, list))
                        return false;
                json_array_append_new(out, json_pack("{s:s,s:s,s:O}", "key", key,
                                                     "operator", operator, "values", list));
                blanks(&p);
                if (*p && *p++ != ',')
                        return false;
        }
        return true;
}

static bool field_known(const struct kind *kind, const char *field) {
        static const struct {
                const char *kind, *field;
        } table[] = {
                { "*", "metadata.name" },
                { "*", "metadata.namespace" },
                { "Pod", "spec.nodeName" },
                { "Pod", "spec.restartPolicy" },
                { "Pod", "spec.schedulerName" },
                { "Pod", "spec.serviceAccountName" },
                { "Pod", "status.phase" },
                { "Pod", "status.podIP" },
                { "Namespace", "status.phase" },
                { "Secret", "type" },
                { "Node", "spec.unschedulable" },
                { "Job", "status.successful" },
                { "Event", "involvedObject.kind" },
                { "Event", "involvedObject.namespace" },
                { "Event", "involvedObject.name" },
                { "Event", "involvedObject.uid" },
                { "Event", "reason" },
                { "Event", "type" },
                { "Service", "spec.clusterIP" },
                { "Service", "spec.type" },
                { "ReplicaSet", "status.replicas" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(table); i++)
                if (str_eq(field, table[i].field) &&
                    (str_eq(table[i].kind, "*") || str_eq(table[i].kind, kind->kind)))
                        return true;
        return false;
}

static bool has_own_fields(const struct kind *kind) {
        static const char *const kinds[] = { "Pod",     "Node",      "ReplicationController",
                                             "Event",   "Namespace", "Secret",
                                             "Service", "Job" };

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                if (str_eq(kind->kind, kinds[i]))
                        return true;
        return false;
}

static bool fields_known(const struct kind *kind, const struct selector *s, struct reply *reply) {
        json_t *r;
        size_t i;

        json_array_foreach(s->fields, i, r) {
                const char *key = json_get_str(r, "key", "");

                if (field_known(kind, key))
                        continue;
                if (kind->flags & KIND_CUSTOM || has_own_fields(kind))
                        reply_bad_request(reply, "field label not supported: %s", key);
                else
                        reply_bad_request(reply,
                                          "\"%s\" is not a known field selector: only "
                                          "\"metadata.name\", \"metadata.namespace\"",
                                          key);
                return false;
        }
        return true;
}

bool selector_parse(const struct kind *kind, const char *labels, const char *fields,
                    struct selector *ret, struct reply *reply) {
        struct selector s = { json_array(), json_array() };

        if (labels && !parse(labels, s.labels))
                reply_bad_request(
                        reply,
                        "unable to parse requirement: found '%s', expected: an operator or "
                        "a value",
                        labels);
        else if (fields && !parse(fields, s.fields))
                reply_bad_request(reply, "invalid selector: '%s'; can't understand '%s'", fields,
                                  fields);
        else if (fields_known(kind, &s, reply)) {
                *ret = s;
                return true;
        }
        selector_deinit(&s);
        return false;
}

static bool in_values(const json_t *list, const char *value) {
        json_t *v;
        size_t i;

        json_array_foreach((json_t *)list, i, v) {
                if (str_eq(json_string_value(v), value))
                        return true;
        }
        return false;
}

static bool satisfied(const json_t *r, const char *value) {
        const char *operator= json_get_str(r, "operator", "");
        bool among = value && in_values(json_get(r, "values"), value);

        if (str_eq(operator, "exists") || str_eq(operator, "Exists"))
                return value;
        if (str_eq(operator, "!") || str_eq(operator, "DoesNotExist"))
                return !value;
        if (str_eq(operator, "!=") || str_eq(operator, "notin") || str_eq(operator, "NotIn"))
                return !among;
        return among;
}

static const char *field_value(const json_t *object, const char *field) {
        cleanup_(freep) char *path = str_dup(field);
        char *save = NULL;

        for (char *p = strtok_r(path, ".", &save); p; p = strtok_r(NULL, ".", &save))
                object = json_object_get(object, p);
        return json_is_string(object) ? json_string_value(object) : "";
}

bool selector_matches(const struct selector *s, const json_t *object) {
        json_t *labels = json_get(store_meta(object), "labels"), *r;
        size_t i;

        json_array_foreach(s->labels, i, r) {
                if (!satisfied(r, json_get_str(labels, json_get_str(r, "key", ""), NULL)))
                        return false;
        }
        json_array_foreach(s->fields, i, r) {
                if (!satisfied(r, field_value(object, json_get_str(r, "key", ""))))
                        return false;
        }
        return true;
}

bool selector_matches_object(const json_t *selector, const json_t *labels) {
        bool plain = !json_get(selector, "matchLabels") && !json_get(selector, "matchExpressions");
        json_t *r, *value;
        const char *key;
        size_t i;

        if (json_object_size(selector) == 0)
                return false;
        json_object_foreach(plain ? (json_t *)selector : json_get(selector, "matchLabels"), key,
                            value) {
                if (!str_eq(json_get_str(labels, key, NULL), json_string_value(value)))
                        return false;
        }
        json_array_foreach(json_get(selector, "matchExpressions"), i, r) {
                if (!satisfied(r, json_get_str(labels, json_get_str(r, "key", ""), NULL)))
                        return false;
        }
        return true;
}
