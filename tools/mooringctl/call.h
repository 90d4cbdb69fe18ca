/* SPDX-License-Identifier: Apache-2.0 */
/* call.h - asking the daemon: one request over its unix socket, its answer as JSON, its refusal
 * as an error line */
#pragma once

#include "cli.h"

#define CALL_TOTAL_MS 120000 /* a large bundle on a busy disk takes seconds */

/* "/v1/models/MODEL/applications/APPLICATION", and REST as it is. NULL: no model; it was said. */
char *call_application(struct cli *c, const char *application, const char *rest);
/* A path: each %s is percent-encoded, also its slashes. Then query parameters; VALUE NULL: left
 * out. */
char *call_path(const char *fmt, ...) printf_(1, 2);
void call_query(char **path, const char *name, const char *value);
void call_query_flag(char **path, const char *name, bool on);
void call_query_int(char **path, const char *name, int64_t value);

/* Each returns CLI_DONE, or the exit code after printing why. Takes BODY over; PATH is the
 * caller's. */
int call_get(struct cli *c, const char *path, json_t **ret);
int call_send(struct cli *c, const char *method, const char *path, json_t *body, json_t **ret);
int call_text(struct cli *c, const char *path, char **ret);
/* Prints what a change did: lines on stdout with --format json, else chatter. Takes BODY over. */
int call_change(struct cli *c, const char *method, const char *path, json_t *body);
/* All pages: "next" of one goes into AFTER for the next, until LIST has MAX; their lists are put
 * together. */
int call_pages(struct cli *c, const char *path, const char *list, const char *after, size_t max,
               json_t **ret);

/* As call_get, but says nothing: for a caller that tries again. */
int call_try(struct cli *c, const char *path, json_t **ret, struct err *err);
/* The same of a change without a body. */
int call_try_post(struct cli *c, const char *path, json_t **ret, struct err *err);
/* Lines of a stream until LINE returns non-zero, the daemon ends it, or MS are over (<0: never).
 * Returns what LINE returned, 0, or -errno. */
typedef int call_line(void *arg, const json_t *line);
int call_stream(struct cli *c, const char *path, call_line *line, void *arg, int64_t ms,
                struct err *err);
