/* SPDX-License-Identifier: Apache-2.0 */
/* state.c - see state.h. Watches of before get 410 after: the history is not kept, as with a new
 * etcd leader */
#include "state.h"

#include "crd.h"
#include "kubeconfig.h"
#include "store.h"

#include <errno.h>
#include <stdlib.h>

static json_t *kind_objects(const struct kind *k) {
        json_t *list = json_array();

        for (size_t i = 0; i < k->collection->count; i++)
                json_array_append(list, k->collection->items[i]->json);
        return list;
}

int state_save(const struct sim *sim, const char *path, struct err *err) {
        cleanup_(json_freep) json_t *out =
                json_pack("{s:I,s:I,s:I,s:I,s:{}}", "version", (json_int_t)sim->store.version,
                          "seed", (json_int_t)(sim->seed >> 1), "uid", (json_int_t)sim->next_uid,
                          "ip", (json_int_t)sim->next_ip, "objects");
        cleanup_(freep) char *text = NULL;

        list_each(e, (struct list *)&sim->kinds.all) {
                const struct kind *k = list_entry(e, struct kind, entry);
                cleanup_(freep) char *name = str_format("%s/%s", k->group, k->plural);

                if (k->collection->count)
                        json_object_set_new(json_get(out, "objects"), name, kind_objects(k));
        }
        /* check-style: banned: keeps the members' order, so that a restart shows the same bytes */
        text = json_dumps(out, JSON_COMPACT);
        return kubeconfig_write_file(path, text, 0600, err);
}

static void load_objects(struct sim *sim, const char *path, const json_t *list) {
        const char *slash = strchr(path, '/');
        json_t *object;
        size_t i;

        list_each(e, &sim->kinds.all) {
                struct kind *k = list_entry(e, struct kind, entry);

                if (!str_eq(k->plural, slash + 1) ||
                    strncmp(k->group, path, (size_t)(slash - path)) || k->group[slash - path])
                        continue;
                json_array_foreach((json_t *)list, i, object) {
                        cleanup_(freep) char *version =
                                str_dup(json_get_str(store_meta(object), "resourceVersion", ""));
                        json_t *copy = json_deep_copy(object);

                        if (store_put(sim, k, copy, NULL) == 0)
                                json_object_set_new(store_meta(copy), "resourceVersion",
                                                    json_string(version));
                        if (str_eq(k->kind, "CustomResourceDefinition"))
                                crd_sync(sim, "", store_name(object));
                }
                return;
        }
}

int state_load(struct sim *sim, const char *path, struct err *err) {
        cleanup_(json_freep) json_t *in = NULL;
        json_error_t why;
        const char *key, *crds = "apiextensions.k8s.io/customresourcedefinitions";
        json_t *list;

        /* check-style: banned: our own file, of any size up to all objects */
        in = json_load_file(path, 0, &why);
        if (!in && errno == ENOENT)
                return 1;
        if (!in)
                return err_set(err, -EBADMSG, "--state: %s: %s", path, why.text);
        sim->seed = (uint64_t)json_get_int(in, "seed", 0) << 1;
        sim->next_uid = (uint64_t)json_get_int(in, "uid", 0);
        sim->next_ip = (uint64_t)json_get_int(in, "ip", 0);
        load_objects(sim, crds,
                     json_get(json_get(in, "objects"), crds)); /* they make the other kinds */
        json_object_foreach(json_get(in, "objects"), key, list) {
                if (!str_eq(key, crds) && strchr(key, '/'))
                        load_objects(sim, key, list);
        }
        sim->store.version = MAX_OF(sim->store.version, (uint64_t)json_get_int(in, "version", 1));
        store_compact(&sim->store);
        return 0;
}
