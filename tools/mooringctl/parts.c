/* SPDX-License-Identifier: Apache-2.0 */
/* parts.c - pieces of request bodies; see parts.h */
#include "parts.h"

#include "digest.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>

static size_t lines(const char *text, const char *end) {
        size_t n = 0;

        for (; text < end; text++)
                n += *text == '\n';
        return n;
}

int parts_text(const char *path, json_t **ret, struct err *err) {
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        int r = cli_read_file(path, PARTS_FILE_MAX, &text, err);

        const char *zero;

        if (r < 0)
                return r;
        zero = memchr(text.data, '\0', text.len);
        if (zero)
                return err_set(err, -EINVAL, "%s:%zu: has a NUL byte: is it a text file?", path,
                               lines(text.data, zero) + 1);
        *ret = json_stringn(buf_str(&text), text.len);
        return *ret ? 0 : err_set(err, -EINVAL, "%s: is not UTF-8 text", path);
}

int parts_value(const char *path, json_t **ret, struct err *err) {
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        int r = cli_read_file(path, PARTS_FILE_MAX, &text, err);

        if (r < 0)
                return r;
        *ret = json_stringn(buf_str(&text), strcspn(buf_str(&text), "\n") + 1 == text.len
                                                    ? text.len - 1
                                                    : text.len);
        return *ret ? 0 : err_set(err, -EINVAL, "%s: is not UTF-8 text", path);
}

static int read_value(const char *text, json_t **ret, struct err *err) {
        if (text[0] == '@')
                return parts_text(text + 1, ret, err);
        *ret = json_string(text);
        return *ret ? 0 : err_set(err, -EINVAL, "not UTF-8");
}

int parts_pairs(char *const *list, const char *what, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *pairs = json_object();

        for (size_t i = 0; list && list[i]; i++) {
                const char *eq = strchr(list[i], '=');
                cleanup_(freep) char *name = eq ? str_ndup(list[i], (size_t)(eq - list[i])) : NULL;
                json_t *value;
                int r;

                if (!eq || eq == list[i])
                        return err_set(err, -EINVAL, "%s %s: wants NAME=VALUE", what, list[i]);
                r = read_value(eq + 1, &value, err);
                if (r < 0)
                        return err_add(err, r, "%s %s", what, name);
                if (json_object_get(pairs, name)) {
                        json_decref(value);
                        return err_set(err, -EINVAL, "%s: %s is given twice", what, name);
                }
                if (json_object_set_new(pairs, name, value) < 0)
                        return err_set(err, -EINVAL, "%s: the name is not UTF-8", what);
        }
        *ret = take_ptr(pairs);
        return 0;
}

/* ---- backups */

char *parts_place(const char *path) {
        bool whole = !path || path[0] == '/' || strstr(path, "://");
        cleanup_(freep) char *here = whole ? NULL : realpath(".", NULL);

        if (here)
                return str_format("%s/%s", here, path);
        return path ? str_dup(path) : NULL;
}

int parts_key(const char *file, json_t *body) {
        cleanup_(buf_wipe) struct buf key = BUF_INIT;
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        struct err err = { 0 };

        if (!file)
                return CLI_DONE;
        if (cli_read_file(file, PARTS_KEY_MAX, &key, &err) < 0)
                return cli_fail_err(&err);
        if (!key.len)
                return cli_fail(CLI_FAILED, "%s is empty", file);
        digest_base64(key.data, key.len, &text);
        json_object_set_new(body, "key", json_string(buf_str(&text)));
        return CLI_DONE;
}

/* ---- lists of objects */

static int by_object(const void *a, const void *b) {
        const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
        int r = text_natural(json_get_str(x, "application", ""),
                             json_get_str(y, "application", ""));

        if (r == 0)
                r = text_natural(json_get_str(x, "type", ""), json_get_str(y, "type", ""));
        return r ? r : text_natural(json_get_str(x, "path", ""), json_get_str(y, "path", ""));
}

const json_t **parts_by_object(const json_t *list) {
        size_t n = json_array_size(list);
        const json_t **sorted = mem_array(const json_t *, n + 1);

        for (size_t i = 0; i < n; i++)
                sorted[i] = json_array_get(list, i);
        if (n)
                qsort(sorted, n, sizeof(*sorted), by_object);
        return sorted;
}
