/* SPDX-License-Identifier: Apache-2.0 */
/* route.c - from what was sent to a row of the route table and its struct
 *
 * Pure: no socket, no store. Whoever connects may send anything here, before anybody looked at
 * who he is. */
#include "request.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>

/* Matches PATH against a route's, filling params. */
static bool match(const char *pattern, const char *path, char *params[REQUEST_PARAMS_MAX]) {
        size_t n = 0;

        while (*pattern && *path) {
                size_t len = strcspn(path, "/");

                if (*pattern != '{') {
                        if (*pattern++ != *path++)
                                return false;
                        continue;
                }
                if (n == REQUEST_PARAMS_MAX || len == 0)
                        return false;
                params[n] = str_ndup(path, len);
                MHD_http_unescape(params[n++]);
                path += len;
                pattern = strchr(pattern, '}') + 1;
        }
        return !*pattern && !*path;
}

static void clear(char *params[REQUEST_PARAMS_MAX]) {
        for (size_t i = 0; i < REQUEST_PARAMS_MAX; i++)
                free(take_ptr(params[i]));
}

static int check_params(char *const params[REQUEST_PARAMS_MAX], struct err *err) {
        for (size_t i = 0; i < REQUEST_PARAMS_MAX && params[i]; i++) {
                cleanup_(json_freep) json_t *text = json_string(params[i]);

                if (!text)
                        return err_set(err, -EINVAL, "the path is not UTF-8");
        }
        return 0;
}

int route_find(const char *method, const char *path, char *params[REQUEST_PARAMS_MAX],
               const struct route **ret, struct err *err) {
        const struct route *other = NULL;

        for (const struct route *r = route_table; r->method; r++) {
                bool fits = match(r->path, path, params);

                if (fits && str_eq(r->method, method)) {
                        *ret = r;
                        return check_params(params, err);
                }
                if (fits)
                        other = r;
                clear(params);
        }
        if (other)
                return err_set(err, -EPROTO, "%s takes %s and others, not %s", path, other->method,
                               method);
        return err_set(err, -ENOENT, "nothing at %s; /v1/openapi.yaml lists what there is", path);
}

int route_decode(const struct route *r, const char *body, size_t len, json_t **ret, void *data,
                 struct err *err) {
        struct json_where where = { .file = "request", .path = "" };
        cleanup_(json_freep) json_t *json = NULL;
        int e;

        if (!r->fields)
                return len ? err_set(err, -EINVAL, "this request takes no body") : 0;
        e = len ? json_parse(body, len, &json, err) : 0;
        if (e < 0)
                return err_add(err, e, "request body");
        if (!json)
                json = json_object();
        e = json_decode(json, r->fields, false, data, &where, err);
        if (e < 0)
                return e;
        *ret = take_ptr(json);
        return 0;
}
