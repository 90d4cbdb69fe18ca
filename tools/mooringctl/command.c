/* SPDX-License-Identifier: Apache-2.0 */
/* command.c - the families of commands, and finding one by name */
#include "command.h"

#include "families.h"

#include <stdlib.h>

const char *const command_groups[] = { "Basics",  "Deploy",   "Look",    "Operate", "Actions",
                                       "Storage", "Clusters", "Secrets", "Help" };
_Static_assert(ARRAY_SIZE(command_groups) == GROUP_MAX, "a group without a title");

const struct command *const command_families[] = {
        status_commands,
        wait_commands,
        deploy_commands,
        bundles_commands,
        applications_commands,
        refreshes_commands,
        settings_commands,
        relations_commands,
        consent_commands,
        drift_commands,
        policy_commands,
        plan_commands,
        explain_commands,
        actions_commands,
        operations_commands,
        schedules_commands,
        certificates_commands,
        files_commands,
        permissions_commands,
        doctor_commands,
        audit_commands,
        models_commands,
        clusters_commands,
        secrets_commands,
        user_secrets_commands,
        key_commands,
        backup_commands,
        upgrade_commands,
        log_commands,
        about_commands,
        NULL,
};

const struct command *command_find(const char *name) {
        for (size_t i = 0; command_families[i]; i++)
                for (const struct command *c = command_families[i]; c->name; c++)
                        if (str_eq(c->name, name) || (c->alias && str_eq(c->alias, name)))
                                return c;
        return NULL;
}

/* Juju's words of today and of before, and what does it here; what needs more than the name, in
 * a sentence of juju_absent. */
static const struct {
        const char *word, *command;
} juju_words[] = {
        { "add-k8s", "add-cluster" },
        { "add-relation", "integrate" },
        { "add-unit", "scale-application" },
        { "attach", "attach-resource" },
        { "cancel-action", "cancel-task" },
        { "clouds", "clusters" },
        { "controllers", "clusters" },
        { "destroy-application", "remove-application" },
        { "destroy-relation", "remove-relation" },
        { "destroy-service", "remove-application" },
        { "destroy-unit", "scale-application" },
        { "find", "charms" },
        { "get", "config" },
        { "get-config", "config" },
        { "get-constraints", "constraints" },
        { "get-model-config", "model-config" },
        { "import-filesystem", "attach-storage" },
        { "info", "charms" },
        { "model-default", "model-config" },
        { "model-defaults", "model-config" },
        { "remove-cloud", "remove-cluster" },
        { "remove-k8s", "remove-cluster" },
        { "remove-storage", "destroy-storage" },
        { "remove-unit", "scale-application" },
        { "set", "config" },
        { "set-config", "config" },
        { "set-model-config", "model-config" },
        { "show-action", "actions" },
        { "show-action-output", "show-operation" },
        { "show-action-status", "operations" },
        { "show-cloud", "clusters" },
        { "show-controller", "clusters" },
        { "show-model", "models" },
        { "show-status", "status" },
        { "show-storage", "storage" },
        { "status-history", "show-status-log" },
        { "unset", "config" },
        { "update-cloud", "update-cluster" },
        { "update-k8s", "update-cluster" },
};

#define NO_USERS "who you are comes from the socket: mooringctl whoami"
#define NO_GRANTS                                                                                  \
        "roles come from unix groups: mooringctl permissions, and grant-action for one action"
#define NO_MACHINES "what runs is pods of a cluster: mooringctl objects"
#define NO_OFFERS "relations are within a model: mooringctl integrate"
#define NO_EXPOSE "a charm's Services and Ingresses are its own: mooringctl objects"
#define NO_DAEMON "mooringd is a program of this machine: systemctl, and docs/operating.md"
#define NO_DETACH "remove-application keeps what holds data: mooringctl storage"
#define BY_ITSELF "what failed is tried again by itself: mooringctl why APPLICATION"

/* What Juju has and Mooring has not: one sentence each. */
static const struct {
        const char *word, *instead;
} juju_absent[] = {
        { "add-credential", "credentials come with the kubeconfig: mooringctl add-cluster" },
        { "add-machine", NO_MACHINES },
        { "add-storage", "how much is said once: mooringctl deploy CHARM --storage NAME=SIZE" },
        { "add-user", NO_GRANTS },
        { "bootstrap", "mooringd is the controller: mooringctl add-cluster, then add-model" },
        { "change-user-password", NO_USERS },
        { "consume", NO_OFFERS },
        { "controller-config", "the daemon's options are in mooringd.yaml: mooringd --help" },
        { "create-backup", "mooringctl backup create" },
        { "credentials", "credentials come with the kubeconfig: mooringctl add-cluster" },
        { "dashboard", "docs/monitoring has one for Grafana" },
        { "debug-hooks", "charms here have no hooks: mooringctl why APPLICATION" },
        { "destroy-controller", NO_DAEMON },
        { "detach-storage", NO_DETACH },
        { "disable-command", "nobody changes a model that is frozen: mooringctl freeze" },
        { "download", "charms are folders on the daemon's machine: mooringctl charms" },
        { "enable-command", "nobody changes a model that is frozen: mooringctl unfreeze" },
        { "exec", "mooringctl does not enter pods: kubectl exec" },
        { "expose", NO_EXPOSE },
        { "find-offers", NO_OFFERS },
        { "grant", NO_GRANTS },
        { "kill-controller", NO_DAEMON },
        { "login", NO_USERS },
        { "logout", NO_USERS },
        { "machines", NO_MACHINES },
        { "migrate", "a model stays with its daemon: mooringctl export-bundle" },
        { "offer", NO_OFFERS },
        { "offers", NO_OFFERS },
        { "register", NO_USERS },
        { "remove-machine", NO_MACHINES },
        { "remove-offer", NO_OFFERS },
        { "remove-saas", NO_OFFERS },
        { "remove-user", NO_GRANTS },
        { "resolve", BY_ITSELF },
        { "resolved", BY_ITSELF },
        { "retry-provisioning", BY_ITSELF },
        { "revoke", NO_GRANTS },
        { "scp", "mooringctl does not enter pods: kubectl cp" },
        { "show-machine", NO_MACHINES },
        { "show-user", NO_USERS },
        { "ssh", "mooringctl does not enter pods: kubectl exec" },
        { "storage-pools", "storage classes are the cluster's: kubectl get storageclass" },
        { "sync", "what differs is put right by itself: mooringctl plan, mooringctl drift" },
        { "unexpose", NO_EXPOSE },
        { "unregister", NO_USERS },
        { "upgrade-model", NO_DAEMON },
        { "users", NO_GRANTS },
};

const char *command_absent(const char *name) {
        for (size_t i = 0; i < ARRAY_SIZE(juju_absent); i++)
                if (str_eq(juju_absent[i].word, name))
                        return juju_absent[i].instead;
        return NULL;
}

static const char *juju_word(const char *name) {
        for (size_t i = 0; i < ARRAY_SIZE(juju_words); i++)
                if (str_eq(juju_words[i].word, name))
                        return juju_words[i].command;
        if (str_starts(name, "list-") && command_find(name + strlen("list-")))
                return name + strlen("list-");
        return NULL;
}

const char *command_nearest(const char *name) {
        const char *here = juju_word(name);
        cleanup_(freep) const char **names = NULL;
        size_t n = 0, at = 0;

        if (here)
                return here;
        for (size_t i = 0; command_families[i]; i++)
                for (const struct command *c = command_families[i]; c->name; c++)
                        n++;
        names = mem_array(const char *, n + 1);
        for (size_t i = 0; command_families[i]; i++)
                for (const struct command *c = command_families[i]; c->name; c++)
                        if (!(c->flags & COMMAND_HIDDEN))
                                names[at++] = c->name;
        return opt_nearest(name, names);
}
