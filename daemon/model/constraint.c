/* SPDX-License-Identifier: Apache-2.0 */
/* constraint.c - see constraint.h */
#include "constraint.h"

#include "name.h"
#include "opt.h"
#include "size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define TEXT_MAX_BYTES 4096 /* Juju's longest are a line */
#define CORES_MAX 4096      /* no node has more */

/* One constraint: checks VALUE and puts it into INTO. */
typedef int (*take_fn)(const char *name, const char *value, json_t *into, struct err *err);

static int wrong(struct err *err, const char *name, const char *value, const char *wanted) {
        return err_set(err, -EINVAL, "constraint %s=%.60s: wants %s", name, value, wanted);
}

static int take_size(const char *name, const char *value, json_t *into, struct err *err) {
        int64_t bytes;

        if (!size_parse(value, &bytes) || bytes == 0)
                return wrong(err, name, value, "a size such as 2G or 512M");
        json_object_set_new(into, name, json_sprintf("%" PRId64, bytes));
        return 0;
}

static int take_count(const char *name, const char *value, json_t *into, struct err *err) {
        int64_t n;

        if (!str_to_int(value, &n) || n < 1 || n > CORES_MAX * 100)
                return wrong(err, name, value, "a whole number above 0");
        json_object_set_new(into, name, json_sprintf("%" PRId64, n));
        return 0;
}

static int take_arch(const char *name, const char *value, json_t *into, struct err *err) {
        static const char *const known[] = { "amd64", "arm64", "ppc64le", "s390x", "riscv64" };
        const char *as_kubernetes = str_eq(value, "ppc64el") ? "ppc64le" : value;

        for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
                if (str_eq(known[i], as_kubernetes)) {
                        json_object_set_new(into, name, json_string(as_kubernetes));
                        return 0;
                }
        }
        return wrong(err, name, value, "one of amd64, arm64, ppc64le, s390x, riscv64");
}

static int put_node(const char *label, const char *value, json_t *into, struct err *err) {
        cleanup_(freep) char *name = str_format("nodes.%s", label);
        const char *before = json_get_str(into, name, NULL);

        if (!name_is_label_key(label) || !name_is_label_value(value))
                return wrong(err, label, value,
                             "a node's label and its value, as Kubernetes has them");
        if (before && !str_eq(before, value))
                return err_set(err, -EINVAL, "constraint: node label %s is both %s and %s", label,
                               before, value);
        json_object_set_new(into, name, json_string(value));
        return 0;
}

static int take_tags(const char *name, const char *value, json_t *into, struct err *err) {
        cleanup_(freep) char *copy = str_dup(value);
        char *rest = copy, *tag;

        while ((tag = strsep(&rest, ","))) {
                char *equals = strchr(tag, '=');
                int r;

                if (!equals || equals == tag)
                        return wrong(err, name, value,
                                     "labels of nodes on Kubernetes: tags=LABEL=VALUE,...");
                *equals = '\0';
                r = put_node(tag, equals + 1, into, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int take_useless(const char *name, const char *value, json_t *into, struct err *err) {
        return err_set(err, -EINVAL,
                       "constraint %s=%.60s: is for machines and means nothing on Kubernetes", name,
                       value);
}

static const struct {
        const char *name;
        take_fn take;
} rows[] = {
        { "mem", take_size },
        { "cores", take_count },
        { "cpu-power", take_count },
        { "arch", take_arch },
        { "root-disk", take_size },
        { "tags", take_tags },
        { "cpu-cores", take_useless },
        { "allocate-public-ip", take_useless },
        { "container", take_useless },
        { "image-id", take_useless },
        { "instance-role", take_useless },
        { "instance-type", take_useless },
        { "root-disk-source", take_useless },
        { "spaces", take_useless },
        { "virt-type", take_useless },
        { "zones", take_useless },
};

static int unknown(const char *name, struct err *err) {
        const char *names[ARRAY_SIZE(rows) + 1] = {};
        const char *near;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                names[i] = rows[i].name;
        near = opt_nearest(name, names);
        if (near)
                return err_set(err, -EINVAL, "constraint %.60s is not known, did you mean \"%s\"?",
                               name, near);
        return err_set(err, -EINVAL,
                       "constraint %.60s is not known: there are mem, cores, cpu-power, "
                       "arch, root-disk and nodes.LABEL",
                       name);
}

static int take_one(char *word, json_t *into, struct err *err) {
        char *equals = strchr(word, '=');

        if (!equals || equals == word)
                return err_set(err, -EINVAL, "constraint \"%.60s\": wants NAME=VALUE", word);
        *equals++ = '\0';
        if (!*equals)
                return err_set(
                        err, -EINVAL,
                        "constraint %.60s has no value: what is given replaces all, so leave "
                        "it out; constraints APP \"\" drops all of them",
                        word);
        if (str_starts(word, "nodes."))
                return put_node(word + strlen("nodes."), equals, into, err);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                if (!str_eq(rows[i].name, word))
                        continue;
                if (json_object_get(into, word))
                        return err_set(err, -EINVAL, "constraint %s is given twice", word);
                return rows[i].take(word, equals, into, err);
        }
        return unknown(word, err);
}

int constraint_parse(const char *text, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *into = json_object();
        cleanup_(freep) char *copy = str_dup(text);
        char *rest = copy, *word;

        if (strlen(text) > TEXT_MAX_BYTES)
                return err_set(err, -EINVAL, "constraints: %zu letters, at most %d are read",
                               strlen(text), TEXT_MAX_BYTES);
        while ((word = strsep(&rest, " \t\n"))) {
                int r = *word ? take_one(word, into, err) : 0;

                if (r < 0)
                        return r;
        }
        *ret = take_ptr(into);
        return 0;
}

static bool is_size(const char *name) {
        return str_eq(name, "mem") || str_eq(name, "root-disk");
}

char *constraint_text(const json_t *constraints) {
        struct buf out = BUF_INIT;
        char size[SIZE_TEXT_MAX];
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)constraints, name, value) {
                const char *text = json_string_value(value);
                int64_t bytes;

                if (is_size(name) && text && str_to_int(text, &bytes))
                        text = size_text(bytes, size);
                buf_printf(&out, "%s%s=%s", out.len ? " " : "", name, text ? text : "");
        }
        return buf_take(&out);
}
