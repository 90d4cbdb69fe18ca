/* SPDX-License-Identifier: Apache-2.0 */
/* reply.h - what a request is answered with; failures are Status objects worded as the API
 * server's */
#pragma once

#include "kinds.h"

struct reply {
        int code; /* 0: not answered yet */
        json_t *body;
        char *text;       /* instead of body */
        int retry_after;  /* seconds; 0: no such header */
        json_t *warnings; /* texts */
};

void reply_deinit(struct reply *r);
static inline bool reply_failed(const struct reply *r) {
        return r->code >= 300;
}
void reply_ok(struct reply *r, int code, json_t *body); /* steals BODY */
void reply_text(struct reply *r, int code, const char *text);
void reply_warn(struct reply *r, const char *fmt, ...) printf_(2, 3);
/* A Status. REASON "" where the real server gives none; DETAILS (stolen) may be NULL. */
void reply_status(struct reply *r, int code, const char *reason, json_t *details, const char *fmt,
                  ...) printf_(5, 6);
void reply_bad_request(struct reply *r, const char *fmt, ...) printf_(2, 3);
void reply_not_found(struct reply *r, const struct kind *kind, const char *name);
void reply_exists(struct reply *r, const struct kind *kind, const char *name);
void reply_conflict(struct reply *r, const struct kind *kind, const char *name, const char *fmt,
                    ...) printf_(4, 5);
/* The same, of a precondition: it names the kind instead of the resource. */
void reply_precondition(struct reply *r, const struct kind *kind, const char *name, const char *fmt,
                        ...) printf_(4, 5);
void reply_forbidden(struct reply *r, const struct kind *kind, const char *name, json_t *causes,
                     const char *fmt, ...) printf_(5, 6);
void reply_expired(struct reply *r, const char *fmt, ...) printf_(2, 3);
void reply_internal(struct reply *r, const char *fmt, ...) printf_(2, 3);
/* An update of a custom object that names no resourceVersion. */
void reply_version_missing(struct reply *r, const struct kind *kind, const char *name);
/* Nothing is served there. */
void reply_no_resource(struct reply *r);
void reply_method(struct reply *r);

/* Problems of one object, collected and then told together (422). */
struct invalid {
        json_t *causes;
        char *text; /* all, without brackets */
};

void invalid_deinit(struct invalid *i);
/* TYPE as in causes: "FieldValueInvalid". */
void invalid_add(struct invalid *i, const char *type, const char *field, const char *fmt, ...)
        printf_(4, 5);
/* "Invalid value: VALUE: why" */
void invalid_value(struct invalid *i, const char *field, const json_t *value, const char *why);
void invalid_required(struct invalid *i, const char *field, const char *why);
void invalid_duplicate(struct invalid *i, const char *field, const json_t *value);
void invalid_forbidden(struct invalid *i, const char *field, const char *why);
/* True when there are problems, and answers them. */
bool invalid_reply(struct invalid *i, struct reply *r, const struct kind *kind, const char *name);
