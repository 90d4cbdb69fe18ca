/* SPDX-License-Identifier: Apache-2.0 */
/* harness-check.c - charm.yaml, views and documents as the daemon and the cluster take them; see
 * harness-check.h */
#include "harness-check.h"

#include "certificate-spec.h"
#include "harness-webhook.h"
#include "opt.h"
#include "secret-ask.h"

#include <errno.h>
#include <stdlib.h>

#define META_MAX (4u << 20) /* of charm.yaml: the daemon takes less */

int harness_check_meta(const char *folder, struct charm_meta **ret, struct err *err) {
        cleanup_(freep) char *path = str_format("%s/charm.yaml", folder);
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        cleanup_(freep) char *text = mem_array(char, META_MAX);
        size_t n;

        if (!f)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        n = fread(text, 1, META_MAX, f);
        return charm_meta_parse(text, n, path, ret, err);
}

static int check_config(const struct charm_meta *m, const json_t *config, struct err *err) {
        cleanup_(freep) const char **names = mem_array(const char *, m->option_count + 1);
        const char *name, *near;
        json_t *value;

        for (size_t i = 0; i < m->option_count; i++)
                names[i] = m->options[i].name;
        json_object_foreach((json_t *)config, name, value) {
                if (charm_meta_option(m, name))
                        continue;
                near = opt_nearest(name, names);
                return err_set(err, -ENOENT,
                               "the view's config has \"%s\": charm.yaml has no such option%s%s%s",
                               name, near ? ", did you mean \"" : "", near ? near : "",
                               near ? "\"?" : "");
        }
        return 0;
}

static int check_relations(const struct charm_meta *m, const json_t *relations, struct err *err) {
        const json_t *r;
        size_t i;

        json_array_foreach(relations, i, r) {
                const char *name = json_get_str(r, "endpoint", "");
                const struct meta_endpoint *e = charm_meta_endpoint(m, name);
                const char *role = json_get_str(r, "role", "");

                if (!e)
                        return err_set(err, -ENOENT,
                                       "the view relates \"%s\": charm.yaml has no such endpoint",
                                       name);
                if (!str_eq(json_get_str(r, "interface", ""), e->interface))
                        return err_set(
                                err, -EINVAL,
                                "the view says interface \"%s\" of endpoint %s, charm.yaml \"%s\"",
                                json_get_str(r, "interface", ""), name, e->interface);
                if (!str_eq(role, meta_role_names[e->role]))
                        return err_set(
                                err, -EINVAL,
                                "the view says role \"%s\" of endpoint %s, charm.yaml \"%s\"", role,
                                name, meta_role_names[e->role]);
        }
        return 0;
}

static int check_members(const json_t *view, struct err *err) {
        static const char *const names[] = { "application", "model",     "scale",       "config",
                                             "images",      "files",     "constraints", "storage",
                                             "secrets",     "relations", "seen",        "ready",
                                             "certificates" };
        struct json_field fields[ARRAY_SIZE(names) + 1] = {};
        json_t *any;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                fields[i] = (struct json_field){ .name = names[i], .kind = JSON_FIELD_ANY };
        return json_decode(view, fields, false, &any, &(struct json_where){ NULL, NULL, "view" },
                           err);
}

static int check_named(const struct charm_meta *m, const json_t *view, struct err *err) {
        const char *name;
        json_t *value;

        json_object_foreach(json_get(view, "images"), name, value)
                if (!charm_meta_resource(m, name))
                        return err_set(err, -ENOENT,
                                       "the view has an image \"%s\": charm.yaml has no such "
                                       "resource",
                                       name);
        json_object_foreach(json_get(view, "storage"), name, value)
                if (!charm_meta_storage(m, name))
                        return err_set(err, -ENOENT,
                                       "the view has storage \"%s\": charm.yaml has none of that "
                                       "name",
                                       name);
        return 0;
}

int harness_check_view(const struct charm_meta *m, const json_t *view, struct err *err) {
        int r = check_members(view, err);

        if (r >= 0)
                r = check_config(m, json_get(view, "config"), err);
        if (r >= 0)
                r = check_relations(m, json_get(view, "relations"), err);
        return r < 0 ? r : check_named(m, view, err);
}

/* ---- asks and secrets */

int harness_check_ask(const struct charm_meta *m, const struct meta_action *a, const json_t *ask,
                      struct err *err) {
        int r = secret_ask_check(ask, err);

        if (r >= 0)
                r = charm_meta_options_asked(m, ask, err);
        return r < 0 ? r : charm_meta_action_asks(a, ask, err);
}

static int check_certificate(const char *label, const json_t *spec, const char *model,
                             struct err *err) {
        int r = certificate_check(label, spec, err);
        size_t i, len;
        json_t *name;
        bool service;

        json_array_foreach(json_get(spec, "names"), i, name) {
                const char *at =
                        r < 0 ? NULL
                              : certificate_namespace(json_string_value(name), &len, &service);

                if (at && service && (strlen(model) != len || strncasecmp(at, model, len) != 0))
                        r = err_set(err, -EPERM,
                                    "certificate %s: %s is a name of another namespace than %s: "
                                    "the daemon refuses it",
                                    label, json_string_value(name), model);
        }
        return r;
}

int harness_check_secrets(const struct plan *p, const char *model, struct err *err) {
        const char *name;
        json_t *policy;
        int r = 0;

        json_object_foreach(p->secrets, name, policy)
                if (r >= 0 && json_get(policy, "certificate"))
                        r = check_certificate(name, json_get(policy, "certificate"), model, err);
        return r;
}

/* ---- documents */

struct check {
        const json_t *document;
        bool secret; /* a Secret of Kubernetes */
};

static bool has_token(const char *text) {
        return strstr(text, "{{secret:") || strstr(text, "{{want:");
}

static int check_token(const struct check *c, const char *text, const char *pointer,
                       struct err *err) {
        if (!has_token(text) ||
            (c->secret && (str_starts(pointer, "/data/") || str_starts(pointer, "/stringData/"))))
                return 0;
        return err_set(
                err, -EPERM,
                "a secret's token stands at %s, where no secret may: only data and stringData of "
                "a Secret, password fields, and secret relation data may hold one",
                pointer);
}

/* Members whose values, or items, Kubernetes takes as texts only. */
static bool holds_texts(const struct check *c, const char *pointer) {
        static const char *const ends[] = { "/annotations", "/labels",  "/matchLabels",
                                            "/args",        "/command", "/nodeSelector" };
        const char *kind = json_get_str(c->document, "kind", "");

        if (str_eq(pointer, "/data") || str_eq(pointer, "/stringData"))
                return str_eq(kind, "ConfigMap") || c->secret;
        for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
                if (str_ends(pointer, ends[i]))
                        return true;
        return false;
}

/* "/spec/.../env/3": its value is text, too. */
static bool is_variable(const char *pointer) {
        const char *slash = strrchr(pointer, '/');

        return slash && slash - pointer > 4 && strncmp(slash - 4, "/env", 4) == 0;
}

static int check_text(const json_t *value, const char *pointer, struct err *err) {
        cleanup_(freep) char *text = NULL;

        if (json_is_string(value))
                return 0;
        text = json_text(value);
        return err_set(err, -EINVAL,
                       "%s: Kubernetes wants text here, and gets %.40s: give it by a hole of kind "
                       "CHARM_TEXT, made with charm_text",
                       pointer, text);
}

static int check_value(const struct check *c, const json_t *j, const char *pointer, int depth,
                       struct err *err);

static int check_member(const struct check *c, const json_t *value, const char *under,
                        const char *name, int depth, struct err *err) {
        cleanup_(freep) char *pointer = str_format("%s/%s", under, name);
        bool text = holds_texts(c, under) || (is_variable(under) && str_eq(name, "value"));
        int r = text ? check_text(value, pointer, err) : 0;

        return r < 0 ? r : check_value(c, value, pointer, depth + 1, err);
}

#define DEPTH_MAX 100 /* of a document; its reader allows fewer */

static int check_value(const struct check *c, const json_t *j, const char *pointer, int depth,
                       struct err *err) {
        const char *name;
        json_t *value;
        size_t i;
        int r = 0;

        if (depth > DEPTH_MAX)
                return 0;
        if (json_is_string(j))
                return check_token(c, json_string_value(j), pointer, err);
        if (json_is_object(j))
                json_object_foreach((json_t *)j, name, value)
                        if (r >= 0)
                                r = check_member(c, value, pointer, name, depth, err);
        if (json_is_array(j))
                json_array_foreach(j, i, value) {
                        char index[24];

                        snprintf(index, sizeof(index), "%zu", i);
                        if (r >= 0)
                                r = check_member(c, value, pointer, index, depth, err);
                }
        return r;
}

static int check_document(const struct plan_doc *d, struct err *err) {
        cleanup_(json_freep) json_t *document = NULL;
        struct check c;
        int r;

        if (d->target) /* a database or bucket: which fields may hold one, its provider knows */
                return 0;
        r = json_parse(d->text, d->len, &document, err);
        if (r < 0)
                return r;
        c = (struct check){ document, str_eq(json_get_str(document, "kind", ""), "Secret") };
        r = check_value(&c, document, "", 0, err);
        return r < 0 ? err_add(err, r, "%s", d->label) : 0;
}

int harness_check_documents(const struct plan *p, struct err *err) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < p->doc_count; i++)
                r = check_document(&p->docs[i], err);
        return r < 0 ? r : harness_webhook_check(p, err);
}
