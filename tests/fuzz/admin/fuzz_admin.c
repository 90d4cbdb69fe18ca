/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_admin.c - requests of the admin API: "METHOD PATH", a line end, the body
 *
 * Whatever is sent finds a route or a reason; a body fills the route's struct or gives a reason,
 * and what is required is then there. */
#include "request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_required(const struct route *r, const void *data) {
        for (const struct json_field *f = r->fields; f && f->name; f++) {
                const void *at = (const char *)data + f->offset;

                if ((f->flags & JSON_REQUIRED) && f->kind == JSON_FIELD_STRING &&
                    !*(char *const *)at)
                        abort();
        }
}

static void decode(const struct route *r, const char *body, size_t len) {
        cleanup_(freep) void *into = mem_alloc(r->size + 1);
        cleanup_(json_freep) json_t *json = NULL;
        struct err err = { 0 };
        int e = route_decode(r, body, len, &json, into, &err);

        if (e < 0 && !err.text[0])
                abort();
        if (e >= 0)
                check_required(r, into);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup_(freep) char *text = str_ndup((const char *)data, size);
        size_t line = strcspn(text, "\n"), word = strcspn(text, " \n");
        cleanup_(freep) char *method = str_ndup(text, word);
        cleanup_(freep) char *path =
                word < line ? str_ndup(text + word + 1, line - word - 1) : str_dup("");
        char *params[REQUEST_PARAMS_MAX] = { NULL };
        const struct route *r;
        struct err err = { 0 };
        int e = route_find(method, path, params, &r, &err);

        if (e < 0 && !err.text[0])
                abort();
        if (e >= 0)
                decode(r, text + line + (line < size),
                       strlen(text + line) ? strlen(text + line) - 1 : 0);
        for (size_t i = 0; i < REQUEST_PARAMS_MAX; i++)
                free(params[i]);
        return 0;
}
