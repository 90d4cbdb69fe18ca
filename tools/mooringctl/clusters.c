/* SPDX-License-Identifier: Apache-2.0 */
/* clusters.c - clusters: add, give new credentials, list, remove; the role they need */
#include "confirm.h"
#include "families.h"
#include "kubeconfig-flatten.h"
#include "table.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>

struct options {
        char *kubeconfig, *context, *charms;
        bool force, dry_run, no_prompt;
};
#define AT(member) offsetof(struct options, member)

static const struct opt kubeconfig_options[] = {
        { "kubeconfig", 0, OPT_PATH, AT(kubeconfig), NULL, 0, 0, "FILE", 0, NULL,
          "kubeconfig; default $KUBECONFIG, then ~/.kube/config" },
        { "context", 0, OPT_STRING, AT(context), NULL, 0, 0, "NAME", 0, NULL,
          "context in it; default its current one" },
        {}
};
#define DRY_RUN                                                                                    \
        {                                                                                          \
                "dry-run", 0, OPT_BOOL, AT(dry_run), NULL, 0, 0, NULL, 0, NULL,                    \
                        "say what would be done, do nothing"                                       \
        }
static const struct opt dry_run_options[] = { DRY_RUN, {} };
static const struct opt remove_options[] = {
        { "force", 0, OPT_BOOL, AT(force), NULL, 0, 0, NULL, 0, NULL,
          "though storage stays behind in it" },
        CONFIRM_OPTION(AT(no_prompt)),
        DRY_RUN,
        {},
};
static const struct opt role_options[] = { { "charms", 0, OPT_STRING, AT(charms), NULL, 0, 0,
                                             "NAME[,NAME]...", 0, NULL, "for these charms too" },
                                           {} };

/* The first file of $KUBECONFIG, as far as it names one. */
static char *kubeconfig_path(const struct options *o) {
        const char *list = getenv("KUBECONFIG"), *home = getenv("HOME");

        if (o->kubeconfig)
                return str_dup(o->kubeconfig);
        if (list && list[0])
                return str_ndup(list, strcspn(list, ":"));
        return str_format("%s/.kube/config", home ? home : "");
}

static int body_of(const struct cli *c, const char *name, json_t **ret) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = kubeconfig_path(o);
        json_t *config, *credential;
        struct err err = { 0 };

        if (kubeconfig_flatten(path, o->context, &config, &credential, &err) < 0)
                return cli_fail_err(&err);
        *ret = json_object();
        if (name)
                json_object_set_new(*ret, "name", json_string(name));
        json_object_set_new(*ret, "config", config);
        json_object_set_new(*ret, "credential", credential);
        return CLI_DONE;
}

static int add_cluster(struct cli *c) {
        json_t *body;
        int r = body_of(c, cli_operand(c, 0), &body);

        return r ? r : call_change(c, "POST", "/v1/clusters", body);
}

static int update_cluster(struct cli *c) {
        cleanup_(freep) char *path = call_path("/v1/clusters/%s", cli_operand(c, 0));
        json_t *body;
        int r = body_of(c, NULL, &body);

        return r ? r : call_change(c, "PATCH", path, body);
}

static int remove_cluster(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = call_path("/v1/clusters/%s", cli_operand(c, 0));

        call_query_flag(&path, "force", o->force);
        return confirm_change(c, "DELETE", path,
                              &(struct confirm_options){ .dry_run = o->dry_run,
                                                         .no_prompt = o->no_prompt || !o->force });
}

static int rebind_cluster(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = call_path("/v1/clusters/%s/rebind", cli_operand(c, 0));

        call_query_flag(&path, "dry-run", o->dry_run);
        return call_change(c, "POST", path, NULL);
}

/* ---- the list: the rows, and beside them whether each can be read now */

static const json_t *target_named(const json_t *targets, const char *name) {
        const json_t *t;
        size_t i;

        json_array_foreach(targets, i, t)
                if (str_eq(json_get_str(t, "name", ""), name))
                        return t;
        return NULL;
}

static void add_row(struct cli *c, struct table *t, const json_t *cluster, const json_t *target) {
        bool readable = json_get_bool(target, "readable", false);
        const char *again = json_get_str(target, "next-try", NULL);
        char since[40], next[40];

        table_add(t, json_get_str(cluster, "name", ""));
        table_add(t, json_get_str(json_get(cluster, "config"), "server", ""));
        table_printf(t, "%zu", json_array_size(json_get(cluster, "models")));
        table_style(t, readable ? "readable" : "unreachable", readable ? STYLE_GOOD : STYLE_BAD);
        table_add(t, text_time(json_get_str(target, "since", NULL), c->globals->utc, since));
        if (readable)
                table_add(t, "");
        else
                table_printf(t, "%s%s%s", json_get_str(target, "why", ""),
                             again ? "; next try " : "", text_time(again, c->globals->utc, next));
}

static int clusters(struct cli *c) {
        static const char *const head[] = { "Cluster", "Server",  "Models", "Status",
                                            "Since",   "Message", NULL };
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(json_freep) json_t *json = NULL;
        cleanup_(json_freep) json_t *live = NULL;
        json_t *cluster;
        size_t i;
        int r = call_pages(c, "/v1/clusters", "clusters", "after", SIZE_MAX, &json);

        if (r == CLI_DONE)
                r = call_get(c, "/v1/targets", &live);
        if (r)
                return r;
        json_array_foreach(json_get(json, "clusters"), i, cluster) {
                json_t *target = (json_t *)target_named(json_get(live, "targets"),
                                                        json_get_str(cluster, "name", ""));

                if (target)
                        json_object_set(cluster, "reach", target);
        }
        if (cli_print(c, json))
                return CLI_DONE;
        table_init(&t, head);
        table_right(&t, 2);
        json_array_foreach(json_get(json, "clusters"), i, cluster)
                add_row(c, &t, cluster, json_get(cluster, "reach"));
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                cli_say(c, "no clusters: mooringctl add-cluster NAME --kubeconfig FILE");
        return CLI_DONE;
}

static int cluster_role(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = str_dup("/v1/cluster-role");
        cleanup_(freep) char *text = NULL;
        int r;

        call_query(&path, "charms", o->charms);
        call_query(&path, "format", c->globals->format == FORMAT_JSON ? "json" : NULL);
        r = call_text(c, path, &text);
        if (r == CLI_DONE)
                fputs(text, c->out);
        return r;
}

#define SIZE sizeof(struct options)
const struct command clusters_commands[] = {
        { "add-cluster", NULL, GROUP_CLUSTERS, "CLUSTER", 1, 1, COMMAND_LIST, COMPLETES_NOTHING,
          kubeconfig_options, SIZE, add_cluster, "Add a cluster from a kubeconfig",
          "Files that the kubeconfig names are read now, with your rights, and their contents are "
          "sent; mooringd opens none of "
          "them later, but for a tokenFile below a folder that its configuration lists.",
          .example = "add-cluster prod --kubeconfig prod.yaml" },
        { "update-cluster", NULL, GROUP_CLUSTERS, "CLUSTER", 1, 1, COMMAND_LIST, COMPLETES_CLUSTER,
          kubeconfig_options, SIZE, update_cluster, "Replace a cluster's address and credentials",
          NULL, .example = "update-cluster prod --kubeconfig prod.yaml" },
        { "remove-cluster", NULL, GROUP_CLUSTERS, "CLUSTER", 1, 1, COMMAND_LIST | COMMAND_DRY_RUN,
          COMPLETES_CLUSTER, remove_options, SIZE, remove_cluster,
          "Remove a cluster that no model uses", "Works though the cluster cannot be reached.",
          .example = "remove-cluster old" },
        { "rebind-cluster", NULL, GROUP_CLUSTERS, "CLUSTER", 1, 1, COMMAND_LIST | COMMAND_DRY_RUN,
          COMPLETES_CLUSTER, dry_run_options, SIZE, rebind_cluster,
          "Accept that another cluster answers under this name",
          "Models are bound to the cluster of their first write; when another one answers nothing "
          "is written until this.",
          .example = "rebind-cluster prod" },
        { "clusters", NULL, GROUP_CLUSTERS, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING, NULL, 0,
          clusters, "List clusters and whether they can be read", NULL, .example = "clusters" },
        { "cluster-role", NULL, GROUP_CLUSTERS, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING,
          role_options, SIZE, cluster_role,
          "Print the least ClusterRole, with the reason of each rule",
          "For the charms in use; before the first deployment for all that are on offer.",
          .example = "cluster-role > role.yaml" },
        {}
};
