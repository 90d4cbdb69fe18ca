/* SPDX-License-Identifier: Apache-2.0 */
/* routes.c - paths, methods and bodies; called by http.c, calls discovery, read, write
 *
 * What the real server checks in which order: who asks, the path, the method, the options, the
 * body's type, the body. */
#include "routes.h"

#include "discovery.h"
#include "read.h"
#include "reviews.h"
#include "store.h"
#include "write.h"
#include "yaml.h"

#include <stdlib.h>

#define MANAGER_MAX 128 /* the API server's limit for fieldManager */

void routes_request_deinit(struct request *q) {
        json_decref(q->query);
        buf_free(&q->body);
        free(q->namespace);
        free(q->name);
        free(q->subresource);
        free(q->rest);
}

/* --- who asks */

static bool is_public(const char *path) {
        return str_eq(path, "/version") || str_eq(path, "/healthz") || str_eq(path, "/livez") ||
               str_eq(path, "/readyz");
}

static bool authenticated(const struct sim *sim, const struct request *q, struct reply *reply) {
        const char *header = q->authorization;

        if (!*sim->options.token || (!header && is_public(q->path)))
                return true;
        if (header && str_starts(header, "Bearer ") && str_eq(header + 7, sim->options.token))
                return true;
        reply_status(reply, 401, "Unauthorized", NULL, "Unauthorized");
        return false;
}

/* --- the path */

struct segments {
        char *text;
        char *item[8]; /* namespaces, NS, plural, name, subresource, and the rest */
        size_t count;
};

static void segments_deinit(struct segments *s) {
        free(s->text);
}

static void split(const char *path, struct segments *ret) {
        char *save = NULL;

        *ret = (struct segments){ .text = str_dup(path) };
        for (char *p = strtok_r(ret->text, "/", &save); p && ret->count < ARRAY_SIZE(ret->item);
             p = strtok_r(NULL, "/", &save))
                ret->item[ret->count++] = p;
}

/* namespaces/NS is the object itself; with more behind it, what is in it. */
static bool inside_namespace(const struct segments *s) {
        return s->count >= 3 && str_eq(s->item[0], "namespaces") && !str_eq(s->item[2], "status") &&
               !str_eq(s->item[2], "finalize");
}

static bool resolve(struct sim *sim, struct request *q, const char *group, const char *version,
                    const char *path) {
        cleanup_(segments_deinit) struct segments s;
        size_t at;

        split(path, &s);
        at = inside_namespace(&s) ? 2 : 0;
        q->namespace = str_dup(at ? s.item[1] : "");
        q->kind = s.count > at ? kinds_find(&sim->kinds, group, version, s.item[at]) : NULL;
        q->name = str_dup(s.count > at + 1 ? s.item[at + 1] : "");
        q->subresource = str_dup(s.count > at + 2 ? s.item[at + 2] : "");
        if (!q->kind || s.count > at + 3 || (at && !(q->kind->flags & KIND_NAMESPACED)))
                return false;
        /* An object of a namespaced kind is only found in its namespace. */
        return !(*q->name && !at && q->kind->flags & KIND_NAMESPACED);
}

bool routes_find(struct sim *sim, struct request *q) {
        const char *path = q->path, *version, *rest;
        cleanup_(freep) char *group = NULL, *name = NULL;

        if (str_starts(path, "/api/v1/"))
                return resolve(sim, q, "", "v1", path + 8);
        if (!str_starts(path, "/apis/"))
                return false;
        path += 6;
        version = strchr(path, '/');
        rest = version ? strchr(version + 1, '/') : NULL;
        if (!rest)
                return false;
        group = str_ndup(path, (size_t)(version - path));
        name = str_ndup(version + 1, (size_t)(rest - version - 1));
        return resolve(sim, q, group, name, rest);
}

static bool has_subresource(const struct request *q) {
        static const char *const pods[] = { "log",         "exec",     "attach",
                                            "portforward", "eviction", "binding" };
        unsigned flags = q->kind->flags;

        if (!*q->subresource)
                return true;
        if (str_eq(q->subresource, "status"))
                return flags & KIND_STATUS;
        if (str_eq(q->subresource, "scale"))
                return flags & KIND_SCALE;
        if (str_eq(q->subresource, "finalize"))
                return !*q->kind->group && str_eq(q->kind->kind, "Namespace");
        for (size_t i = 0; i < ARRAY_SIZE(pods); i++)
                if (flags & KIND_PODS && str_eq(q->subresource, pods[i]))
                        return true;
        return false;
}

/* --- the body */

static char *media_type(const struct request *q) {
        const char *type = q->content_type ? q->content_type : "application/json";
        size_t n = strcspn(type, "; ");

        return str_ndup(type, n);
}

static json_t *parse(const struct request *q, bool yaml, struct reply *reply) {
        const char *text = buf_str(&q->body);
        struct yaml_stream stream = { 0 };
        struct err err = { 0 };
        json_t *out = NULL;

        text += strspn(text, " \t\r\n");
        if (!yaml || *text == '{') {
                if (json_parse(buf_str(&q->body), q->body.len, &out, &err) == 0)
                        return out;
        } else if (yaml_parse(buf_str(&q->body), q->body.len, NULL, YAML_KUBERNETES, &stream,
                              &err) == 0) {
                if (stream.count == 1)
                        out = json_incref(stream.documents[0].root);
                yaml_stream_free(&stream);
                if (out)
                        return out;
                err_set(&err, -1, "one document is expected");
        }
        if (yaml)
                reply_bad_request(reply,
                                  "error decoding YAML: error converting YAML to JSON: yaml: %s",
                                  err_text(&err));
        else if (str_eq(q->method, "PATCH"))
                reply_bad_request(reply, "error decoding patch: %s", err_text(&err));
        else
                reply_bad_request(
                        reply,
                        "the object provided is unrecognized (must be of type %s): couldn't "
                        "get version/kind; json parse error: %s",
                        q->kind->kind, err_text(&err));
        return NULL;
}

static json_t *parse_object(const struct request *q, struct reply *reply) {
        cleanup_(freep) char *type = media_type(q);
        bool yaml = str_eq(type, "application/yaml");
        json_t *out;

        if (!yaml && !str_eq(type, "application/json") && *type) {
                reply_status(reply, 415, "UnsupportedMediaType", json_object(),
                             "the body of the request was in an unknown format - accepted media "
                             "types include: "
                             "application/json, application/yaml");
                return NULL;
        }
        out = parse(q, yaml, reply);
        if (out && !json_is_object(out)) {
                json_decref(out);
                reply_bad_request(
                        reply,
                        "couldn't get version/kind; json parse error: the body is no object");
                return NULL;
        }
        return out;
}

/* --- options of writes */

static void unsupported(struct reply *reply, const char *options, const char *field, const char *is,
                        const char *supported) {
        reply_status(
                reply, 422, "Invalid",
                json_pack(
                        "{s:s,s:s,s:[{s:s,s:o,s:s}]}", "group", "meta.k8s.io", "kind", options,
                        "causes", "reason", "FieldValueNotSupported", "message",
                        json_sprintf("Unsupported value: %s: supported values: %s", is, supported),
                        "field", field),
                "%s.meta.k8s.io \"\" is invalid: %s: Unsupported value: %s: supported values: %s",
                options, field, is, supported);
}

static bool read_options(const struct request *q, const char *options, struct write *w) {
        const char *dry = request_query(q, "dryRun"), *check = request_query(q, "fieldValidation");
        const char *force = request_query(q, "force");

        if (dry && !str_eq(dry, "All")) {
                cleanup_(freep) char *list = str_format("[\"%s\"]", dry);

                unsupported(w->reply, options, "dryRun", list, "\"All\"");
                return false;
        }
        if (check && !str_eq(check, "Strict") && !str_eq(check, "Warn") &&
            !str_eq(check, "Ignore") && *check) {
                cleanup_(freep) char *text = str_format("\"%s\"", check);

                unsupported(w->reply, options, "fieldValidation", text,
                            "\"\", \"Ignore\", \"Strict\", \"Warn\"");
                return false;
        }
        w->dry_run = dry;
        w->force = str_eq(force, "true") || str_eq(force, "1");
        w->unknown = str_eq(check, "Strict")   ? WRITE_STRICT
                     : str_eq(check, "Ignore") ? WRITE_IGNORE
                                               : WRITE_WARN;
        return true;
}

/* fieldManager, or the first part of the User-Agent, as the server takes it. */
static char *manager_of(const struct request *q) {
        const char *manager = request_query(q, "fieldManager");

        if (manager && *manager)
                return str_ndup(manager, MIN_OF(strlen(manager), (size_t)MANAGER_MAX));
        if (!q->user_agent || !*q->user_agent)
                return str_dup("unknown");
        return str_ndup(q->user_agent, MIN_OF(strcspn(q->user_agent, "/"), (size_t)MANAGER_MAX));
}

/* --- methods */

static void create(const struct request *q, struct write *w) {
        json_t *object = read_options(q, "CreateOptions", w) ? parse_object(q, w->reply) : NULL;

        if (!object)
                return;
        if (q->kind->flags & KIND_REVIEW) {
                reviews_answer(q->kind, object, w->reply);
                json_decref(object);
                return;
        }
        write_create(w, object);
}

static void update(const struct request *q, struct write *w) {
        json_t *object = read_options(q, "UpdateOptions", w) ? parse_object(q, w->reply) : NULL;

        if (object)
                write_update(w, object);
}

static void apply(const struct request *q, struct write *w) {
        json_t *config;

        if (!request_query(q, "fieldManager")) {
                reply_status(w->reply, 422, "Invalid",
                             json_pack("{s:s,s:s,s:[{s:s,s:s,s:s}]}", "group", "meta.k8s.io",
                                       "kind", "PatchOptions", "causes", "reason",
                                       "FieldValueRequired", "message",
                                       "Required value: is required for apply patch", "field",
                                       "fieldManager"),
                             "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required "
                             "value: is "
                             "required for apply patch");
                return;
        }
        config = parse(q, true, w->reply);
        if (config && !json_is_object(config)) {
                json_decref(config);
                reply_bad_request(w->reply, "the apply patch is no object");
        } else if (config) {
                write_apply(w, config);
        }
}

static void patch(const struct request *q, struct write *w) {
        cleanup_(freep) char *type = media_type(q);
        bool custom = q->kind->flags & KIND_CUSTOM;
        bool strategic = str_eq(type, "application/strategic-merge-patch+json");
        cleanup_(json_freep) json_t *body = NULL;

        if (!read_options(q, "PatchOptions", w))
                return;
        if (str_eq(type, "application/apply-patch+yaml")) {
                apply(q, w);
                return;
        }
        if (!str_eq(type, "application/json-patch+json") &&
            !str_eq(type, "application/merge-patch+json") && !(strategic && !custom)) {
                if (custom)
                        reply_status(w->reply, 415, "UnsupportedMediaType", NULL,
                                     "the body of the request was in an unknown format - accepted "
                                     "media types "
                                     "include: application/json-patch+json, "
                                     "application/merge-patch+json, "
                                     "application/apply-patch+yaml");
                else
                        reply_status(w->reply, 415, "UnsupportedMediaType", json_object(),
                                     "415: Unsupported Media Type");
                return;
        }
        body = parse(q, false, w->reply);
        if (body)
                write_patch(w, type, body);
}

static void delete_many(const struct request *q, struct write *w, const json_t *options) {
        struct selector selector = { 0 };

        if (selector_parse(q->kind, request_query(q, "labelSelector"),
                           request_query(q, "fieldSelector"), &selector, w->reply)) {
                write_delete_all(w, &selector, options);
                selector_deinit(&selector);
        }
}

/* DeleteOptions come in the body, or some of them in the query. */
static void delete (const struct request *q, struct write *w) {
        static const char *const texts[] = { "propagationPolicy" };
        const char *seconds = request_query(q, "gracePeriodSeconds");
        cleanup_(json_freep) json_t *options = NULL;
        int64_t n;

        if (!read_options(q, "DeleteOptions", w))
                return;
        options = q->body.len ? parse_object(q, w->reply) : json_object();
        if (!options)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                if (request_query(q, texts[i]))
                        json_object_set_new(options, texts[i],
                                            json_string(request_query(q, texts[i])));
        if (seconds && str_to_int(seconds, &n))
                json_object_set_new(options, "gracePeriodSeconds", json_integer(n));
        if (json_array_size(json_get(options, "dryRun")))
                w->dry_run = true;
        if (*q->name)
                write_delete(w, options);
        else
                delete_many(q, w, options);
}

/* --- subresources that are actions */

static void evict(struct sim *sim, const struct request *q, struct write *w) {
        cleanup_(json_freep) json_t *body = parse_object(q, w->reply), *options = NULL;

        if (!body)
                return;
        options = json_is_object(json_get(body, "deleteOptions"))
                          ? json_incref(json_get(body, "deleteOptions"))
                          : json_object();
        w->subresource = "";
        write_delete(w, options);
        if (!reply_failed(w->reply))
                reply_ok(w->reply, 201,
                         json_pack("{s:s,s:s,s:{},s:s,s:i}", "kind", "Status", "apiVersion", "v1",
                                   "metadata", "status", "Success", "code", 201));
}

/* finalize: PUT of a namespace takes its spec.finalizers. */
static void finalize(const struct request *q, struct write *w) {
        w->subresource = "";
        update(q, w);
}

static enum routes_next pod_action(struct sim *sim, const struct request *q, struct write *w) {
        const char *sub = q->subresource;

        if (!store_get(q->kind, q->namespace, q->name)) {
                reply_not_found(w->reply, q->kind, q->name);
                return ROUTES_DONE;
        }
        if (str_eq(sub, "portforward"))
                return ROUTES_FORWARD;
        if (str_eq(sub, "exec"))
                return ROUTES_EXEC;
        if (str_eq(sub, "log"))
                reply_text(w->reply, 200, "");
        else if (str_eq(sub, "eviction"))
                evict(sim, q, w);
        else
                reply_status(w->reply, 501, "", NULL,
                             "the simulator has no %s: its pods run no programs", sub);
        return ROUTES_DONE;
}

static void dispatch(struct sim *sim, const struct request *q, struct write *w) {
        bool named = *q->name;

        if (str_eq(q->method, "GET") && !(q->kind->flags & KIND_REVIEW)) {
                if (named)
                        read_get(sim, q, w->reply);
                else
                        read_list(sim, q, w->reply);
        } else if (str_eq(q->method, "POST") && !named) {
                create(q, w);
        } else if (str_eq(q->method, "PUT") && named) {
                if (str_eq(q->subresource, "finalize"))
                        finalize(q, w);
                else
                        update(q, w);
        } else if (str_eq(q->method, "PATCH") && named) {
                patch(q, w);
        } else if (str_eq(q->method, "DELETE") && !*q->subresource &&
                   !(q->kind->flags & KIND_REVIEW)) {
                delete (q, w);
        } else {
                reply_method(w->reply);
        }
}

/* Below a built-in group the answer is a Status, elsewhere the server's bare text. */
static void no_such_path(struct sim *sim, const char *path, struct reply *reply) {
        bool built_in = str_starts(path, "/api/");

        list_each(e, &sim->kinds.all) {
                const struct kind *k = list_entry(e, struct kind, entry);
                cleanup_(freep) char *prefix = str_format("/apis/%s/%s/", k->group, k->version);

                built_in = built_in || (!(k->flags & KIND_CUSTOM) && str_starts(path, prefix));
        }
        if (built_in)
                reply_no_resource(reply);
        else
                reply_text(reply, 404, "404 page not found\n");
}

static bool is_watch(const struct request *q) {
        const char *watch = request_query(q, "watch");

        return str_eq(q->method, "GET") && !*q->name &&
               (str_eq(watch, "true") || str_eq(watch, "1"));
}

static bool is_pod_action(const struct request *q) {
        return q->kind->flags & KIND_PODS && *q->subresource && !str_eq(q->subresource, "status");
}

enum routes_next routes_handle(struct sim *sim, struct request *q, struct reply *reply) {
        cleanup_(freep) char *manager = NULL;
        cleanup_(json_freep) json_t *utf8 = json_string(q->path);
        struct write w = { .sim = sim, .reply = reply };

        if (!utf8) {
                reply_bad_request(reply, "the path is not UTF-8");
                return ROUTES_DONE;
        }
        if (!authenticated(sim, q, reply))
                return ROUTES_DONE;
        if (str_eq(q->method, "GET") && discovery_answer(sim, q, reply))
                return ROUTES_DONE;
        if (!routes_find(sim, q) || !has_subresource(q)) {
                no_such_path(sim, q->path, reply);
                return ROUTES_DONE;
        }
        if (is_watch(q))
                return ROUTES_WATCH;
        manager = manager_of(q);
        w.kind = q->kind;
        w.namespace = q->namespace;
        w.name = q->name;
        w.subresource = q->subresource;
        w.manager = manager;
        if (is_pod_action(q))
                return pod_action(sim, q, &w);
        dispatch(sim, q, &w);
        return ROUTES_DONE;
}
