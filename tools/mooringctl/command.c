/* SPDX-License-Identifier: Apache-2.0 */
/* command.c - the families of commands, and finding one by name */
#include "command.h"

#include "families.h"

#include <stdlib.h>

const char *const command_groups[] = { "Basics",           "Deploy",   "Look",    "Operate",
                                       "Storage and data", "Clusters", "Secrets", "Help" };
_Static_assert(ARRAY_SIZE(command_groups) == GROUP_MAX, "a group without a title");

const struct command *const command_families[] = {
        status_commands,       wait_commands,     deploy_commands,    bundles_commands,
        applications_commands, settings_commands, relations_commands, consent_commands,
        drift_commands,        policy_commands,   plan_commands,      explain_commands,
        doctor_commands,       audit_commands,    models_commands,    clusters_commands,
        secrets_commands,      log_commands,      about_commands,     NULL,
};

const struct command *command_find(const char *name) {
        for (size_t i = 0; command_families[i]; i++)
                for (const struct command *c = command_families[i]; c->name; c++)
                        if (str_eq(c->name, name) || (c->alias && str_eq(c->alias, name)))
                                return c;
        return NULL;
}

/* Juju's words of today and of before, and what does it here. */
static const struct {
        const char *word, *command;
} juju_words[] = {
        { "add-relation", "integrate" },
        { "add-unit", "scale-application" },
        { "completion", "print-completion" },
        { "controllers", "clusters" },
        { "remove-unit", "scale-application" },
        { "show-model", "models" },
        { "show-status", "status" },
        { "show-storage", "storage" },
};

/* What Juju has and Mooring has not: one sentence each. */
static const struct {
        const char *word, *instead;
} juju_absent[] = {
        { "actions", "charms here have no actions" },
        { "bootstrap", "mooringd is the controller: mooringctl add-cluster, then add-model" },
        { "consume", "relations are within a model" },
        { "dashboard", "docs/monitoring has one for Grafana" },
        { "exec", "mooringctl does not enter pods: kubectl exec" },
        { "expose", "a charm's Services and Ingresses are its own: mooringctl objects" },
        { "login", "who you are comes from the socket: mooringctl whoami" },
        { "offer", "relations are within a model" },
        { "register", "who you are comes from the socket: mooringctl whoami" },
        { "resolved", "what failed is tried again by itself: mooringctl why APPLICATION" },
        { "retry-provisioning",
          "what failed is tried again by itself: mooringctl why APPLICATION" },
        { "run", "charms here have no actions" },
        { "scp", "mooringctl does not enter pods: kubectl cp" },
        { "ssh", "mooringctl does not enter pods: kubectl exec" },
        { "unexpose", "a charm's Services and Ingresses are its own: mooringctl objects" },
        { "users", "roles come from unix groups: mooringctl permissions" },
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
