/* SPDX-License-Identifier: Apache-2.0 */
/* reply.c - answers and Status objects; see reply.h */
#include "reply.h"

#include <stdlib.h>

void reply_deinit(struct reply *r) {
        json_decref(r->body);
        json_decref(r->warnings);
        free(r->text);
        *r = (struct reply){ 0 };
}

static void reset(struct reply *r, int code) {
        json_decref(r->body);
        r->body = NULL;
        str_set(&r->text, NULL);
        r->code = code;
}

void reply_ok(struct reply *r, int code, json_t *body) {
        reset(r, code);
        r->body = body;
}

void reply_text(struct reply *r, int code, const char *text) {
        reset(r, code);
        r->text = str_dup(text);
}

void reply_warn(struct reply *r, const char *fmt, ...) {
        va_list ap;
        cleanup_(freep) char *text = NULL;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        if (!r->warnings)
                r->warnings = json_array();
        json_array_append_new(r->warnings, json_string(text));
}

static void put_status(struct reply *r, int code, const char *reason, json_t *details,
                       const char *message) {
        json_t *body = json_pack("{s:s,s:s,s:{},s:s,s:s}", "kind", "Status", "apiVersion", "v1",
                                 "metadata", "status", "Failure", "message", message);

        if (*reason)
                json_object_set_new(body, "reason", json_string(reason));
        if (details)
                json_object_set_new(body, "details", details);
        json_object_set_new(body, "code", json_integer(code));
        reply_ok(r, code, body);
}

#define FORMAT(text, fmt)                                                                          \
        do {                                                                                       \
                va_list ap_;                                                                       \
                va_start(ap_, fmt);                                                                \
                (text) = str_vformat(fmt, ap_);                                                    \
                va_end(ap_);                                                                       \
        } while (0)

void reply_status(struct reply *r, int code, const char *reason, json_t *details, const char *fmt,
                  ...) {
        cleanup_(freep) char *text = NULL;

        FORMAT(text, fmt);
        put_status(r, code, reason, details, text);
}

void reply_bad_request(struct reply *r, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;

        FORMAT(text, fmt);
        put_status(r, 400, "BadRequest", NULL, text);
}

/* details of a resource; KIND may be NULL. */
static json_t *details_of(const struct kind *kind, const char *name) {
        json_t *d = json_object();

        if (name && *name)
                json_object_set_new(d, "name", json_string(name));
        if (kind && *kind->group)
                json_object_set_new(d, "group", json_string(kind->group));
        if (kind)
                json_object_set_new(d, "kind", json_string(kind->plural));
        return d;
}

void reply_not_found(struct reply *r, const struct kind *kind, const char *name) {
        char resource[KINDS_NAME_MAX];
        cleanup_(freep) char *text = str_format(
                "%s \"%s\" not found", kinds_resource(kind, resource, sizeof(resource)), name);

        put_status(r, 404, "NotFound", details_of(kind, name), text);
}

void reply_exists(struct reply *r, const struct kind *kind, const char *name) {
        char resource[KINDS_NAME_MAX];
        cleanup_(freep) char *text = str_format(
                "%s \"%s\" already exists", kinds_resource(kind, resource, sizeof(resource)), name);

        put_status(r, 409, "AlreadyExists", details_of(kind, name), text);
}

void reply_precondition(struct reply *r, const struct kind *kind, const char *name, const char *fmt,
                        ...) {
        char words[KINDS_NAME_MAX];
        cleanup_(freep) char *why = NULL, *text = NULL;
        json_t *details = details_of(kind, name);

        FORMAT(why, fmt);
        json_object_set_new(details, "kind", json_string(kind->kind));
        text = str_format("Operation cannot be fulfilled on %s \"%s\": %s",
                          kinds_name(kind, words, sizeof(words)), name, why);
        put_status(r, 409, "Conflict", details, text);
}

void reply_conflict(struct reply *r, const struct kind *kind, const char *name, const char *fmt,
                    ...) {
        char resource[KINDS_NAME_MAX];
        cleanup_(freep) char *why = NULL, *text = NULL;

        FORMAT(why, fmt);
        text = str_format("Operation cannot be fulfilled on %s \"%s\": %s",
                          kinds_resource(kind, resource, sizeof(resource)), name, why);
        put_status(r, 409, "Conflict", details_of(kind, name), text);
}

void reply_forbidden(struct reply *r, const struct kind *kind, const char *name, json_t *causes,
                     const char *fmt, ...) {
        char resource[KINDS_NAME_MAX];
        cleanup_(freep) char *why = NULL, *text = NULL;
        json_t *details = details_of(kind, name);

        FORMAT(why, fmt);
        kinds_resource(kind, resource, sizeof(resource));
        text = name && *name ? str_format("%s \"%s\" is forbidden: %s", resource, name, why)
                             : str_format("%s is forbidden: %s", resource, why);
        if (causes)
                json_object_set_new(details, "causes", causes);
        put_status(r, 403, "Forbidden", details, text);
}

void reply_expired(struct reply *r, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;

        FORMAT(text, fmt);
        put_status(r, 410, "Expired", NULL, text);
}

void reply_internal(struct reply *r, const char *fmt, ...) {
        cleanup_(freep) char *why = NULL, *text = NULL;

        FORMAT(why, fmt);
        text = str_format("Internal error occurred: %s", why);
        put_status(r, 500, "InternalError", json_pack("{s:[{s:s}]}", "causes", "message", why),
                   text);
}

void reply_version_missing(struct reply *r, const struct kind *kind, const char *name) {
        static const char why[] = "Invalid value: 0: must be specified for an update";
        char resource[KINDS_NAME_MAX];
        cleanup_(freep) char *text =
                str_format("%s \"%s\" is invalid: metadata.resourceVersion: %s",
                           kinds_resource(kind, resource, sizeof(resource)), name, why);
        json_t *details = details_of(kind, name);

        json_object_set_new(details, "causes",
                            json_pack("[{s:s,s:s,s:s}]", "reason", "FieldValueInvalid", "message",
                                      why, "field", "metadata.resourceVersion"));
        put_status(r, 422, "Invalid", details, text);
}

void reply_no_resource(struct reply *r) {
        put_status(r, 404, "NotFound", json_object(),
                   "the server could not find the requested resource");
}

void reply_method(struct reply *r) {
        put_status(r, 405, "MethodNotAllowed", json_object(),
                   "the server does not allow this method on the requested resource");
}

/* --- invalid objects */

void invalid_deinit(struct invalid *i) {
        json_decref(i->causes);
        free(i->text);
        *i = (struct invalid){ 0 };
}

static void put_cause(struct invalid *i, const char *type, const char *field, const char *body) {
        cleanup_(freep) char *text = i->text;

        i->text = str_format("%s%s%s: %s", text ? text : "", text ? ", " : "", field, body);
        if (!i->causes)
                i->causes = json_array();
        json_array_append_new(i->causes, json_pack("{s:s,s:s,s:s}", "reason", type, "message", body,
                                                   "field", field));
}

void invalid_add(struct invalid *i, const char *type, const char *field, const char *fmt, ...) {
        cleanup_(freep) char *body = NULL;

        FORMAT(body, fmt);
        put_cause(i, type, field, body);
}

void invalid_value(struct invalid *i, const char *field, const json_t *value, const char *why) {
        cleanup_(freep) char *text = value ? json_text(value) : str_dup("null");

        invalid_add(i, "FieldValueInvalid", field, "Invalid value: %s: %s", text, why);
}

void invalid_required(struct invalid *i, const char *field, const char *why) {
        invalid_add(i, "FieldValueRequired", field, "Required value%s%s", *why ? ": " : "", why);
}

void invalid_duplicate(struct invalid *i, const char *field, const json_t *value) {
        cleanup_(freep) char *text = json_text(value);

        invalid_add(i, "FieldValueDuplicate", field, "Duplicate value: %s", text);
}

void invalid_forbidden(struct invalid *i, const char *field, const char *why) {
        invalid_add(i, "FieldValueForbidden", field, "Forbidden: %s", why);
}

bool invalid_reply(struct invalid *i, struct reply *r, const struct kind *kind, const char *name) {
        size_t n = json_array_size(i->causes);
        char resource[KINDS_NAME_MAX];
        cleanup_(freep) char *text = NULL;
        json_t *details;

        if (!n)
                return false;
        text = str_format("%s \"%s\" is invalid: %s%s%s",
                          kinds_name(kind, resource, sizeof(resource)), name, n > 1 ? "[" : "",
                          i->text, n > 1 ? "]" : "");
        details = details_of(NULL, name);
        if (*kind->group)
                json_object_set_new(details, "group", json_string(kind->group));
        json_object_set_new(details, "kind", json_string(kind->kind));
        json_object_set(details, "causes", i->causes);
        put_status(r, 422, "Invalid", details, text);
        return true;
}
