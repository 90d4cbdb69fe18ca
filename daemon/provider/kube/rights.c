/* SPDX-License-Identifier: Apache-2.0 */
/* rights.c - rules for the least ClusterRole, each with its reason
 *
 * Pure: the plural is guessed as Kubernetes' own generators make it, because no cluster is
 * asked; kinds with another plural are a table. What the provider itself needs (which cluster
 * this is, units, port-forward, events) is added with every document and merged by the caller,
 * who merges equal rules anyway. Granting roles needs what they grant, or escalate and bind. */
#include "rights.h"

#include "kinds.h"
#include "object-act.h"

#include <ctype.h>

static const struct {
        const char *kind, *plural;
} odd_plurals[] = {
        { "Endpoints", "endpoints" },
        { "EndpointSlice", "endpointslices" },
};

static char *plural_of(const char *kind) {
        cleanup_(freep) char *lower = str_dup(kind);
        size_t n = strlen(kind);

        for (size_t i = 0; i < ARRAY_SIZE(odd_plurals); i++)
                if (str_eq(odd_plurals[i].kind, kind))
                        return str_dup(odd_plurals[i].plural);
        for (char *p = lower; *p; p++)
                *p = (char)tolower((unsigned char)*p);
        if (str_ends(lower, "s") || str_ends(lower, "x") || str_ends(lower, "ch") ||
            str_ends(lower, "sh"))
                return str_format("%ses", lower);
        if (n > 1 && lower[n - 1] == 'y' && !strchr("aeiou", lower[n - 2]))
                return str_format("%.*sies", (int)n - 1, lower);
        return str_format("%ss", lower);
}

static bool has_rule(const json_t *rules, const char *group, const char *resource,
                     const char *verb) {
        const json_t *rule;
        size_t i;

        json_array_foreach(rules, i, rule)
                if (str_eq(json_get_str(rule, "group", ""), group) &&
                    str_eq(json_get_str(rule, "resource", ""), resource) &&
                    str_eq(json_string_value(json_array_get(json_get(rule, "verbs"), 0)), verb))
                        return true;
        return false;
}

static void add(json_t *rules, const char *group, const char *resource, const char *const *verbs,
                const char *why) {
        json_t *rule, *list;

        if (has_rule(rules, group, resource, verbs[0]))
                return;
        rule = json_object();
        list = json_array();
        for (; *verbs; verbs++)
                json_array_append_new(list, json_string(*verbs));
        json_object_set_new(rule, "group", json_string(group));
        json_object_set_new(rule, "resource", json_string(resource));
        json_object_set_new(rule, "verbs", list);
        json_object_set_new(rule, "why", json_string(why));
        json_array_append_new(rules, rule);
}

static void add_own(json_t *rules) {
        static const char *const get[] = { "get", NULL };
        static const char *const watch[] = { "list", "watch", NULL };
        static const char *const list[] = { "list", NULL };
        static const char *const look[] = { "get", "list", "watch", NULL };
        static const char *const forward[] = { "create", "get", NULL };

        add(rules, "", "namespaces", get, "the uid of kube-system says which cluster this is");
        add(rules, "", "pods", look, "pods are the units of applications");
        add(rules, "", "persistentvolumeclaims", look,
            "a namespace with others' data in it is not deleted");
        add(rules, "", "persistentvolumes", list,
            "doctor says which volumes with data are deleted with their claim");
        add(rules, "", "events", watch,
            "why a controller could not make its pods (quota, PodSecurity)");
        add(rules, "", "pods/portforward", forward,
            "databases and object stores in the cluster are reached through it");
        add(rules, "apiextensions.k8s.io", "customresourcedefinitions", watch,
            "kinds that come and go");
        add(rules, "apiregistration.k8s.io", "apiservices", watch, "kinds that come and go");
        add(rules, "discovery.k8s.io", "endpointslices", watch,
            "webhooks are switched on after what serves them is ready");
}

void rights_of(const json_t *wanted, json_t *rules) {
        static const char *const write[] = { "patch", "create", "get", "list",
                                             "watch", "delete", NULL };
        static const char *const grant[] = { "escalate", "bind", NULL };
        const char *kind = json_get_str(wanted, "kind", NULL);
        const char *api = json_get_str(wanted, "apiVersion", NULL);
        cleanup_(freep) char *plural = NULL;
        cleanup_(freep) char *group = NULL;
        cleanup_(freep) char *why = NULL;
        const char *version;

        if (!kind || !api)
                return;
        plural = plural_of(kind);
        group = str_ndup(api, kinds_group(api, &version));
        why = str_format("applies, watches and removes %s objects", kind);
        add_own(rules);
        add(rules, group, plural, write, why);
        if (str_eq(kind, "Role") || str_eq(kind, "ClusterRole") || str_eq(kind, "RoleBinding") ||
            str_eq(kind, "ClusterRoleBinding"))
                add(rules, group, strstr(kind, "Cluster") ? "clusterroles" : "roles", grant,
                    "roles are granted that hold more than the controller's own rights");
}

void rights_of_verb(const char *verb, json_t *rules) {
        static const char *const exec[] = { "create", "get", NULL };
        static const char *const get[] = { "get", NULL };
        static const char *const list[] = { "list", NULL };
        static const char *const make[] = { "create", "delete", "get", "patch", NULL };
        bool job = str_eq(verb, "job");

        for (const struct object_kind *k = object_act_kinds; k->type; k++)
                if (str_eq(verb, "apply") || (job && str_eq(k->type, "Job.batch")))
                        add(rules, k->group, k->plural, make,
                            "actions make objects that go with them");
        if (job)
                add(rules, "", "pods", list, "what a Job said is in the log of its pod");
        if (str_eq(verb, "exec") || str_eq(verb, "stream"))
                add(rules, "", "pods/exec", exec, "actions run commands in pods (backup, restore)");
        if (str_eq(verb, "log") || job)
                add(rules, "", "pods/log", get, "actions show what a job that failed said last");
}
