/* SPDX-License-Identifier: Apache-2.0 */
/* faults.c - the list of what is wrong; see faults.h */
#include "faults.h"

#include <errno.h>
#include <stdlib.h>

static struct fault *next_item(struct faults *f) {
        if (f->count == FAULTS_MAX) {
                f->more++;
                return NULL;
        }
        f->items = mem_grow(f->items, &f->room, f->count + 1, sizeof(*f->items));
        f->items[f->count] = (struct fault){};
        return &f->items[f->count++];
}

void faults_add(struct faults *f, const char *file, int line, const char *fmt, ...) {
        struct fault *item = next_item(f);
        va_list ap;

        if (!item)
                return;
        va_start(ap, fmt);
        item->text = str_vformat(fmt, ap);
        va_end(ap);
        item->file = str_dup(file);
        item->line = line;
}

void faults_add_err(struct faults *f, const struct err *err) {
        faults_add(f, NULL, 0, "%s", err_text(err));
}

void faults_append(struct faults *f, const struct faults *from) {
        for (size_t i = 0; i < from->count; i++)
                faults_add(f, from->items[i].file, from->items[i].line, "%s", from->items[i].text);
        f->more += from->more;
}

void faults_deinit(struct faults *f) {
        for (size_t i = 0; i < f->count; i++) {
                free(f->items[i].file);
                free(f->items[i].text);
        }
        free(f->items);
        *f = (struct faults){};
}

char *faults_text(const struct fault *f) {
        if (f->file && f->line > 0)
                return str_format("%s:%d: %s", f->file, f->line, f->text);
        if (f->file)
                return str_format("%s: %s", f->file, f->text);
        return str_dup(f->text);
}

int faults_end(const struct faults *f, struct err *err) {
        cleanup_(freep) char *first = NULL;
        size_t others;

        if (f->count == 0)
                return 0;
        first = faults_text(&f->items[0]);
        others = f->count - 1 + f->more;
        if (others == 0)
                return err_set(err, -EINVAL, "%s", first);
        return err_set(err, -EINVAL, "%s (and %zu more error%s)", first, others,
                       others == 1 ? "" : "s");
}

json_t *faults_json(const struct faults *f) {
        json_t *list = json_array();

        for (size_t i = 0; i < f->count; i++) {
                const struct fault *item = &f->items[i];
                json_t *j = json_object();

                if (item->file)
                        json_object_set_new(j, "file", json_string(item->file));
                if (item->line > 0)
                        json_object_set_new(j, "line", json_integer(item->line));
                json_object_set_new(j, "text", json_string(item->text));
                json_array_append_new(list, j);
        }
        return list;
}
