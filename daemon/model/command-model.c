/* SPDX-License-Identifier: Apache-2.0 */
/* command-model.c - models: made, configured, taken over, and told to end
 *
 * model-config: image-registry rewrites every image, image-pull-secret names a Secret of the
 * namespace, tolerations and node-selector go to all pods. Removal only marks: the reconciler
 * ends it and removal.c deletes the rows. */
#include "command-internal.h"

#include "certificate.h"
#include "limit.h"

#include "name.h"
#include "opt.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define PAGE 500
#define TOLERATIONS_MAX 50 /* a pod has a handful */

static void make_uuid(struct command *c, char ret[37]) {
        uint8_t b[DIGEST_SIZE];

        digest_hmac(c->seed, sizeof(c->seed), "model", strlen("model"), b);
        b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
        b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
        snprintf(ret, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
                 b[13], b[14], b[15]);
}

/* It was removed, and only the storage that is kept is left of it. */
static int is_kept(struct tx *tx, const struct q_model_row *model, bool *ret, struct err *err) {
        struct q_application_count_row *count;
        struct q_detached_row *kept;
        size_t n;
        int r = q_application_count(tx, &(struct q_application_count_in){ .model_id = model->id },
                                    &count, &n, err);

        *ret = str_eq(model->life, "dying") && !model->destroy_storage && !model->force && r >= 0 &&
               n && count->total == 0;
        if (r < 0 || !*ret)
                return r;
        r = q_detached_list(tx, &(struct q_detached_list_in){ .model_id = model->id, .max = 1 },
                            &kept, &n, err);
        *ret = r >= 0 && n > 0;
        return r;
}

/* A model of that name: refused, or in *RET the one that can be gone on with. */
static int check_free(struct tx *tx, const char *name, const struct q_model_row **ret,
                      struct err *err) {
        struct q_model_row *row;
        bool kept;
        size_t n;
        int r = q_model_by_name(tx, &(struct q_model_by_name_in){ .name = name }, &row, &n, err);

        *ret = NULL;
        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        if (str_eq(row->life, "alive"))
                return err_set(err, -EEXIST, "model %s is there already", name);
        r = is_kept(tx, row, &kept, err);
        if (r >= 0 && !kept)
                return err_set(err, -EBUSY, "model %s is being removed: wait until it is gone",
                               name);
        *ret = row;
        return r < 0 ? r : 0;
}

/* Removed, with storage kept: the model goes on with it. */
static int revive(struct tx *tx, struct command *c, const struct q_model_row *model,
                  const struct q_target_row *cluster, struct err *err) {
        int r;

        if (model->target_id != cluster->id)
                return err_set(err, -EEXIST,
                               "model %s was removed and its storage is kept, on another cluster: "
                               "remove-model %s --destroy-storage ends it",
                               model->name, model->name);
        r = w_model_set_life(tx, &(struct w_model_set_life_in){ .life = "alive", .id = model->id },
                             err);
        if (r < 0)
                return r;
        command_change(c, "add-model", NULL, "go on with model %s and the storage it kept",
                       model->name);
        command_say(c, "model", json_string(model->name));
        command_say(c, "uuid", json_string(model->uuid));
        tx_mark(tx, MARK_MODEL, model->id);
        return 0;
}

int command_model_add(struct tx *tx, struct command *c, struct err *err) {
        struct command_model *add = command_of(c, command_model);
        const struct q_target_row *cluster;
        const struct q_model_row *before;
        struct w_model_insert_in in;
        char uuid[37];
        int r = name_check_model(add->model, err);

        if (r >= 0)
                r = check_free(tx, add->model, &before, err);
        if (r >= 0)
                r = lookup_cluster(tx, add->cluster ? add->cluster : "", &cluster, err);
        if (r < 0)
                return r;
        if (before)
                return revive(tx, c, before, cluster, err);
        make_uuid(c, uuid);
        in = (struct w_model_insert_in){ .id = tx_id(tx, "model"),
                                         .name = add->model,
                                         .uuid = uuid,
                                         .target_id = cluster->id,
                                         .created_at = tx_now(tx) };
        r = w_model_insert(tx, &in, err);
        if (r < 0)
                return r;
        command_change(c, "add-model", NULL, "add model %s on cluster %s", add->model,
                       cluster->name);
        command_record(c, NULL, "cluster", NULL, json_string(cluster->name));
        command_record(c, NULL, "uuid", NULL, json_string(uuid));
        command_say(c, "model", json_string(add->model));
        command_say(c, "uuid", json_string(uuid));
        tx_mark(tx, MARK_MODEL, in.id);
        return 0;
}

/* ---- removal */

struct ending {
        struct command *command;
        bool destroy, force;
};

static int end_application(struct tx *tx, const struct q_application_row *a, void *arg,
                           struct err *err) {
        const struct ending *e = arg;
        int r = w_application_set_life(tx,
                                       &(struct w_application_set_life_in){
                                               .life = "dying",
                                               .force = e->force || a->force,
                                               .destroy_storage = e->destroy || a->destroy_storage,
                                               .id = a->id },
                                       err);

        if (r >= 0 && e->destroy && !a->destroy_storage)
                r = application_row_destroyer(tx, e->command, a->id, err);
        if (r >= 0)
                r = consequence_removal(tx, e->command, a, e->destroy || a->destroy_storage, err);
        command_concerns(e->command, a->name);
        if (r >= 0)
                tx_mark(tx, MARK_APPLICATION, a->id);
        return r < 0 ? r : 0;
}

static int end_relations(struct tx *tx, int64_t model, struct err *err) {
        struct q_relation_list_in in = { .model_id = model, .max = PAGE };
        struct q_relation_row *rows;
        size_t n;
        int r;

        do {
                r = q_relation_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].id;
                        r = relation_row_end(tx, rows[i].id, err);
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

static int count_data(struct tx *tx, const struct q_application_row *a, void *arg,
                      struct err *err) {
        struct consequence_counts counts;
        int r = consequence_count(tx, a, &counts, err);

        *(size_t *)arg += r >= 0 ? counts.data : 0;
        return r < 0 ? r : 0;
}

/* Of its applications, and of those that are gone. */
static int find_storage(struct tx *tx, int64_t model, bool *ret, struct err *err) {
        struct q_detached_row *rows;
        size_t held = 0, kept = 0;
        int r = lookup_each_application(tx, model, count_data, &held, err);

        if (r >= 0)
                r = q_detached_list(tx, &(struct q_detached_list_in){ .model_id = model, .max = 1 },
                                    &rows, &kept, err);
        *ret = held || kept;
        return r < 0 ? r : 0;
}

/* Again with --force or --destroy-storage upgrades the removal that is under way. */
int command_model_remove(struct tx *tx, struct command *c, struct err *err) {
        struct command_model *remove = command_of(c, command_model);
        const struct q_model_row *model;
        bool destroy, force, storage;
        int r = lookup_model(tx, remove->model, &model, err);

        if (r < 0)
                return lookup_no_guess(r, err);
        destroy = remove->destroy_storage || model->destroy_storage;
        force = remove->force || model->force;
        if (str_eq(model->life, "dying") && destroy == model->destroy_storage &&
            force == model->force)
                return 0;
        r = find_storage(tx, model->id, &storage, err);
        if (r < 0)
                return r;
        command_change(c, "remove-model", NULL, "remove model %s%s%s", remove->model,
                       !storage  ? ""
                       : destroy ? ", with its data"
                                 : ", its data is kept",
                       force ? ", without waiting for what cannot be reached" : "");
        r = w_model_set_life(tx,
                             &(struct w_model_set_life_in){ .life = "dying",
                                                            .destroy_storage = destroy,
                                                            .force = force,
                                                            .id = model->id },
                             err);
        if (r >= 0)
                r = end_relations(tx, model->id, err);
        if (r >= 0)
                r = lookup_each_application(tx, model->id, end_application,
                                            &(struct ending){ c, destroy, force }, err);
        if (r >= 0 && destroy)
                r = detached_destroy_all(tx, c, model, err);
        if (r < 0)
                return r;
        command_record(c, NULL, "life", json_string(model->life), json_string("dying"));
        command_record(c, NULL, "destroy-storage", json_boolean(model->destroy_storage),
                       json_boolean(destroy));
        if (force && !destroy && storage)
                command_note(c,
                             "with --force storage of %s is left where it is, and the secrets that "
                             "open it are forgotten with the model",
                             remove->model);
        else if (!destroy && storage)
                command_note(c,
                             "model %s stays listed while storage of it is kept: storage --model "
                             "%s shows it",
                             remove->model, remove->model);
        tx_mark(tx, MARK_MODEL, model->id);
        return 0;
}

/* ---- model-config */

typedef const char *(*check_fn)(const json_t *value); /* what is wanted, when VALUE is not it */

static const char *check_registry(const json_t *value) {
        static const char wanted[] = "a registry: HOST[:PORT][/PATH]";
        const char *s = json_string_value(value);

        if (!s || strlen(s) > 255 || strstr(s, "://") || str_ends(s, "/"))
                return wanted;
        for (const char *p = s; *p; p++) {
                if (!isalnum((unsigned char)*p) && !strchr(".-_:/", *p))
                        return wanted;
        }
        return NULL;
}

static const char *check_secret_name(const json_t *value) {
        static const char wanted[] = "the name of a Secret in the model's namespace";
        const char *s = json_string_value(value);

        if (!s || strlen(s) > 253 || (*s && !isalnum((unsigned char)*s)))
                return wanted;
        for (; *s; s++) {
                if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '-' &&
                    *s != '.')
                        return wanted;
        }
        return NULL;
}

static bool is_toleration(const json_t *item) {
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)item, name, value) {
                bool number = str_eq(name, "tolerationSeconds");
                bool known = number || str_eq(name, "key") || str_eq(name, "operator") ||
                             str_eq(name, "value") || str_eq(name, "effect");

                if (!known || (number ? !json_is_integer(value) : !json_is_string(value)))
                        return false;
        }
        return json_object_size(item) > 0;
}

static const char *check_tolerations(const json_t *value) {
        static const char wanted[] = "a list of tolerations: [{key, operator, value, effect}]";
        size_t i;
        json_t *item;

        if (!json_is_array(value) || json_array_size(value) > TOLERATIONS_MAX)
                return wanted;
        json_array_foreach(value, i, item) {
                if (!is_toleration(item))
                        return wanted;
        }
        return NULL;
}

static const char *check_selector(const json_t *value) {
        static const char wanted[] = "an object of node labels: {\"pool\": \"system\"}";
        const char *name;
        json_t *label;

        if (!json_is_object(value))
                return wanted;
        json_object_foreach((json_t *)value, name, label) {
                if (!name_is_label_key(name) || !json_is_string(label) ||
                    !name_is_label_value(json_string_value(label)))
                        return wanted;
        }
        return NULL;
}

static const char *check_count(const json_t *value) {
        return limit_check("", value);
}

static const char *check_share(const json_t *value) {
        return limit_check("limit-change-share", value);
}

static const char *check_lifetime(const json_t *value) {
        return certificate_option_check("certificate-lifetime", value);
}

static const char *check_overlap(const json_t *value) {
        return certificate_option_check("ca-overlap", value);
}

static const char *check_subject(const json_t *value) {
        return certificate_option_check("ca-subject", value);
}

static const struct {
        const char *name;
        bool text; /* else JSON, which the command line gives as text */
        check_fn check;
} options[] = {
        { "image-registry", true, check_registry },
        { "image-pull-secret", true, check_secret_name },
        { "tolerations", false, check_tolerations },
        { "node-selector", false, check_selector },
        { "limit-change-free", false, check_count },
        { "limit-change-share", false, check_share },
        { "limit-delete-free", false, check_count },
        { "limit-delete-share", false, check_share },
        { "limit-delete-most", false, check_count },
        { "certificate-lifetime", true, check_lifetime },
        { "ca-lifetime", true, check_lifetime },
        { "ca-overlap", true, check_overlap },
        { "ca-subject", true, check_subject },
};

static int find_option(const char *name, struct err *err) {
        const char *names[ARRAY_SIZE(options) + 1] = {};
        const char *near;

        for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
                names[i] = options[i].name;
                if (str_eq(options[i].name, name))
                        return (int)i;
        }
        near = opt_nearest(name, names);
        return err_set(err, -EINVAL,
                       "model-config has no \"%.80s\"%s%s%s: there are image-registry, "
                       "image-pull-secret, tolerations, node-selector, limit-change-free, "
                       "limit-change-share, limit-delete-free, limit-delete-share, "
                       "limit-delete-most, certificate-lifetime, ca-lifetime, ca-overlap, "
                       "ca-subject",
                       name, near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* "pool=system,zone=a" for the node selector; else JSON. NULL: neither. */
static json_t *parse_text(const char *name, const char *text) {
        json_t *j = NULL;

        if (json_parse(text, strlen(text), &j, NULL) == 0)
                return j;
        if (!str_eq(name, "node-selector"))
                return NULL;
        cleanup_(freep) char *copy = str_dup(text);
        char *rest = copy, *pair;

        j = json_object();
        while ((pair = strsep(&rest, ","))) {
                char *equals = strchr(pair, '=');

                if (!equals) {
                        json_decref(j);
                        return NULL;
                }
                *equals = '\0';
                json_object_set_new(j, pair, json_string(equals + 1));
        }
        return j;
}

static int current(struct tx *tx, const struct q_model_row *model, const char *name,
                   const char **ret, struct err *err) {
        struct q_model_option_get_row *row;
        size_t n;
        int r = q_model_option_get(
                tx, &(struct q_model_option_get_in){ .model_id = model->id, .name = name }, &row,
                &n, err);

        *ret = r >= 0 && n ? row->value : NULL;
        return r < 0 ? r : 0;
}

static int set_option(struct tx *tx, struct command *c, const struct q_model_row *model,
                      const char *name, const json_t *value, struct err *err) {
        cleanup_(json_freep) json_t *parsed = NULL;
        cleanup_(freep) char *text = NULL;
        const char *wanted, *before;
        int index = find_option(name, err);
        int r;

        if (index < 0)
                return index;
        if (json_is_string(value) && !options[index].text)
                parsed = parse_text(name, json_string_value(value));
        else
                parsed = json_incref((json_t *)value);
        wanted = options[index].check(parsed);
        if (wanted)
                return err_set(err, -EINVAL, "model-config %s: wants %s", name, wanted);
        text = json_text(parsed);
        r = current(tx, model, name, &before, err);
        if (r < 0 || str_eq(before, text))
                return r;
        command_change(c, "model-config", NULL, "set %s of model %s to %s", name, model->name,
                       text);
        command_record(c, NULL, name, json_string(before), json_string(text));
        r = w_model_option_set(tx,
                               &(struct w_model_option_set_in){
                                       .model_id = model->id, .name = name, .value = text },
                               err);
        return r < 0 ? r : 1;
}

static int reset_option(struct tx *tx, struct command *c, const struct q_model_row *model,
                        const char *name, struct err *err) {
        const char *before;
        int r = find_option(name, err);

        if (r >= 0)
                r = current(tx, model, name, &before, err);
        if (r < 0 || !before)
                return r < 0 ? r : 0;
        command_change(c, "model-config", NULL, "set %s of model %s back", name, model->name);
        command_record(c, NULL, name, json_string(before), NULL);
        r = w_model_option_delete(
                tx, &(struct w_model_option_delete_in){ .model_id = model->id, .name = name }, err);
        return r < 0 ? r : 1;
}

static int mark_application(struct tx *tx, const struct q_application_row *a, void *arg,
                            struct err *err) {
        tx_mark(tx, MARK_APPLICATION, a->id);
        return 0;
}

static int mark_applications(struct tx *tx, const struct q_model_row *model, struct err *err) {
        tx_mark(tx, MARK_MODEL, model->id);
        return lookup_each_application(tx, model->id, mark_application, NULL, err);
}

/* The outcome of one option: counts a change, keeps a wrong value as a fault. */
static int count(struct command *c, int r, int *changed, struct err *err) {
        if (r == -EINVAL) {
                faults_add_err(&c->faults, err);
                return 0;
        }
        *changed += r > 0;
        return r < 0 ? r : 0;
}

static bool is_of_limits_only(const struct command_model *config) {
        const char *name;
        json_t *value;
        size_t i;

        json_array_foreach(config->reset, i, value)
                if (!json_is_string(value) || !str_starts(json_string_value(value), "limit-"))
                        return false;
        json_object_foreach(config->set, name, value)
                if (!str_starts(name, "limit-"))
                        return false;
        return true;
}

int command_model_config(struct tx *tx, struct command *c, struct err *err) {
        struct command_model *config = command_of(c, command_model);
        const struct q_model_row *model;
        int changed = 0;
        const char *name;
        size_t i;
        json_t *value;
        int r = lookup_live_model(tx, config->model, &model, err);

        c->is_apply = is_of_limits_only(config);
        if (r < 0)
                return r;
        json_array_foreach(config->reset, i, value) {
                name = json_is_string(value) ? json_string_value(value) : "";
                r = count(c, reset_option(tx, c, model, name, err), &changed, err);
                if (r < 0)
                        return r;
        }
        json_object_foreach(config->set, name, value) {
                r = count(c, set_option(tx, c, model, name, value, err), &changed, err);
                if (r < 0)
                        return r;
        }
        return changed > 0 ? mark_applications(tx, model, err) : 0;
}

/* ---- another stamp */

int command_model_take_over(struct tx *tx, struct command *c, struct err *err) {
        struct command_model *take = command_of(c, command_model);
        const struct q_model_row *model;
        int r = lookup_live_model(tx, take->model, &model, err);

        if (r >= 0 && !take->foreign)
                return err_set(err, -EBUSY,
                               "nothing to take over: no stamp of anybody else is known to be on "
                               "namespace %s",
                               take->model);
        if (r >= 0 && !model->scope_null)
                r = w_resource_take_over(
                        tx, &(struct w_resource_take_over_in){ .id = model->scope }, err);
        if (r < 0)
                return r;
        command_change(c, "take-over-model", NULL,
                       "take over namespace %s: the stamp that is there is replaced%s%s",
                       take->model, take->why ? "; now " : "", take->why ? take->why : "");
        r = consequence_rebound(tx, c, model, err);
        if (r < 0)
                return r;
        command_note(c, "objects in it that another controller stamped stay blocked until adopt "
                        "names their application");
        if (!model->scope_null)
                tx_mark(tx, MARK_RESOURCE, model->scope);
        tx_mark(tx, MARK_MODEL, model->id);
        return 0;
}
