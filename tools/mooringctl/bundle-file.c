/* SPDX-License-Identifier: Apache-2.0 */
/* bundle-file.c - reads bundles for the daemon, which opens no file that a request names */
#include "bundle-file.h"

#include "parts.h"
#include "yaml.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const schemes[] = { "include-file://", "include-base64://" };

/* What follows the scheme, or NULL. */
static const char *included(const json_t *value) {
        const char *text = json_string_value(value);

        for (size_t i = 0; text && i < ARRAY_SIZE(schemes); i++)
                if (str_starts(text, schemes[i]))
                        return text + strlen(schemes[i]);
        return NULL;
}

static int add_include(const char *bundle, const char *path, json_t *includes, struct err *err) {
        const char *slash = strrchr(bundle, '/');
        int folder = slash && path[0] != '/' ? (int)(slash - bundle) + 1 : 0;
        cleanup_(freep) char *full = str_format("%.*s%s", folder, bundle, path);
        json_t *text;
        int r;

        if (json_object_get(includes, path))
                return 0;
        r = parts_text(full, &text, err);
        if (r < 0)
                return err_add(err, r, "%s includes", bundle);
        json_object_set_new(includes, path, text);
        return 0;
}

static int walk(const char *bundle, const json_t *value, json_t *includes, struct err *err) {
        const char *path = included(value), *name;
        json_t *item;
        size_t i;
        int r = path ? add_include(bundle, path, includes, err) : 0;

        json_object_foreach((json_t *)value, name, item) {
                if (r >= 0)
                        r = walk(bundle, item, includes, err);
        }
        json_array_foreach(value, i, item) {
                if (r >= 0)
                        r = walk(bundle, item, includes, err);
        }
        return r;
}

static int add_source(const char *path, json_t *sources, json_t *includes, struct err *err) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        json_t *text, *source;
        int r = parts_text(path, &text, err);

        if (r < 0)
                return r;
        source = json_object();
        json_object_set_new(source, "file", json_string(path));
        json_object_set_new(source, "text", text);
        json_array_append_new(sources, source);
        /* What is no YAML is sent all the same: the daemon tells all that is wrong at once. */
        if (yaml_parse(json_string_value(text), json_string_length(text), path, YAML_CORE, &s,
                       NULL) < 0)
                return 0;
        for (size_t i = 0; r >= 0 && i < s.count; i++)
                r = walk(path, s.documents[i].root, includes, err);
        return r;
}

int bundle_file_body(const char *path, char *const *overlays, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *body = json_object();
        json_t *sources = json_array(), *includes = json_object();
        int r;

        json_object_set_new(body, "sources", sources);
        json_object_set_new(body, "includes", includes);
        r = add_source(path, sources, includes, err);
        for (size_t i = 0; r >= 0 && overlays && overlays[i]; i++)
                r = add_source(overlays[i], sources, includes, err);
        if (r < 0)
                return r;
        *ret = take_ptr(body);
        return 0;
}

bool bundle_file_is(const char *operand) {
        struct stat st;

        if (str_eq(operand, "-") || str_ends(operand, ".yaml") || str_ends(operand, ".yml") ||
            strchr(operand, '/'))
                return true;
        return stat(operand, &st) == 0 && S_ISREG(st.st_mode);
}
