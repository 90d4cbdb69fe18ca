/* SPDX-License-Identifier: Apache-2.0 */
/* cluster-role.c - the least rights an identity needs in the cluster, with the reason of each
 *
 * From three sources, each asked of the provider document by document: what a model lives in,
 * the documents that resources want now, and the objects and actions of charm folders (those in
 * use, or those that are named, or before the first deployment all that are on offer), so that the
 * role can be made before anything runs. Objects that a charm builds in C or takes from attached
 * files are known once it was planned. Runs on the store's read thread. */
#include "admin-internal.h"
#include "routes.h"

#include "charm-host.h"
#include "charm-meta.h"
#include "map.h"
#include "provider.h"
#include "queries.gen.h"
#include "yaml.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESOURCE_PAGE 1000
#define OBJECT_FILE_MAX (1u << 20) /* one file of a charm's objects folder */

struct gathering {
        const struct provider *provider;
        json_t *rules;    /* of the provider: {"group", "resource", "verbs", "why"} */
        struct map kinds; /* types whose document was asked about already */
        size_t unknown;   /* resources whose document cache.db does not have now */
};

/* ---- documents */

static void ask(struct gathering *g, const json_t *document) {
        cleanup_(freep) char *kind = str_format("%s %s", json_get_str(document, "apiVersion", ""),
                                                json_get_str(document, "kind", ""));

        if (map_set(&g->kinds, kind, g))
                return;
        g->provider->rights(document, g->rules);
}

static int ask_wanted(struct tx *tx, struct gathering *g, const struct q_resource_row *row,
                      struct err *err) {
        cleanup_(freep) char *type = str_format("type %s", row->type);
        cleanup_(json_freep) json_t *document = NULL;
        const char *text;
        size_t len;
        int r;

        if (!row->wanted || map_find(&g->kinds, type))
                return 0;
        r = tx_cache_get(tx, row->wanted, &text, &len, err);
        if (r == -ENOENT) {
                g->unknown++;
                return 0;
        }
        if (r >= 0)
                r = json_parse(text, len, &document, err);
        if (r < 0)
                return err_add(err, r, "%s %s", row->type, row->path);
        map_set(&g->kinds, type, g);
        ask(g, document);
        return 0;
}

static int ask_resources(struct tx *tx, struct gathering *g, struct err *err) {
        struct q_resource_list_page_in in = { .max = RESOURCE_PAGE };
        struct q_resource_row *rows;
        size_t n = RESOURCE_PAGE;
        int r = 0;

        while (r >= 0 && n == RESOURCE_PAGE) {
                r = q_resource_list_page(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++)
                        r = ask_wanted(tx, g, &rows[i], err);
                if (r >= 0 && n)
                        in.after = rows[n - 1].id;
        }
        return r;
}

/* ---- charm folders */

static int read_file(int folder, const char *name, struct buf *out) {
        cleanup_(closep) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size > OBJECT_FILE_MAX)
                return -EINVAL;
        buf_reserve(out, (size_t)st.st_size);
        while ((n = read(fd, out->data + out->len, (size_t)st.st_size - out->len)) > 0)
                out->len += (size_t)n;
        return n < 0 ? -errno : 0;
}

static void ask_file(struct gathering *g, int folder, const char *name) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        cleanup_(buf_free) struct buf text = BUF_INIT;

        if (!str_ends(name, ".yaml") || read_file(folder, name, &text) < 0)
                return;
        if (yaml_parse(buf_str(&text), text.len, name, YAML_KUBERNETES, &s, NULL) < 0)
                return; /* the charm says so itself when it is planned */
        for (size_t i = 0; i < s.count; i++)
                if (json_get_str(s.documents[i].root, "kind", NULL))
                        ask(g, s.documents[i].root);
}

static void closedirp(DIR **d) {
        if (*d)
                closedir(*d);
}

/* What the actions of charm.yaml say that they ask of the cluster. */
static void ask_actions(struct gathering *g, const char *charm) {
        cleanup_(closep) int folder = open(charm, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        cleanup_(buf_free) struct buf text = BUF_INIT;
        const json_t *action, *verb;
        const char *name;
        size_t i;

        if (folder < 0 || read_file(folder, "charm.yaml", &text) < 0 || !g->provider->act_rights ||
            yaml_parse(buf_str(&text), text.len, "charm.yaml", YAML_KUBERNETES, &s, NULL) < 0)
                return;
        json_object_foreach(json_get(s.count ? s.documents[0].root : NULL, "actions"), name, action)
                json_array_foreach(json_get(action, "asks"), i, verb)
                        if (json_is_string(verb))
                                g->provider->act_rights(json_string_value(verb), g->rules);
}

static void ask_folder(struct gathering *g, const char *charm) {
        cleanup_(freep) char *path = str_format("%s/objects", charm);
        cleanup_(closedirp) DIR *d = opendir(path);

        for (struct dirent *e; d && (e = readdir(d));)
                ask_file(g, dirfd(d), e->d_name);
        ask_actions(g, charm);
}

static bool is_named(const char *names, const char *name) {
        size_t len = strlen(name);

        for (const char *p = names; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
                if (strcspn(p, ",") == len && strncmp(p, name, len) == 0)
                        return true;
        return false;
}

/* Before the read: the charm host belongs to the loop. Folders as a JSON list in the request. */
static json_t *offered_folders(struct request *q, const char *names) {
        size_t n;
        const struct charm_offer *offers = charm_host_offers(q->admin->options.host, &n);
        json_t *list = json_array();

        for (size_t i = 0; i < n; i++)
                if (!offers[i].refused && (!names || is_named(names, offers[i].meta->name)))
                        json_array_append_new(list, json_string(offers[i].folder));
        return list;
}

/* Charms that applications are pinned to; 0: there is none. */
static int ask_pinned(struct tx *tx, struct gathering *g, const char *state_dir, size_t *ret_n,
                      struct err *err) {
        struct q_application_list_all_in in = { .max = RESOURCE_PAGE };
        struct q_application_row *rows;
        size_t n = RESOURCE_PAGE, found = 0;
        int r = 0;

        while (r >= 0 && n == RESOURCE_PAGE) {
                r = q_application_list_all(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        cleanup_(freep) char *folder = NULL;

                        if (!rows[i].charm_sha256)
                                continue;
                        folder = str_format("%s/charms/%s", state_dir, rows[i].charm_sha256);
                        found++;
                        if (!map_set(&g->kinds, folder, g))
                                ask_folder(g, folder);
                }
                if (r >= 0 && n)
                        in.after = rows[n - 1].id;
        }
        if (r >= 0)
                *ret_n = found;
        return r;
}

/* ---- rules: one a resource, its verbs and reasons together */

static json_t *rule_of(json_t *merged, const char *group, const char *resource) {
        json_t *rule;
        size_t i;

        json_array_foreach(merged, i, rule)
                if (str_eq(json_get_str(rule, "group", ""), group) &&
                    str_eq(json_get_str(rule, "resource", ""), resource))
                        return rule;
        rule = json_object();
        json_object_set_new(rule, "group", json_string(group));
        json_object_set_new(rule, "resource", json_string(resource));
        json_object_set_new(rule, "verbs", json_array());
        json_object_set_new(rule, "why", json_array());
        json_array_append_new(merged, rule);
        return rule;
}

static void add_text(json_t *list, const char *text) {
        const json_t *had;
        size_t i;

        json_array_foreach(list, i, had)
                if (str_eq(json_string_value(had), text))
                        return;
        json_array_append_new(list, json_string(text));
}

static json_t *merge(const json_t *rules) {
        json_t *merged = json_array();
        const json_t *rule, *verb;
        size_t i, k;

        json_array_foreach(rules, i, rule) {
                json_t *into = rule_of(merged, json_get_str(rule, "group", ""),
                                       json_get_str(rule, "resource", ""));

                json_array_foreach(json_get(rule, "verbs"), k, verb)
                        add_text(json_get(into, "verbs"), json_string_value(verb));
                add_text(json_get(into, "why"), json_get_str(rule, "why", ""));
        }
        return merged;
}

static void put_list(struct buf *out, const json_t *texts) {
        const json_t *text;
        size_t i;

        json_array_foreach(texts, i, text)
                buf_printf(out, "%s\"%s\"", i ? ", " : "", json_string_value(text));
}

static void put_rule(struct buf *out, const json_t *rule) {
        const json_t *why;
        size_t i;

        json_array_foreach(json_get(rule, "why"), i, why)
                buf_printf(out, "# %s\n", json_string_value(why));
        buf_printf(out, "- apiGroups: [\"%s\"]\n  resources: [\"%s\"]\n  verbs: [",
                   json_get_str(rule, "group", ""), json_get_str(rule, "resource", ""));
        put_list(out, json_get(rule, "verbs"));
        buf_puts(out, "]\n");
}

static char *role_text(const json_t *json) {
        struct buf out = BUF_INIT;
        int64_t unknown = json_get_int(json, "unknown", 0);
        const json_t *rule;
        size_t i;

        buf_puts(&out, "# The least that mooringd needs in this cluster; bind it to the identity "
                       "of the kubeconfig.\n");
        if (unknown)
                buf_printf(&out,
                           "# Not complete: %lld objects are being planned again; ask once more in "
                           "a minute.\n",
                           (long long)unknown);
        buf_puts(&out, "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  "
                       "name: mooring\nrules:\n");
        json_array_foreach(json_get(json, "rules"), i, rule)
                put_rule(&out, rule);
        return buf_take(&out);
}

/* ---- the request */

static int gather(struct tx *tx, struct request *q, struct gathering *g, struct err *err) {
        const char *names = request_query(q, "charms");
        cleanup_(json_freep) json_t *scope =
                g->provider->scope ? g->provider->scope("model", "uuid") : NULL;
        const json_t *folder;
        size_t pinned = 0, i;
        int r;

        if (scope)
                ask(g, scope);
        r = ask_resources(tx, g, err);
        if (r >= 0)
                r = ask_pinned(tx, g, q->admin->options.state_dir, &pinned, err);
        if (r < 0 || (pinned && !names))
                return r;
        json_array_foreach(q->json, i, folder)
                ask_folder(g, json_string_value(folder));
        return 0;
}

int cluster_role_read(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *rules = json_array();
        struct gathering g = { .provider = provider_find("kubernetes"), .rules = rules };
        int r;

        if (!g.provider || !g.provider->rights)
                return err_set(err, -ENOTSUP, "no kubernetes provider");
        r = gather(tx, q, &g, err);
        map_free(&g.kinds);
        if (r < 0)
                return r;
        *ret = json_object();
        json_object_set_new(*ret, "rules", merge(rules));
        json_object_set_new(*ret, "unknown", json_integer((json_int_t)g.unknown));
        return 0;
}

static void finish_role(struct request *q, json_t *json) {
        char *text;

        if (str_eq(request_query(q, "format"), "json"))
                return request_reply(q, 200, json);
        text = role_text(json);
        json_decref(json);
        request_reply_text(q, 200, "application/yaml", text);
}

int cluster_role_prepare(struct request *q, struct err *err) {
        int r = charm_host_scan(q->admin->options.host, err);

        q->json = offered_folders(q, request_query(q, "charms"));
        return r;
}

void cluster_role_show(struct request *q) {
        struct err err = { 0 };

        if (cluster_role_prepare(q, &err) < 0)
                return request_fail(q, -EIO, &err);
        request_read(q, cluster_role_read, finish_role);
}
