/* SPDX-License-Identifier: Apache-2.0 */
/* validate.c - refusals of the built-in kinds; see validate.h
 *
 * Only what deployers really meet: names, selectors, duplicate names and ports, required
 * containers, immutable fields. Fields that no rule here knows are taken as they are. */
#include "validate.h"

#include "store.h"
#include "typed.h"

#include <ctype.h>
#include <stdlib.h>

#define IMMUTABLE "field is immutable"
#define LABEL_VALUE_MAX 63
#define SUBDOMAIN_MAX 253 /* RFC 1123 */
#define LABEL_MAX 63

/* --- names */

static bool is_label(const char *s, size_t n) {
        if (!n || n > LABEL_MAX || !isalnum((unsigned char)s[0]) ||
            !isalnum((unsigned char)s[n - 1]))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!islower((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && s[i] != '-')
                        return false;
        return true;
}

static bool is_subdomain(const char *s) {
        if (!*s || strlen(s) > SUBDOMAIN_MAX)
                return false;
        for (;;) {
                size_t n = strcspn(s, ".");

                if (n > LABEL_MAX ? strlen(s) > SUBDOMAIN_MAX : !is_label(s, n))
                        return false;
                if (!s[n])
                        return true;
                s += n + 1;
        }
}

/* RBAC names and a few more are any path segment. */
static bool free_name(const struct kind *kind) {
        return str_eq(kind->group, "rbac.authorization.k8s.io");
}

static bool label_name(const struct kind *kind) {
        return !*kind->group && str_eq(kind->kind, "Namespace");
}

static void check_name(const struct kind *kind, const char *name, struct invalid *invalid) {
        cleanup_(json_freep) json_t *value = json_string(name);

        if (!*name) {
                invalid_required(invalid, "metadata.name", "name or generateName is required");
        } else if (free_name(kind)) {
                if (strpbrk(name, "/%"))
                        invalid_value(invalid, "metadata.name", value, "may not contain '/'");
        } else if (!*kind->group && str_eq(kind->kind, "Service")) {
                if (!is_label(name, strlen(name)) || isdigit((unsigned char)*name))
                        invalid_value(invalid, "metadata.name", value,
                                      "a DNS-1035 label must consist of lower case alphanumeric "
                                      "characters or "
                                      "'-', start with an alphabetic character, and end with an "
                                      "alphanumeric "
                                      "character (e.g. 'my-name',  or 'abc-123', regex used for "
                                      "validation is "
                                      "'[a-z]([-a-z0-9]*[a-z0-9])?')");
        } else if (label_name(kind)) {
                if (!is_label(name, strlen(name)))
                        invalid_value(
                                invalid, "metadata.name", value,
                                "a lowercase RFC 1123 label must consist of lower case "
                                "alphanumeric "
                                "characters or '-', and must start and end with an alphanumeric "
                                "character (e.g. 'my-name',  or '123-abc', regex used for "
                                "validation "
                                "is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
        } else if (!is_subdomain(name)) {
                invalid_value(
                        invalid, "metadata.name", value,
                        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                        "characters, '-' or '.', and must start and end with an alphanumeric "
                        "character (e.g. 'example.com', regex used for validation is "
                        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
        }
}

static bool is_label_value(const char *s) {
        size_t n = strlen(s);

        if (!n)
                return true;
        if (n > LABEL_VALUE_MAX || !isalnum((unsigned char)s[0]) ||
            !isalnum((unsigned char)s[n - 1]))
                return false;
        return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

static void check_labels(const char *field, const json_t *labels, struct invalid *invalid) {
        const char *key;
        json_t *value;

        json_object_foreach((json_t *)labels, key, value) {
                const char *text = json_string_value(value);

                if (text && !is_label_value(text))
                        invalid_value(
                                invalid, field, value,
                                "a valid label must be an empty string or consist of alphanumeric "
                                "characters, '-', '_' or '.', and must start and end with an "
                                "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
                                "'12345', "
                                "regex used for validation is "
                                "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')");
        }
}

/* --- pods */

static void check_ports(const char *path, const json_t *ports, struct invalid *invalid) {
        cleanup_(map_free) struct map names = MAP_INIT;
        json_t *port;
        size_t i;

        json_array_foreach((json_t *)ports, i, port) {
                cleanup_(freep) char *field = str_format("%s.ports[%zu]", path, i);
                cleanup_(freep) char *name_field = str_format("%s.name", field);
                cleanup_(freep) char *port_field = str_format("%s.containerPort", field);
                const char *name = json_get_str(port, "name", NULL);
                int64_t number = json_get_int(port, "containerPort", 0);

                if (name && map_set(&names, name, port))
                        invalid_duplicate(invalid, name_field, json_get(port, "name"));
                if (!number)
                        invalid_required(invalid, port_field, "");
                else if (number < 1 || number > 65535)
                        invalid_value(invalid, port_field, json_get(port, "containerPort"),
                                      "must be between 1 and 65535, inclusive");
        }
}

static void check_containers(const char *path, const char *member, const json_t *spec,
                             struct invalid *invalid) {
        cleanup_(map_free) struct map names = MAP_INIT;
        json_t *c;
        size_t i;

        json_array_foreach(json_get(spec, member), i, c) {
                cleanup_(freep) char *field = str_format("%s.%s[%zu]", path, member, i);
                cleanup_(freep) char *name_field = str_format("%s.name", field);
                cleanup_(freep) char *image_field = str_format("%s.image", field);
                const char *name = json_get_str(c, "name", "");

                if (!*name)
                        invalid_required(invalid, name_field, "");
                else if (map_set(&names, name, c))
                        invalid_duplicate(invalid, name_field, json_get(c, "name"));
                if (!*json_get_str(c, "image", ""))
                        invalid_required(invalid, image_field, "");
                check_ports(field, json_get(c, "ports"), invalid);
        }
}

static bool has_volume(const json_t *spec, const char *name, bool templates) {
        json_t *v;
        size_t i;

        json_array_foreach(json_get(spec, "volumes"), i, v) {
                if (str_eq(json_get_str(v, "name", ""), name))
                        return true;
        }
        return templates;
}

static void check_mounts(const char *path, const json_t *spec, bool templates,
                         struct invalid *invalid) {
        json_t *c, *m;
        size_t i, j;

        json_array_foreach(json_get(spec, "containers"), i, c) {
                json_array_foreach(json_get(c, "volumeMounts"), j, m) {
                        cleanup_(freep) char *field =
                                str_format("%s.containers[%zu].volumeMounts[%zu].name", path, i, j);

                        if (!has_volume(spec, json_get_str(m, "name", ""), templates))
                                invalid_add(invalid, "FieldValueNotFound", field,
                                            "Not found: \"%s\"", json_get_str(m, "name", ""));
                }
        }
}

static void check_pod_spec(const char *path, const json_t *spec, bool templates,
                           struct invalid *invalid) {
        cleanup_(freep) char *containers = str_format("%s.containers", path);

        if (json_array_size(json_get(spec, "containers")) == 0)
                invalid_required(invalid, containers, "");
        check_containers(path, "containers", spec, invalid);
        check_containers(path, "initContainers", spec, invalid);
        check_mounts(path, spec, templates, invalid);
}

/* --- workloads */

static bool selects(const json_t *selector, const json_t *labels) {
        json_t *wanted = json_get(selector, "matchLabels"), *value;
        const char *key;

        json_object_foreach(wanted, key, value) {
                if (!json_equal(value, json_object_get(labels, key)))
                        return false;
        }
        return true;
}

static void check_selector(const json_t *spec, struct invalid *invalid) {
        json_t *selector = json_get(spec, "selector");
        json_t *labels = json_dig(spec, "template", "metadata", "labels", NULL);

        if (!selector) {
                invalid_required(invalid, "spec.selector", "");
                invalid_value(invalid, "spec.template.metadata.labels", labels,
                              "`selector` does not match template `labels`");
                return;
        }
        if (json_object_size(json_get(selector, "matchLabels")) == 0 &&
            json_array_size(json_get(selector, "matchExpressions")) == 0) {
                invalid_value(invalid, "spec.selector", selector,
                              "empty selector is invalid for deployment");
                return;
        }
        if (!selects(selector, labels))
                invalid_value(invalid, "spec.template.metadata.labels", labels,
                              "`selector` does not match template `labels`");
}

static void check_same(const char *field, const json_t *before, const json_t *after,
                       struct invalid *invalid) {
        if (!typed_equal(before, after))
                invalid_value(invalid, field, after, IMMUTABLE);
}

static void check_restart(const json_t *template, struct invalid *invalid) {
        const char *policy = json_get_str(json_get(template, "spec"), "restartPolicy", "Always");

        if (!str_eq(policy, "Always"))
                invalid_add(invalid, "FieldValueNotSupported", "spec.template.spec.restartPolicy",
                            "Unsupported value: \"%s\": supported values: \"Always\"", policy);
}

/* Of a StatefulSet only these members may change. */
static void check_stateful_set_change(const json_t *live, const json_t *spec,
                                      struct invalid *invalid) {
        static const char *const may[] = { "replicas",
                                           "ordinals",
                                           "template",
                                           "updateStrategy",
                                           "minReadySeconds",
                                           "persistentVolumeClaimRetentionPolicy",
                                           "revisionHistoryLimit" };
        cleanup_(json_freep) json_t *a = json_copy(json_get(live, "spec"));
        cleanup_(json_freep) json_t *b = json_copy((json_t *)spec);

        for (size_t i = 0; i < ARRAY_SIZE(may); i++) {
                json_object_del(a, may[i]);
                json_object_del(b, may[i]);
        }
        if (!typed_equal(a, b))
                invalid_forbidden(
                        invalid, "spec",
                        "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
                        "'template', 'updateStrategy', 'revisionHistoryLimit', "
                        "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
                        "forbidden");
}

/* NAMES ends with NULL. */
static void check_counts(const json_t *spec, const char *const *names, struct invalid *invalid) {
        for (; *names; names++) {
                cleanup_(freep) char *field = str_format("spec.%s", *names);

                if (json_get_int(spec, *names, 0) < 0)
                        invalid_value(invalid, field, json_get(spec, *names),
                                      "must be greater than or equal to 0");
        }
}

static void check_job(const json_t *live, const json_t *spec, struct invalid *invalid) {
        static const char *const counts[] = { "parallelism",
                                              "completions",
                                              "activeDeadlineSeconds",
                                              "backoffLimit",
                                              "ttlSecondsAfterFinished",
                                              NULL };
        const char *policy =
                json_get_str(json_dig(spec, "template", "spec", NULL), "restartPolicy", "");

        check_counts(spec, counts, invalid);
        if (!str_eq(policy, "Never") && !str_eq(policy, "OnFailure"))
                invalid_add(invalid, "FieldValueRequired", "spec.template.spec.restartPolicy",
                            "Required value: valid values: \"OnFailure\", \"Never\"");
        if (!live)
                return;
        check_same("spec.completions", json_dig(live, "spec", "completions", NULL),
                   json_get(spec, "completions"), invalid);
        check_same("spec.selector", json_dig(live, "spec", "selector", NULL),
                   json_get(spec, "selector"), invalid);
        check_same("spec.template", json_dig(live, "spec", "template", NULL),
                   json_get(spec, "template"), invalid);
}

static void check_workload(const struct kind *kind, const json_t *live, const json_t *object,
                           struct invalid *invalid) {
        static const char *const counts[] = { "replicas", "minReadySeconds", "revisionHistoryLimit",
                                              NULL };
        json_t *spec = json_get(object, "spec");
        bool stateful = str_eq(kind->kind, "StatefulSet");

        if (str_eq(kind->kind, "ControllerRevision") || str_eq(kind->kind, "CronJob"))
                return;
        if (str_eq(kind->kind, "Job")) {
                check_job(live, spec, invalid);
        } else {
                check_counts(spec, counts, invalid);
                check_selector(spec, invalid);
                check_restart(json_get(spec, "template"), invalid);
        }
        check_pod_spec("spec.template.spec", json_dig(spec, "template", "spec", NULL), stateful,
                       invalid);
        if (live && stateful)
                check_stateful_set_change(live, spec, invalid);
        else if (live && str_eq(kind->group, "apps"))
                check_same("spec.selector", json_dig(live, "spec", "selector", NULL),
                           json_get(spec, "selector"), invalid);
}

static json_t *without_mutable_pod_fields(const json_t *spec) {
        json_t *copy = json_deep_copy(spec), *c;
        size_t i;

        json_array_foreach(json_get(copy, "containers"), i, c) {
                json_object_del(c, "image");
        }
        json_array_foreach(json_get(copy, "initContainers"), i, c) {
                json_object_del(c, "image");
        }
        json_object_del(copy, "activeDeadlineSeconds");
        json_object_del(copy, "terminationGracePeriodSeconds");
        json_object_del(copy, "tolerations");
        json_object_del(copy, "schedulingGates");
        json_object_del(copy, "nodeName");
        return copy;
}

static void check_pod(const json_t *live, const json_t *object, struct invalid *invalid) {
        cleanup_(json_freep) json_t *a = NULL, *b = NULL;

        check_pod_spec("spec", json_get(object, "spec"), false, invalid);
        if (!live)
                return;
        a = without_mutable_pod_fields(json_get(live, "spec"));
        b = without_mutable_pod_fields(json_get(object, "spec"));
        if (!typed_equal(a, b))
                invalid_forbidden(invalid, "spec",
                                  "pod updates may not change fields other than "
                                  "`spec.containers[*].image`,`spec.initContainers[*].image`,"
                                  "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
                                  "to existing "
                                  "tolerations),`spec.terminationGracePeriodSeconds` (allow it to "
                                  "be set to 1 "
                                  "if it was previously negative)");
}

/* --- services */

static void check_service_port(size_t i, size_t count, const json_t *port, struct map *names,
                               struct map *pairs, struct invalid *invalid) {
        cleanup_(freep) char *field = str_format("spec.ports[%zu]", i);
        cleanup_(freep) char *name_field = str_format("%s.name", field);
        cleanup_(freep) char *port_field = str_format("%s.port", field);
        cleanup_(freep) char *pair = str_format("%s/%lld", json_get_str(port, "protocol", "TCP"),
                                                (long long)json_get_int(port, "port", 0));
        const char *name = json_get_str(port, "name", "");
        int64_t number = json_get_int(port, "port", 0);

        if (!*name && count > 1)
                invalid_required(invalid, name_field, "");
        else if (*name && map_set(names, name, (void *)port))
                invalid_duplicate(invalid, name_field, json_get(port, "name"));
        if (number < 1 || number > 65535)
                invalid_value(invalid, port_field, json_get(port, "port"),
                              "must be between 1 and 65535, inclusive");
        if (map_set(pairs, pair, (void *)port)) {
                cleanup_(json_freep) json_t *value =
                        json_pack("{s:I,s:s}", "port", (json_int_t)number, "protocol",
                                  json_get_str(port, "protocol", "TCP"));

                invalid_duplicate(invalid, field, value);
        }
}

static void check_service(const json_t *live, const json_t *object, struct invalid *invalid) {
        cleanup_(map_free) struct map names = MAP_INIT, pairs = MAP_INIT;
        json_t *spec = json_get(object, "spec"), *ports = json_get(spec, "ports"), *port;
        const char *before = json_get_str(json_get(live, "spec"), "clusterIP", "");
        const char *type = json_get_str(spec, "type", "");
        size_t i;

        if (json_array_size(ports) == 0 && !str_eq(type, "ExternalName") &&
            !str_eq(json_get_str(spec, "clusterIP", ""), "None"))
                invalid_required(invalid, "spec.ports", "");
        json_array_foreach(ports, i, port) {
                check_service_port(i, json_array_size(ports), port, &names, &pairs, invalid);
        }
        if (*before && !str_eq(type, "ExternalName") &&
            !str_eq(before, json_get_str(spec, "clusterIP", "")))
                invalid_value(invalid, "spec.clusterIPs[0]", json_get(spec, "clusterIPs"),
                              "may not change once set");
}

/* --- storage, configuration, RBAC */

/* "10Gi" as bytes; 0 when it is not a quantity that is known. */
double validate_quantity(const char *text) {
        static const struct {
                const char *unit;
                double factor;
        } units[] = { { "Ki", 1024.0 },
                      { "Mi", 1048576.0 },
                      { "Gi", 1073741824.0 },
                      { "Ti", 1099511627776.0 },
                      { "k", 1e3 },
                      { "M", 1e6 },
                      { "G", 1e9 },
                      { "T", 1e12 },
                      { "", 1 },
                      { "m", 1e-3 } };
        char *end;
        double v = strtod(text, &end);

        for (size_t i = 0; i < ARRAY_SIZE(units); i++)
                if (str_eq(end, units[i].unit))
                        return v * units[i].factor;
        return 0;
}

static void check_claim(const json_t *live, const json_t *object, struct invalid *invalid) {
        cleanup_(json_freep) json_t *a = NULL, *b = NULL;
        json_t *spec = json_get(object, "spec"), *old = json_get(live, "spec");
        const char *size =
                json_get_str(json_dig(spec, "resources", "requests", NULL), "storage", "");
        const char *was = json_get_str(json_dig(old, "resources", "requests", NULL), "storage", "");

        if (json_array_size(json_get(spec, "accessModes")) == 0)
                invalid_required(invalid, "spec.accessModes", "at least 1 access mode is required");
        if (!*size)
                invalid_required(invalid, "spec.resources[storage]", "");
        if (!live)
                return;
        a = json_copy(old);
        b = json_copy(spec);
        /* A claim that is not bound cannot grow either. */
        if (str_eq(json_get_str(json_get(live, "status"), "phase", ""), "Bound")) {
                json_object_del(a, "resources");
                json_object_del(b, "resources");
        }
        json_object_del(a, "volumeName");
        json_object_del(b, "volumeName");
        json_object_del(a, "volumeAttributesClassName");
        json_object_del(b, "volumeAttributesClassName");
        if (!typed_equal(a, b))
                invalid_forbidden(invalid, "spec",
                                  "spec is immutable after creation except resources.requests and "
                                  "volumeAttributesClassName for bound claims");
        else if (validate_quantity(size) < validate_quantity(was))
                invalid_forbidden(invalid, "spec.resources.requests.storage",
                                  "field can not be less than status.capacity");
}

static void check_config(const struct kind *kind, const json_t *live, const json_t *object,
                         struct invalid *invalid) {
        static const char *const members[] = { "data", "binaryData", "immutable" };

        if (str_eq(kind->kind, "Secret") && live)
                check_same("type", json_get(live, "type"), json_get(object, "type"), invalid);
        if (!live || !json_get_bool(live, "immutable", false))
                return;
        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                if (!typed_equal(json_get(live, members[i]), json_get(object, members[i])))
                        invalid_forbidden(invalid, members[i],
                                          "field is immutable when `immutable` is set");
}

static void check_role_ref(const json_t *live, const json_t *object, struct invalid *invalid) {
        json_t *is = json_get(object, "roleRef");
        cleanup_(json_freep) json_t *ref =
                json_pack("{s:s,s:s,s:s}", "APIGroup", json_get_str(is, "apiGroup", ""), "Kind",
                          json_get_str(is, "kind", ""), "Name", json_get_str(is, "name", ""));

        if (live && !typed_equal(json_get(live, "roleRef"), json_get(object, "roleRef")))
                invalid_value(invalid, "roleRef", ref, "cannot change roleRef");
        if (!*json_get_str(json_get(object, "roleRef"), "name", ""))
                invalid_required(invalid, "roleRef.name", "");
}

static void check_crd(const json_t *live, const json_t *object, struct invalid *invalid) {
        json_t *spec = json_get(object, "spec");
        cleanup_(freep) char *wanted =
                str_format("%s.%s", json_get_str(json_get(spec, "names"), "plural", ""),
                           json_get_str(spec, "group", ""));
        cleanup_(json_freep) json_t *name = json_string(store_name(object));

        if (!str_eq(store_name(object), wanted))
                invalid_value(invalid, "metadata.name", name,
                              "must be spec.names.plural+\".\"+spec.group");
        if (live && !str_eq(json_get_str(json_get(live, "spec"), "scope", ""),
                            json_get_str(spec, "scope", "")))
                invalid_value(invalid, "spec.scope", json_get(spec, "scope"), IMMUTABLE);
        if (json_array_size(json_get(spec, "versions")) == 0)
                invalid_required(invalid, "spec.versions", "must have at least one version");
}

static void check_core(const struct kind *kind, const json_t *live, const json_t *object,
                       struct invalid *invalid) {
        if (str_eq(kind->kind, "Service"))
                check_service(live, object, invalid);
        else if (str_eq(kind->kind, "Pod"))
                check_pod(live, object, invalid);
        else if (str_eq(kind->kind, "PersistentVolumeClaim"))
                check_claim(live, object, invalid);
        else if (str_eq(kind->kind, "ConfigMap"))
                check_config(kind, live, object, invalid);
        else if (str_eq(kind->kind, "Secret"))
                check_config(kind, live, object, invalid);
}

void validate_object(const struct kind *kind, const json_t *live, const json_t *object,
                     struct invalid *invalid) {
        check_name(kind, store_name(object), invalid);
        check_labels("metadata.labels", json_get(store_meta(object), "labels"), invalid);
        if (kind->flags & KIND_CUSTOM)
                return;
        if (!*kind->group)
                check_core(kind, live, object, invalid);
        else if (str_eq(kind->group, "apps") || str_eq(kind->group, "batch"))
                check_workload(kind, live, object, invalid);
        else if (str_ends(kind->kind, "RoleBinding"))
                check_role_ref(live, object, invalid);
        else if (str_eq(kind->kind, "CustomResourceDefinition"))
                check_crd(live, object, invalid);
}

static bool is_base64(const char *s) {
        size_t n = strlen(s),
               digits = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789+/");

        return n % 4 == 0 && n - digits <= 2 && strspn(s + digits, "=") == n - digits;
}

bool validate_bytes(const struct kind *kind, const json_t *object) {
        json_t *data = json_get(object, str_eq(kind->kind, "Secret") ? "data" : "binaryData"),
               *value;
        const char *key;

        if (*kind->group || (!str_eq(kind->kind, "Secret") && !str_eq(kind->kind, "ConfigMap")))
                return true;
        json_object_foreach(data, key, value) {
                if (json_is_string(value) && !is_base64(json_string_value(value)))
                        return false;
        }
        return true;
}
