/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.c - see lookup.h */
#include "lookup.h"

#include "buf.h"
#include "opt.h"

#include <errno.h>
#include <stdlib.h>

#define NEAR_MAX 500    /* names that are looked through for the nearest one */
#define LOOKUP_PAGE 500 /* applications of one read */
#define UNITS_TOLD 10   /* of an application, where another one was asked for */

/* "no model "kubflow", did you mean "kubeflow"?" */
static int none(const char *what, const char *name, const char *const *names, struct err *err) {
        const char *near = opt_nearest(name, names);

        if (near)
                return err_set(err, -ENOENT, "no %s \"%.80s\", did you mean \"%s\"?", what, name,
                               near);
        return err_set(err, -ENOENT, "no %s \"%.80s\"", what, name);
}

static int no_cluster(struct tx *tx, const char *name, struct err *err) {
        cleanup_(freep) const char **names = mem_array(const char *, NEAR_MAX + 1);
        struct q_target_row *rows;
        size_t n, kept = 0;
        int r = q_target_list(tx, &(struct q_target_list_in){ .after = 0, .max = NEAR_MAX }, &rows,
                              &n, err);

        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                if (rows[i].application_id_null)
                        names[kept++] = rows[i].name;
        }
        return none("cluster", name, names, err);
}

int lookup_cluster(struct tx *tx, const char *name, const struct q_target_row **ret,
                   struct err *err) {
        struct q_target_row *row;
        size_t n;
        int r = q_target_by_name(tx, &(struct q_target_by_name_in){ .name = name }, &row, &n, err);

        if (r < 0)
                return r;
        if (n == 0 || !row->application_id_null)
                return no_cluster(tx, name, err);
        *ret = row;
        return 0;
}

static int no_model(struct tx *tx, const char *name, struct err *err) {
        cleanup_(freep) const char **names = mem_array(const char *, NEAR_MAX + 1);
        struct q_model_row *rows;
        size_t n;
        int r = q_model_list(tx, &(struct q_model_list_in){ .after = 0, .max = NEAR_MAX }, &rows,
                             &n, err);

        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                names[i] = rows[i].name;
        return none("model", name, names, err);
}

int lookup_model(struct tx *tx, const char *name, const struct q_model_row **ret, struct err *err) {
        struct q_model_row *row;
        size_t n;
        int r = q_model_by_name(tx, &(struct q_model_by_name_in){ .name = name }, &row, &n, err);

        if (r < 0)
                return r;
        if (n == 0)
                return no_model(tx, name, err);
        *ret = row;
        return 0;
}

int lookup_live_model(struct tx *tx, const char *name, const struct q_model_row **ret,
                      struct err *err) {
        const struct q_model_row *row;
        int r = lookup_model(tx, name, &row, err);

        if (r < 0)
                return r;
        if (!str_eq(row->life, "alive"))
                return err_set(err, -EBUSY, "model %s is being removed", name);
        *ret = row;
        return 0;
}

static int no_application(struct tx *tx, const struct q_model_row *model, const char *name,
                          struct err *err) {
        cleanup_(freep) const char **names = mem_array(const char *, NEAR_MAX + 1);
        struct q_application_row *rows;
        size_t n;
        int r = q_application_list(tx,
                                   &(struct q_application_list_in){
                                           .model_id = model->id, .after = "", .max = NEAR_MAX },
                                   &rows, &n, err);

        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                names[i] = rows[i].name;
        r = none("application", name, names, err);
        return err_add(err, r, "model %s", model->name);
}

int lookup_application(struct tx *tx, const struct q_model_row *model, const char *name,
                       const struct q_application_row **ret, struct err *err) {
        struct q_application_row *row;
        size_t n;
        int r = q_application_by_name(
                tx, &(struct q_application_by_name_in){ .model_id = model->id, .name = name }, &row,
                &n, err);

        if (r < 0)
                return r;
        if (n == 0)
                return no_application(tx, model, name, err);
        *ret = row;
        return 0;
}

int lookup_live_application(struct tx *tx, const struct q_model_row *model, const char *name,
                            const struct q_application_row **ret, struct err *err) {
        const struct q_application_row *row;
        int r = lookup_application(tx, model, name, &row, err);

        if (r < 0)
                return r;
        if (!str_eq(row->life, "alive"))
                return err_set(err, -EBUSY, "application %s is being removed", name);
        *ret = row;
        return 0;
}

int lookup_no_guess(int r, struct err *err) {
        char *guess = r == -ENOENT ? strstr(err->text, ", did you mean ") : NULL;

        if (guess)
                *guess = '\0';
        return r;
}

int lookup_charm(struct tx *tx, const char *sha256, struct charm_meta **ret, struct err *err) {
        cleanup_(json_freep) json_t *j = NULL;
        struct q_charm_row *row;
        size_t n;
        int r = q_charm_by_sha256(tx, &(struct q_charm_by_sha256_in){ .sha256 = sha256 }, &row, &n,
                                  err);

        *ret = NULL;
        if (r < 0 || n == 0)
                return r;
        r = json_parse(row->metadata, strlen(row->metadata), &j, err);
        if (r == 0)
                r = charm_meta_from_json(j, ret, err);
        return r < 0 ? err_add(err, r, "charm %s", row->name) : 0;
}

int lookup_meta(struct tx *tx, const struct q_application_row *a, struct charm_meta **ret,
                struct err *err) {
        *ret = NULL;
        return a->charm_sha256 ? lookup_charm(tx, a->charm_sha256, ret, err) : 0;
}

static int no_action(const struct charm_meta *meta, const struct q_application_row *a,
                     const char *name, struct err *err) {
        cleanup_(freep) const char **names = mem_array(const char *, meta->action_count + 1);
        const char *near;

        for (size_t i = 0; i < meta->action_count; i++)
                names[i] = meta->actions[i].name;
        near = opt_nearest(name, names);
        return err_set(err, -ENOENT, "charm %s has no action \"%.60s\"%s%s%s", meta->name, name,
                       near ? ", did you mean \"" : "; mooringctl actions ", near ? near : a->name,
                       near ? "\"?" : " lists them");
}

int lookup_action(struct tx *tx, const struct q_application_row *a, const char *name,
                  struct charm_meta **ret_meta, const struct meta_action **ret, struct err *err) {
        int r = lookup_meta(tx, a, ret_meta, err);

        if (r < 0)
                return r;
        if (!*ret_meta)
                return err_set(err, -ENOENT, "application %s has no charm module, so no actions",
                               a->name);
        *ret = charm_meta_action(*ret_meta, name);
        return *ret ? 0 : no_action(*ret_meta, a, name, err);
}

int lookup_each_application(struct tx *tx, int64_t model, lookup_application_fn *fn, void *arg,
                            struct err *err) {
        struct q_application_list_in in = { .model_id = model, .after = "", .max = LOOKUP_PAGE };
        struct q_application_row *rows;
        size_t n;
        int r;

        do {
                r = q_application_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].name;
                        r = fn(tx, &rows[i], arg, err);
                }
        } while (r >= 0 && n == LOOKUP_PAGE);
        return r < 0 ? r : 0;
}

int lookup_unit(struct tx *tx, const struct q_application_row *a, int64_t number, struct err *err) {
        struct q_unit_list_in in = { .application_id = a->id, .after = "", .max = LOOKUP_PAGE };
        cleanup_(buf_free) struct buf told = BUF_INIT;
        struct q_unit_row *rows;
        size_t n, all = 0;

        do {
                int r = q_unit_list(tx, &in, &rows, &n, err);

                if (r < 0)
                        return r;
                for (size_t i = 0; i < n; i++, all++) {
                        if (rows[i].number == number)
                                return 0;
                        if (all < UNITS_TOLD)
                                buf_printf(&told, "%s%s/%lld", all ? ", " : "", a->name,
                                           (long long)rows[i].number);
                        in.after = rows[i].name;
                }
        } while (n == LOOKUP_PAGE);
        if (all == 0)
                return err_set(err, -ENOENT, "%s has no unit %lld, and none at all now", a->name,
                               (long long)number);
        return err_set(err, -ENOENT, "%s has no unit %lld; it has %s%s", a->name, (long long)number,
                       buf_str(&told), all > UNITS_TOLD ? ", ..." : "");
}
