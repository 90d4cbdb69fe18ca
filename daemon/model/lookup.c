/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.c - see lookup.h */
#include "lookup.h"

#include "opt.h"

#include <errno.h>
#include <stdlib.h>

#define NEAR_MAX 500 /* names that are looked through for the nearest one */

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

int lookup_meta(struct tx *tx, const struct q_application_row *a, struct charm_meta **ret,
                struct err *err) {
        cleanup_(json_freep) json_t *j = NULL;
        struct q_charm_row *row;
        size_t n;
        int r;

        *ret = NULL;
        if (!a->charm_sha256)
                return 0;
        r = q_charm_by_sha256(tx, &(struct q_charm_by_sha256_in){ .sha256 = a->charm_sha256 }, &row,
                              &n, err);
        if (r < 0 || n == 0)
                return r;
        r = json_parse(row->metadata, strlen(row->metadata), &j, err);
        if (r == 0)
                r = charm_meta_from_json(j, ret, err);
        return r < 0 ? err_add(err, r, "charm %s", row->name) : 0;
}
