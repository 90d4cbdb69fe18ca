/* SPDX-License-Identifier: Apache-2.0 */
/* json-walk.c - visits every text of a value, or copies it with other texts */
#include "json.h"

struct walk {
        json_text_fn *fn;
        void *arg;
        struct buf pointer;
};

static void add_escaped(struct buf *b, const char *name) {
        buf_putc(b, '/');
        for (; *name; name++) {
                if (*name == '~')
                        buf_puts(b, "~0");
                else if (*name == '/')
                        buf_puts(b, "~1");
                else
                        buf_putc(b, *name);
        }
}

static void cut(struct buf *b, size_t len) {
        b->len = len;
        if (b->data)
                b->data[len] = '\0';
}

static int walk_value(struct walk *w, const json_t *j, struct err *err);

static int walk_object(struct walk *w, const json_t *j, struct err *err) {
        size_t at = w->pointer.len;
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)j, name, value) {
                int r;

                add_escaped(&w->pointer, name);
                r = w->fn(w->arg, name, buf_str(&w->pointer), true, err);
                if (r >= 0)
                        r = walk_value(w, value, err);
                cut(&w->pointer, at);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int walk_value(struct walk *w, const json_t *j, struct err *err) {
        size_t at = w->pointer.len;
        size_t i;
        json_t *value;

        if (json_is_string(j))
                return w->fn(w->arg, json_string_value(j), buf_str(&w->pointer), false, err);
        if (json_is_object(j))
                return walk_object(w, j, err);
        json_array_foreach((json_t *)j, i, value) {
                int r;

                buf_printf(&w->pointer, "/%zu", i);
                r = walk_value(w, value, err);
                cut(&w->pointer, at);
                if (r < 0)
                        return r;
        }
        return 0;
}

int json_walk(const json_t *j, json_text_fn *fn, void *arg, struct err *err) {
        struct walk w = { .fn = fn, .arg = arg };
        int r = walk_value(&w, j, err);

        buf_free(&w.pointer);
        return r < 0 ? r : 0;
}

/* ---- copies */

static int fill_text(const json_t *j, json_fill_fn *fn, void *arg, json_t **ret, struct err *err) {
        struct buf text = BUF_INIT;
        int r = fn(arg, json_string_value(j), &text, err);

        if (r >= 0)
                *ret = json_stringn(buf_str(&text), text.len);
        buf_wipe(&text);
        return r < 0 ? r : 0;
}

static int fill_object(const json_t *j, json_fill_fn *fn, void *arg, json_t *to, struct err *err) {
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)j, name, value) {
                json_t *copy;
                int r = json_fill(value, fn, arg, &copy, err);

                if (r < 0)
                        return r;
                json_object_set_new(to, name, copy);
        }
        return 0;
}

static int fill_list(const json_t *j, json_fill_fn *fn, void *arg, json_t *to, struct err *err) {
        json_t *value;
        size_t i;

        json_array_foreach((json_t *)j, i, value) {
                json_t *copy;
                int r = json_fill(value, fn, arg, &copy, err);

                if (r < 0)
                        return r;
                json_array_append_new(to, copy);
        }
        return 0;
}

int json_fill(const json_t *j, json_fill_fn *fn, void *arg, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *to = NULL;
        int r = 0;

        if (json_is_string(j))
                return fill_text(j, fn, arg, ret, err);
        if (json_is_object(j))
                r = fill_object(j, fn, arg, to = json_object(), err);
        else if (json_is_array(j))
                r = fill_list(j, fn, arg, to = json_array(), err);
        else
                to = json_incref((json_t *)j);
        if (r < 0)
                return r;
        *ret = take_ptr(to);
        return 0;
}
