/* SPDX-License-Identifier: Apache-2.0 */
/* action-params.c - see action-params.h */
#include "action-params.h"

#include "yaml.h"

#include <errno.h>

static int read_yaml(const char *text, size_t len, const char *from, json_t **ret,
                     struct err *err) {
        struct yaml_stream s = { 0 };
        int r = yaml_parse(text, len, from, YAML_CORE, &s, err);

        if (r >= 0 && s.count > 1)
                r = err_set(err, -EINVAL, "%s: has several documents", from);
        if (r >= 0)
                *ret = s.count ? json_incref(s.documents[0].root) : json_null();
        yaml_stream_free(&s);
        return r < 0 ? r : 0;
}

static int read_file(const char *path, json_t **ret, struct err *err) {
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        int r = cli_read_file(path, PARTS_FILE_MAX, &text, err);

        if (r >= 0)
                r = read_yaml(buf_str(&text), text.len, path, ret, err);
        if (r < 0)
                return r;
        if (json_is_null(*ret))
                *ret = json_object();
        if (json_is_object(*ret))
                return 0;
        json_decref(take_ptr(*ret));
        return err_set(err, -EINVAL, "%s: must be NAME: VALUE lines", path);
}

static int read_value(const char *text, const char *name, bool texts, json_t **ret,
                      struct err *err) {
        if (text[0] == '@')
                return parts_value(text + 1, ret, err);
        if (!texts)
                return read_yaml(text, strlen(text), name, ret, err);
        *ret = json_string(text);
        return *ret ? 0 : err_set(err, -EINVAL, "%s: is not UTF-8", name);
}

/* Takes VALUE over. */
static int put(json_t *params, const char *name, json_t *value, struct err *err) {
        json_t *at = params;
        size_t n;

        while (at && name[n = strcspn(name, ".")]) {
                cleanup_(freep) char *part = str_ndup(name, n);

                if (!json_is_object(json_get(at, part)))
                        json_object_set_new(at, part, json_object());
                at = json_get(at, part);
                name += n + 1;
        }
        return json_object_set_new(at, name, value) < 0
                       ? err_set(err, -EINVAL, "is no name of a parameter")
                       : 0;
}

static bool is_name(const char *name) {
        return name[0] && name[0] != '.' && name[strlen(name) - 1] != '.' && !strstr(name, "..");
}

static int add_pair(json_t *params, const char *pair, bool texts, struct err *err) {
        const char *eq = strchr(pair, '=');
        cleanup_(freep) char *name = eq ? str_ndup(pair, (size_t)(eq - pair)) : NULL;
        json_t *value;
        int r;

        if (!eq || !is_name(name))
                return err_set(err, -EINVAL, "%s: a parameter is NAME=VALUE", pair);
        r = read_value(eq + 1, name, texts, &value, err);
        if (r < 0)
                return err_add(err, r, "parameter %s (--string-args takes values as they are)",
                               name);
        r = put(params, name, value, err);
        return r < 0 ? err_add(err, r, "%s", name) : 0;
}

int action_params(const char *file, char *const *pairs, int count, bool texts, json_t **ret,
                  struct err *err) {
        cleanup_(json_freep) json_t *params = NULL;
        int r = 0;

        if (file)
                r = read_file(file, &params, err);
        else
                params = json_object();
        for (int i = 0; r >= 0 && i < count; i++)
                r = add_pair(params, pairs[i], texts, err);
        if (r >= 0)
                *ret = take_ptr(params);
        return r < 0 ? r : 0;
}
