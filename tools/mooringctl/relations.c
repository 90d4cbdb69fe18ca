/* SPDX-License-Identifier: Apache-2.0 */
/* relations.c - integrate and remove-relation */
#include "call.h"
#include "families.h"

#include <stdlib.h>

struct options {
        bool dry_run, force;
};
#define AT(member) offsetof(struct options, member)

static const struct opt add_options[] = { { "dry-run", 0, OPT_BOOL, AT(dry_run), NULL, 0, 0, NULL,
                                            0, NULL, "say what would be done, do nothing" },
                                          {} };
static const struct opt remove_options[] = { { "dry-run", 0, OPT_BOOL, AT(dry_run), NULL, 0, 0,
                                               NULL, 0, NULL,
                                               "say what would be done, do nothing" },
                                             { "force", 0, OPT_BOOL, AT(force), NULL, 0, 0, NULL, 0,
                                               NULL, "do not wait for what cannot be reached" },
                                             {} };

static int integrate(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;
        json_t *body;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/relations", cli_model(c));
        call_query_flag(&path, "dry-run", o->dry_run);
        body = json_object();
        json_object_set_new(body, "a", json_string(cli_operand(c, 0)));
        json_object_set_new(body, "b", json_string(cli_operand(c, 1)));
        return call_change(c, "POST", path, body);
}

static int remove_relation(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;
        int64_t id;

        if (c->count == 1 && !str_to_int(cli_operand(c, 0), &id))
                return cli_fail(CLI_USAGE,
                                "%s is no number of a relation: give two applications, or a number",
                                cli_operand(c, 0));
        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/relations", cli_model(c));
        call_query(&path, c->count == 1 ? "id" : "a", cli_operand(c, 0));
        call_query(&path, "b", cli_operand(c, 1));
        call_query_flag(&path, "force", o->force);
        call_query_flag(&path, "dry-run", o->dry_run);
        return call_change(c, "DELETE", path, NULL);
}

const struct command relations_commands[] = {
        { "integrate", "relate", GROUP_DEPLOY, "APPLICATION[:ENDPOINT] APPLICATION[:ENDPOINT]", 2,
          2, COMMAND_LIST, COMPLETES_APPLICATION, add_options, sizeof(struct options), integrate,
          "Relate two applications",
          "Endpoints may be left out where only one pair fits; where several do, they are named.",
          .example = "integrate mlflow-server mlflow-mysql" },
        { "remove-relation", NULL, GROUP_DEPLOY,
          "APPLICATION[:ENDPOINT] APPLICATION[:ENDPOINT] | ID", 1, 2, COMMAND_LIST,
          COMPLETES_APPLICATION, remove_options, sizeof(struct options), remove_relation,
          "Remove a relation", NULL, .example = "remove-relation mlflow-server mlflow-mysql" },
        {}
};
