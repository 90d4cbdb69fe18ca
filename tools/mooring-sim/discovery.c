/* SPDX-License-Identifier: Apache-2.0 */
/* discovery.c - see discovery.h */
#include "discovery.h"

#include <stdlib.h>

#define SIM_KUBERNETES_MAJOR "1"
#define SIM_KUBERNETES_MINOR "34"

static bool aggregated(const char *accept) {
        return accept && strstr(accept, "g=apidiscovery.k8s.io") &&
               strstr(accept, "as=APIGroupDiscoveryList");
}

static json_t *verbs(const struct kind *k, const char *subresource) {
        static const char *const built_in[] = { "create", "delete", "deletecollection", "get",
                                                "list",   "patch",  "update",           "watch" };
        static const char *const custom[] = { "delete", "deletecollection", "get",    "list",
                                              "patch",  "create",           "update", "watch" };
        const char *const *all = k->flags & KIND_CUSTOM ? custom : built_in;
        json_t *list;

        if (k->flags & KIND_REVIEW)
                return json_pack("[s]", "create");
        if (*subresource)
                return json_pack("[s,s,s]", "get", "patch", "update");
        list = json_array();
        for (size_t i = 0; i < ARRAY_SIZE(built_in); i++)
                json_array_append_new(list, json_string(all[i]));
        return list;
}

static json_t *words(const char *comma_separated) {
        json_t *list = json_array();

        for (const char *p = comma_separated; p && *p;) {
                size_t n = strcspn(p, ",");

                json_array_append_new(list, json_stringn(p, n));
                p += n + (p[n] == ',');
        }
        return list;
}

static void put_words(json_t *o, const char *member, const char *text) {
        if (text && *text)
                json_object_set_new(o, member, words(text));
}

/* --- the old form */

static void old_subresource(json_t *list, const struct kind *k, const char *name, const char *kind,
                            const char *group, const char *version) {
        json_t *r =
                json_pack("{s:o,s:s,s:b,s:s,s:o}", "name", json_sprintf("%s/%s", k->plural, name),
                          "singularName", "", "namespaced", (k->flags & KIND_NAMESPACED) != 0,
                          "kind", kind, "verbs", verbs(k, name));

        if (*version) {
                json_object_set_new(r, "group", json_string(group));
                json_object_set_new(r, "version", json_string(version));
        }
        json_array_append_new(list, r);
}

static void old_resource(json_t *list, const struct kind *k) {
        json_t *r = json_pack("{s:s,s:s,s:b,s:s,s:o}", "name", k->plural, "singularName",
                              k->singular, "namespaced", (k->flags & KIND_NAMESPACED) != 0, "kind",
                              k->kind, "verbs", verbs(k, ""));

        put_words(r, "shortNames", k->short_names);
        put_words(r, "categories", k->categories);
        json_array_append_new(list, r);
        if (k->flags & KIND_SCALE)
                old_subresource(list, k, "scale", "Scale", "autoscaling", "v1");
        if (k->flags & KIND_STATUS)
                old_subresource(list, k, "status", k->kind, "", "");
}

static bool old_resources(struct sim *sim, const char *group, const char *version,
                          struct reply *reply) {
        json_t *list = json_array();

        list_each(e, &sim->kinds.all) {
                const struct kind *k = list_entry(e, struct kind, entry);

                if (str_eq(k->group, group) && str_eq(k->version, version))
                        old_resource(list, k);
        }
        if (!json_array_size(list)) {
                json_decref(list);
                return false;
        }
        reply_ok(reply, 200,
                 json_pack("{s:s,s:s,s:o,s:o}", "kind", "APIResourceList", "apiVersion", "v1",
                           "groupVersion",
                           *group ? json_sprintf("%s/%s", group, version) : json_string(version),
                           "resources", list));
        return true;
}

static bool listed(const json_t *list, const char *member, const char *text) {
        json_t *one;
        size_t i;

        json_array_foreach((json_t *)list, i, one) {
                if (str_eq(json_get_str(one, member, ""), text))
                        return true;
        }
        return false;
}

static json_t *old_group(struct sim *sim, const char *group) {
        json_t *versions = json_array(), *out;

        list_each(e, &sim->kinds.all) {
                const struct kind *k = list_entry(e, struct kind, entry);

                if (str_eq(k->group, group) && !listed(versions, "version", k->version))
                        json_array_append_new(versions,
                                              json_pack("{s:s,s:s}", "groupVersion", k->api_version,
                                                        "version", k->version));
        }
        out = json_pack("{s:s,s:O}", "name", group, "versions", versions);
        json_object_set(out, "preferredVersion", json_array_get(versions, 0));
        json_decref(versions);
        return out;
}

static json_t *group_names(struct sim *sim) {
        json_t *names = json_array();

        list_each(e, &sim->kinds.all) {
                const struct kind *k = list_entry(e, struct kind, entry);

                if (*k->group && !listed(names, "name", k->group))
                        json_array_append_new(names, json_pack("{s:s}", "name", k->group));
        }
        return names;
}

static void old_groups(struct sim *sim, struct reply *reply) {
        cleanup_(json_freep) json_t *names = group_names(sim);
        json_t *groups = json_array(), *one;
        size_t i;

        json_array_foreach(names, i, one) {
                json_array_append_new(groups, old_group(sim, json_get_str(one, "name", "")));
        }
        reply_ok(reply, 200,
                 json_pack("{s:s,s:s,s:o}", "kind", "APIGroupList", "apiVersion", "v1", "groups",
                           groups));
}

/* --- the aggregated form */

static json_t *response_kind(const char *group, const char *version, const char *kind) {
        return json_pack("{s:s,s:s,s:s}", "group", group, "version", version, "kind", kind);
}

static json_t *new_resource(const struct kind *k) {
        json_t *r = json_pack("{s:s,s:o,s:s,s:s,s:o}", "resource", k->plural, "responseKind",
                              response_kind(k->group, k->version, k->kind), "scope",
                              k->flags & KIND_NAMESPACED ? "Namespaced" : "Cluster",
                              "singularResource", k->singular, "verbs", verbs(k, ""));
        json_t *subs = json_array();

        put_words(r, "shortNames", k->short_names);
        put_words(r, "categories", k->categories);
        if (k->flags & KIND_SCALE)
                json_array_append_new(subs, json_pack("{s:s,s:o,s:o}", "subresource", "scale",
                                                      "responseKind",
                                                      response_kind("autoscaling", "v1", "Scale"),
                                                      "verbs", verbs(k, "scale")));
        if (k->flags & KIND_STATUS)
                json_array_append_new(subs, json_pack("{s:s,s:o,s:o}", "subresource", "status",
                                                      "responseKind",
                                                      response_kind(k->group, k->version, k->kind),
                                                      "verbs", verbs(k, "status")));
        if (json_array_size(subs))
                json_object_set(r, "subresources", subs);
        json_decref(subs);
        return r;
}

static json_t *new_version(struct sim *sim, const char *group, const char *version) {
        json_t *resources = json_array();

        list_each(e, &sim->kinds.all) {
                const struct kind *k = list_entry(e, struct kind, entry);

                if (str_eq(k->group, group) && str_eq(k->version, version))
                        json_array_append_new(resources, new_resource(k));
        }
        return json_pack("{s:s,s:o,s:s}", "version", version, "resources", resources, "freshness",
                         "Current");
}

static json_t *new_group(struct sim *sim, const char *group) {
        cleanup_(json_freep) json_t *old = old_group(sim, group);
        json_t *versions = json_array(), *meta = json_object(), *one;
        size_t i;

        json_array_foreach(json_get(old, "versions"), i, one) {
                json_array_append_new(versions,
                                      new_version(sim, group, json_get_str(one, "version", "")));
        }
        json_object_set_new(meta, "creationTimestamp", json_null());
        if (*group)
                json_object_set_new(meta, "name", json_string(group));
        return json_pack("{s:o,s:o}", "metadata", meta, "versions", versions);
}

static void new_groups(struct sim *sim, bool core, struct reply *reply) {
        cleanup_(json_freep) json_t *names =
                core ? json_pack("[{s:s}]", "name", "") : group_names(sim);
        json_t *items = json_array(), *one;
        size_t i;

        json_array_foreach(names, i, one) {
                json_array_append_new(items, new_group(sim, json_get_str(one, "name", "")));
        }
        reply_ok(reply, 200,
                 json_pack("{s:s,s:s,s:{},s:o}", "kind", "APIGroupDiscoveryList", "apiVersion",
                           "apidiscovery.k8s.io/v2", "metadata", "items", items));
}

/* --- paths */

static void version(struct reply *reply) {
        reply_ok(reply, 200,
                 json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "major", SIM_KUBERNETES_MAJOR, "minor",
                           SIM_KUBERNETES_MINOR, "gitVersion",
                           "v" SIM_KUBERNETES_MAJOR "." SIM_KUBERNETES_MINOR ".0+mooring-sim",
                           "gitTreeState", "clean", "platform", "linux/amd64", "compiler", "gcc",
                           "goVersion", "none"));
}

static bool below_apis(struct sim *sim, const char *path, struct reply *reply) {
        const char *slash = strchr(path, '/');
        cleanup_(freep) char *group = str_ndup(path, slash ? (size_t)(slash - path) : strlen(path));
        json_t *out;

        if (slash && !strchr(slash + 1, '/'))
                return old_resources(sim, group, slash + 1, reply);
        if (slash)
                return false;
        out = old_group(sim, group);
        if (!json_array_size(json_get(out, "versions"))) {
                json_decref(out);
                return false;
        }
        json_object_set_new(out, "kind", json_string("APIGroup"));
        json_object_set_new(out, "apiVersion", json_string("v1"));
        reply_ok(reply, 200, out);
        return true;
}

static void old_core(const struct sim *sim, struct reply *reply) {
        reply_ok(reply, 200,
                 json_pack("{s:s,s:[s],s:[{s:s,s:s}]}", "kind", "APIVersions", "versions", "v1",
                           "serverAddressByClientCIDRs", "clientCIDR", "0.0.0.0/0", "serverAddress",
                           sim->address ? sim->address : ""));
}

bool discovery_answer(struct sim *sim, const struct request *q, struct reply *reply) {
        static const char *const health[] = { "/healthz", "/readyz", "/livez" };
        const char *path = q->path;

        for (size_t i = 0; i < ARRAY_SIZE(health); i++) {
                if (str_eq(path, health[i])) {
                        reply_text(reply, 200, "ok");
                        return true;
                }
        }
        if (str_eq(path, "/version"))
                version(reply);
        else if (str_eq(path, "/api") && aggregated(q->accept))
                new_groups(sim, true, reply);
        else if (str_eq(path, "/api"))
                old_core(sim, reply);
        else if (str_eq(path, "/apis") && aggregated(q->accept))
                new_groups(sim, false, reply);
        else if (str_eq(path, "/apis"))
                old_groups(sim, reply);
        else if (str_starts(path, "/api/") && !strchr(path + 5, '/'))
                return old_resources(sim, "", path + 5, reply);
        else if (str_starts(path, "/apis/"))
                return below_apis(sim, path + 6, reply);
        else
                return false;
        return true;
}
