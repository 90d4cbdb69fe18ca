/* SPDX-License-Identifier: Apache-2.0 */
/* s3.c - the provider of object stores: buckets anywhere, policies and users on MinIO
 *
 * Not watched: the reconciler looks in its turn. What apply saw is the baseline, whole; the
 * projection is therefore one for all. See s3-config.h for a target's document, s3-document.c
 * for what may be wanted. */
#include "s3-target.h"

#include <errno.h>
#include <stdlib.h>

#define POLL_MS 30000 /* damage is put right within a minute; two or three requests a resource */
#define FIELDS "s3/1"

struct projection {
        char nothing;
};

static int projection_parse(const char *fields, struct projection **ret, struct err *err) {
        if (!str_eq(fields, FIELDS))
                return err_set(err, -EINVAL, "field set \"%.20s\": this program writes " FIELDS,
                               fields);
        *ret = mem_new(struct projection);
        return 0;
}

static void projection_free(struct projection *p) {
        free(p);
}

static bool secret_place(const json_t *wanted, const char *pointer) {
        return str_eq(pointer, "/secret-key");
}

static void look(struct target *t, const struct apply_request *r, struct op *op) {
        s3_target_start(t, S3_LOOK, r, op);
}

static void apply(struct target *t, const struct apply_request *r, struct op *op) {
        s3_target_start(t, S3_APPLY, r, op);
}

static void remove_it(struct target *t, const struct apply_request *r, struct op *op) {
        s3_target_start(t, S3_REMOVE, r, op);
}

/* ---- compare: "document.Statement[0].Action[s3:GetObject]" */

static void compare_value(const char *path, json_t *was, json_t *is, struct drift_list *ret);

static void compare_member(const char *path, const char *member, json_t *was, json_t *is,
                           struct drift_list *ret) {
        cleanup_(freep) char *to = str_format("%s%s%s", path, path[0] ? "." : "", member);

        compare_value(to, was, is, ret);
}

static void compare_objects(const char *path, json_t *was, json_t *is, struct drift_list *ret) {
        const char *member;
        json_t *value;

        json_object_foreach(was, member, value)
                compare_member(path, member, value, json_get(is, member), ret);
        json_object_foreach(is, member, value)
                if (!json_get(was, member))
                        compare_member(path, member, NULL, value, ret);
}

static bool is_set(const json_t *list) {
        size_t i;
        json_t *item;

        json_array_foreach((json_t *)list, i, item)
                if (!json_is_string(item))
                        return false;
        return json_is_array(list);
}

static bool holds(const json_t *list, const json_t *item) {
        size_t i;
        json_t *other;

        json_array_foreach((json_t *)list, i, other)
                if (json_equal(other, item))
                        return true;
        return false;
}

static void add_drift(struct drift_list *ret, char *field, json_t *wanted, json_t *found) {
        *drift_list_add(ret) = (struct drift){ .field = field,
                                               .wanted = json_incref(wanted),
                                               .found = json_incref(found) };
}

static void compare_sets(const char *path, json_t *was, json_t *is, struct drift_list *ret) {
        size_t i;
        json_t *item;

        json_array_foreach(was, i, item)
                if (!holds(is, item))
                        add_drift(ret, str_format("%s[%s]", path, json_string_value(item)), item,
                                  NULL);
        json_array_foreach(is, i, item)
                if (!holds(was, item))
                        add_drift(ret, str_format("%s[%s]", path, json_string_value(item)), NULL,
                                  item);
}

static void compare_lists(const char *path, json_t *was, json_t *is, struct drift_list *ret) {
        size_t n = MAX_OF(json_array_size(was), json_array_size(is));

        for (size_t i = 0; i < n; i++) {
                cleanup_(freep) char *to = str_format("%s[%zu]", path, i);

                compare_value(to, json_array_get(was, i), json_array_get(is, i), ret);
        }
}

/* Depth is that of what came through json_parse, which limits it. */
static void compare_value(const char *path, json_t *was, json_t *is, struct drift_list *ret) {
        if (was && is && json_equal(was, is))
                return;
        if (json_is_object(was) && json_is_object(is))
                compare_objects(path, was, is, ret);
        else if (is_set(was) && is_set(is))
                compare_sets(path, was, is, ret);
        else if (json_is_array(was) && json_is_array(is))
                compare_lists(path, was, is, ret);
        else
                add_drift(ret, str_dup(path), was, is);
}

static int compare(const struct apply_request *r, const struct observation *o,
                   struct drift_list *ret, struct err *err) {
        if (!json_is_object(r->baseline) || !json_is_object(o->found))
                return err_set(err, -EINVAL, "%s %s: nothing to compare", r->type, r->path);
        compare_value("", (json_t *)r->baseline, o->found, ret);
        return 0;
}

extern const struct provider provider_s3;
const struct provider provider_s3 = {
        .name = "s3",
        .poll_every_ms = POLL_MS,
        .check = s3_config_check,
        .identify = s3_document_identify,
        .secret_place = secret_place,
        .open = s3_target_open,
        .close = s3_target_close,
        .look = look,
        .apply = apply,
        .remove = remove_it,
        .cancel = s3_target_cancel,
        .compare = compare,
        .projection_parse = projection_parse,
        .projection_free = projection_free,
};
