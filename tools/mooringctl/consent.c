/* SPDX-License-Identifier: Apache-2.0 */
/* consent.c - what the daemon does only when it is told so by name */
#include "confirm.h"
#include "families.h"

#include <stdlib.h>

struct options {
        bool dry_run, no_prompt;
};
#define DRY_RUN                                                                                    \
        {                                                                                          \
                "dry-run", 0, OPT_BOOL, offsetof(struct options, dry_run), NULL, 0, 0, NULL, 0,    \
                        NULL, "say what would be done, do nothing"                                 \
        }
static const struct opt dry_run_options[] = { DRY_RUN, {} };
static const struct opt destroy_options[] = {
        CONFIRM_OPTION(offsetof(struct options, no_prompt)),
        DRY_RUN,
        {},
};

static int post(struct cli *c, const char *application, const char *rest, json_t *body) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = call_application(c, application, rest);

        if (!path) {
                json_decref(body);
                return CLI_FAILED;
        }
        if (c->command->options)
                call_query_flag(&path, "dry-run", o->dry_run);
        return call_change(c, "POST", path, body);
}

/* One after the other; the first that is refused ends it. */
static int post_sure(struct cli *c, const char *rest) {
        const struct options *o = c->options;
        int r = CLI_DONE;

        for (int i = 0; r == CLI_DONE && i < c->count; i++) {
                cleanup_(freep) char *path = call_application(c, cli_operand(c, i), rest);

                if (!path)
                        return CLI_FAILED;
                r = confirm_change(c, "POST", path,
                                   &(struct confirm_options){ .dry_run = o->dry_run,
                                                              .no_prompt = o->no_prompt });
        }
        return r;
}

static int accept_data_loss(struct cli *c) {
        return post_sure(c, "/accept-data-loss");
}

/* APPLICATION [KIND/NAME], or several applications. */
static int adopt(struct cli *c) {
        const char *object = c->count == 2 ? cli_operand(c, 1) : NULL;
        int r = CLI_DONE;

        if (object && strchr(object, '/')) {
                json_t *body = json_object();

                json_object_set_new(body, "object", json_string(object));
                return post(c, cli_operand(c, 0), "/adopt", body);
        }
        for (int i = 0; r == CLI_DONE && i < c->count; i++)
                r = post(c, cli_operand(c, i), "/adopt", json_object());
        return r;
}

static int recreate(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = call_application(c, cli_operand(c, 0), "/recreate");
        cleanup_(json_freep) json_t *body = json_pack("{s:s}", "object", cli_operand(c, 1));

        if (!path)
                return CLI_FAILED;
        return confirm_change(c, "POST", path,
                              &(struct confirm_options){ .dry_run = o->dry_run,
                                                         .no_prompt = o->no_prompt,
                                                         .body = body });
}

static int attach_storage(struct cli *c) {
        return post(c, cli_operand(c, 0), "/attach-storage", NULL);
}

static int destroy_storage(struct cli *c) {
        return post_sure(c, "/destroy-storage");
}

#define ONE "APPLICATION", 1, 1, COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_APPLICATION
#define SEVERAL "APPLICATION...", 1, -1, COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_APPLICATION
#define SIZE sizeof(struct options)
const struct command consent_commands[] = {
        { "accept-data-loss", NULL, GROUP_DATA, SEVERAL, destroy_options, SIZE, accept_data_loss,
          "Take what is there, or begin again, where data was lost",
          "A store that turns up empty is never begun again silently, and another one in its place "
          "is not taken for it: restore it, and say with this that what is there is the one, or "
          "say with this that an empty one may be made. It deletes nothing.",
          .example = "accept-data-loss mlflow-mysql" },
        { "adopt", NULL, GROUP_OPERATE, "APPLICATION... | APPLICATION KIND/NAME", 1, -1,
          COMMAND_LIST, COMPLETES_APPLICATION, dry_run_options, SIZE, adopt,
          "Take over objects of the same name that were there before",
          "Without KIND/NAME: all that block the applications. What was adopted is never deleted.",
          .example = "adopt mlflow-server deployment/mlflow-server" },
        { "recreate", NULL, GROUP_OPERATE, "APPLICATION KIND/NAME", 2, 2,
          COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_APPLICATION, destroy_options, SIZE, recreate,
          "Delete an object that cannot be changed, and make it again",
          "For one that is blocked because it needs recreate: a selector, a Job's template. What "
          "it owns (its pods) goes with it. What holds data is never made anew. It counts for what "
          "is wanted now, and once.",
          .example = "recreate mlflow-server deployment/mlflow-server" },
        { "attach-storage", NULL, GROUP_DATA, ONE, dry_run_options, SIZE, attach_storage,
          "Use the storage that an earlier application of that name left", NULL,
          .example = "attach-storage mlflow-mysql" },
        { "destroy-storage", NULL, GROUP_DATA, SEVERAL, destroy_options, SIZE, destroy_storage,
          "Destroy the storage that an earlier application of that name left", NULL,
          .example = "destroy-storage mlflow-mysql --dry-run" },
        {}
};
