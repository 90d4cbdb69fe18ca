/* SPDX-License-Identifier: Apache-2.0 */
/* command-cluster.c - the clusters that an operator adds: rows of table target without an
 * application */
#include "command-internal.h"

#include "name.h"

#include <errno.h>
#include <stdlib.h>

#define CONFIG_MAX (256u << 10) /* a kubeconfig without its secrets */

static int check_config(const struct command_cluster_add *c, char **ret, struct err *err) {
        char *text = json_text(c->config);

        if (strlen(text) > CONFIG_MAX) {
                int r = err_set(err, -EINVAL,
                                "cluster %s: its configuration has %zu bytes, at most %u fit",
                                c->name, strlen(text), CONFIG_MAX);

                free(text);
                return r;
        }
        *ret = text;
        return 0;
}

/* Two names for one cluster are allowed, and rarely meant. */
static int tell_same_server(struct tx *tx, struct command *c, const struct w_target_insert_in *in,
                            const char *server, struct err *err) {
        struct q_target_list_in page = { .max = 1000 };
        struct q_target_row *rows;
        size_t n;
        int r = q_target_list(tx, &page, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                cleanup_(json_freep) json_t *config = NULL;

                if (rows[i].id == in->id || !str_eq(rows[i].provider, in->provider) ||
                    json_parse(rows[i].config, strlen(rows[i].config), &config, NULL) < 0)
                        continue;
                if (str_eq(json_get_str(config, "server", ""), server))
                        command_note(c, "cluster %s has the same server %s", rows[i].name, server);
        }
        return r < 0 ? r : 0;
}

/* A configuration holds no secrets. Of the credential is told only that there is another one. */
static void record(struct command *c, const char *before, const char *after, bool credential) {
        json_t *was = NULL, *is = NULL;

        if (before && json_parse(before, strlen(before), &was, NULL) < 0)
                was = NULL;
        if (after && json_parse(after, strlen(after), &is, NULL) < 0)
                is = NULL;
        command_record(c, NULL, "config", was, is);
        if (credential)
                command_record(c, NULL, "credential", NULL, json_string(AUDIT_SECRET));
}

int command_cluster_add(struct tx *tx, struct command *c, struct err *err) {
        struct command_cluster_add *add = command_of(c, command_cluster_add);
        cleanup_(freep) char *config = NULL;
        struct w_target_insert_in in;
        struct q_target_row *row;
        size_t n;
        int r = name_check_cluster(add->name, err);

        if (r >= 0)
                r = q_target_by_name(tx, &(struct q_target_by_name_in){ .name = add->name }, &row,
                                     &n, err);
        if (r < 0)
                return r;
        if (n > 0)
                return err_set(err, -EEXIST,
                               "cluster %s is there already: update-cluster changes it", add->name);
        if (!json_is_object(add->config))
                return err_set(err, -EINVAL, "cluster %s: no configuration", add->name);
        r = check_config(add, &config, err);
        if (r < 0)
                return r;
        in = (struct w_target_insert_in){ .id = tx_id(tx, "target"),
                                          .name = add->name,
                                          .provider = "kubernetes",
                                          .config = config,
                                          .credential = add->credential,
                                          .credential_len = add->credential_len,
                                          .application_id_null = true,
                                          .created_at = tx_now(tx) };
        r = w_target_insert(tx, &in, err);
        if (r >= 0)
                r = tell_same_server(tx, c, &in, json_get_str(add->config, "server", "?"), err);
        if (r < 0)
                return r;
        command_change(c, "add-cluster", NULL, "add cluster %s", add->name);
        record(c, NULL, config, add->credential != NULL);
        command_say(c, "cluster", json_string(add->name));
        tx_mark(tx, MARK_TARGET, in.id);
        return 0;
}

int command_cluster_update(struct tx *tx, struct command *c, struct err *err) {
        struct command_cluster_add *add = command_of(c, command_cluster_add);
        cleanup_(freep) char *config = NULL;
        const struct q_target_row *row;
        int r = lookup_cluster(tx, add->name, &row, err);

        if (r >= 0 && add->config)
                r = check_config(add, &config, err);
        if (r < 0)
                return r;
        r = w_target_set_config(
                tx,
                &(struct w_target_set_config_in){
                        .config = config ? config : row->config,
                        .credential = add->credential ? add->credential : row->credential,
                        .credential_len =
                                add->credential ? add->credential_len : row->credential_len,
                        .id = row->id },
                err);
        if (r < 0)
                return r;
        command_change(c, "update-cluster", NULL, "use the new configuration for cluster %s",
                       add->name);
        record(c, row->config, config ? config : row->config, add->credential != NULL);
        tx_mark(tx, MARK_TARGET, row->id);
        return 0;
}

/* ---- removal */

static int refuse_used(struct tx *tx, const struct q_target_row *row, struct err *err) {
        cleanup_(buf_free) struct buf names = BUF_INIT;
        struct q_model_row *models;
        size_t n;
        int r = q_model_by_target(tx,
                                  &(struct q_model_by_target_in){ .target_id = row->id, .max = 20 },
                                  &models, &n, err);

        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        for (size_t i = 0; i < n; i++)
                buf_printf(&names, "%s%s", i ? ", " : "", models[i].name);
        return err_set(err, -EBUSY,
                       "cluster %s has models: %s; remove them first (remove-model --force when "
                       "the cluster "
                       "cannot be reached)",
                       row->name, buf_str(&names));
}

static int leave_behind(struct tx *tx, struct command *c, const struct q_detached_row *d,
                        struct err *err) {
        struct q_model_row *model;
        size_t n;
        int r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = d->model_id }, &model, &n, err);

        if (r >= 0)
                r = data_leave(tx,
                               &(struct data_left){ n ? model->name : "", d->application, d->type,
                                                    d->path, "its cluster was removed" },
                               err);
        if (r >= 0)
                r = detached_forget(tx, d, err);
        if (r >= 0)
                command_change(c, "leave", d->application,
                               "leave %s %s of %s behind, and forget what opens it", d->type,
                               d->path, d->application);
        return r < 0 ? r : 0;
}

static int drop_detached(struct tx *tx, struct command *c, const struct q_target_row *row,
                         bool force, struct err *err) {
        struct q_detached_row *rows;
        size_t n;
        int r = q_detached_by_target(tx, &(struct q_detached_by_target_in){ .target_id = row->id },
                                     &rows, &n, err);

        if (r < 0)
                return r;
        if (n > 0 && !force)
                return err_set(err, -EBUSY,
                               "cluster %s has storage that outlived its application (%s of %s and "
                               "%zu more): "
                               "destroy-storage, or --force to leave it behind",
                               row->name, rows[0].path, rows[0].application, n - 1);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = leave_behind(tx, c, &rows[i], err);
        return r < 0 ? r : 0;
}

int command_cluster_remove(struct tx *tx, struct command *c, struct err *err) {
        struct command_cluster *remove = command_of(c, command_cluster);
        const struct q_target_row *row;
        int64_t id;
        int r = lookup_cluster(tx, remove->name, &row, err);

        r = lookup_no_guess(r, err);
        if (r >= 0)
                r = refuse_used(tx, row, err);
        if (r >= 0)
                r = drop_detached(tx, c, row, remove->force, err);
        if (r < 0)
                return r;
        id = row->id;
        r = w_target_delete(tx, &(struct w_target_delete_in){ .id = id }, err);
        if (r == -ENOENT)
                return err_set(err, -EBUSY, "cluster %s is still in use by what is being removed",
                               remove->name);
        if (r < 0)
                return r;
        command_change(c, "remove-cluster", NULL, "forget cluster %s", remove->name);
        tx_mark(tx, MARK_TARGET, id);
        return 0;
}

static int mark_models(struct tx *tx, struct command *c, int64_t target, struct err *err) {
        struct q_model_by_target_in in = { .target_id = target, .max = 1000 };
        struct q_model_row *rows;
        size_t n;
        int r;

        do {
                r = q_model_by_target(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].id;
                        tx_mark(tx, MARK_MODEL, rows[i].id);
                        r = consequence_rebound(tx, c, &rows[i], err);
                }
        } while (r >= 0 && n == (size_t)in.max);
        return r < 0 ? r : 0;
}

int command_cluster_rebind(struct tx *tx, struct command *c, struct err *err) {
        struct command_cluster *rebind = command_of(c, command_cluster);
        const struct q_target_row *row;
        int r = lookup_cluster(tx, rebind->name, &row, err);

        if (r < 0 || !row->bound_uid)
                return r;
        if (!rebind->answers)
                return err_set(err, -EBUSY,
                               "cluster %s does not answer now: which one it is shows when it does",
                               rebind->name);
        if (str_eq(rebind->answers, row->bound_uid))
                return err_set(err, -EBUSY, "cluster %s is the one it was: nothing to rebind",
                               rebind->name);
        r = w_target_set_bound(
                tx, &(struct w_target_set_bound_in){ .bound_uid = rebind->answers, .id = row->id },
                err);
        if (r < 0)
                return r;
        command_change(c, "rebind-cluster", NULL,
                       "bind the models of %s to the cluster that answers now (%s, was %s)",
                       rebind->name, rebind->answers, row->bound_uid);
        tx_mark(tx, MARK_TARGET, row->id);
        return mark_models(tx, c, row->id, err);
}
