/* SPDX-License-Identifier: Apache-2.0 */
/* applications.c - show, scale, trust, constrain, pause, give another image, remove; and units,
 * storage */
#include "confirm.h"
#include "families.h"
#include "parts.h"
#include "status-table.h"
#include "table.h"
#include "text.h"
#include "yaml.h"

#include <errno.h>
#include <stdlib.h>

struct options {
        bool dry_run, force, destroy_storage, remove, no_prompt;
        char *object, *until;
};
#define AT(member) offsetof(struct options, member)
#define DRY_RUN                                                                                    \
        {                                                                                          \
                "dry-run", 0, OPT_BOOL, AT(dry_run), NULL, 0, 0, NULL, 0, NULL,                    \
                        "say what would be done, do nothing"                                       \
        }

static const struct opt dry_run_options[] = { DRY_RUN, {} };
static const struct opt trust_options[] = {
        { "remove", 0, OPT_BOOL, AT(remove), NULL, 0, 0, NULL, 0, NULL, "trust it no longer" },
        DRY_RUN,
        {},
};
static const struct opt storage_options[] = {
        { "force", 0, OPT_BOOL, AT(force), NULL, 0, 0, NULL, 0, NULL,
          "also a smaller one: the way back where the cluster refused to let it grow" },
        DRY_RUN,
        {},
};
static const struct opt remove_options[] = {
        { "destroy-storage", 0, OPT_BOOL, AT(destroy_storage), NULL, 0, 0, NULL, 0, NULL,
          "destroy its volumes, databases and buckets too; otherwise they stay as detached "
          "storage" },
        { "force", 0, OPT_BOOL, AT(force), NULL, 0, 0, NULL, 0, NULL,
          "do not wait for what cannot be reached; what stays behind is listed by leftovers" },
        CONFIRM_OPTION(AT(no_prompt)),
        DRY_RUN,
        {},
};

static json_t *one(const char *name, json_t *value) {
        json_t *body = json_object();

        json_object_set_new(body, name, value);
        return body;
}

static int change(struct cli *c, const char *application, const char *method, const char *rest,
                  json_t *body) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = call_application(c, application, rest);

        if (!path) {
                json_decref(body);
                return CLI_FAILED;
        }
        if (o)
                call_query_flag(&path, "dry-run", o->dry_run);
        return call_change(c, method, path, body);
}

/* ---- showing */

static int print_tree(struct cli *c, const json_t *json) {
        cleanup_(buf_free) struct buf text = BUF_INIT;

        if (cli_print(c, json))
                return CLI_DONE;
        yaml_write(json, &text);
        fputs(buf_str(&text), c->out);
        return CLI_DONE;
}

/* Those that one answer did not hold. */
static int add_objects(struct cli *c, json_t *application) {
        cleanup_(json_freep) json_t *rest = NULL;
        cleanup_(freep) char *path = NULL;
        int r;

        if (!json_get(application, "objects-next"))
                return CLI_DONE;
        path = call_path("/v1/models/%s/resources", cli_model(c));
        call_query(&path, "application", cli_operand(c, 0));
        r = call_pages(c, path, "resources", "after", SIZE_MAX, &rest);
        if (r)
                return r;
        json_object_set(application, "objects", json_get(rest, "resources"));
        json_object_del(application, "objects-next");
        return CLI_DONE;
}

static int show_application(struct cli *c) {
        cleanup_(freep) char *path = call_application(c, cli_operand(c, 0), "");
        cleanup_(json_freep) json_t *json = NULL;
        int r = path ? call_get(c, path, &json) : CLI_FAILED;

        if (r == CLI_DONE)
                r = add_objects(c, json_get(json, cli_operand(c, 0)));
        return r ? r : print_tree(c, json);
}

static int show_unit(struct cli *c) {
        cleanup_(json_freep) json_t *json = NULL;
        cleanup_(freep) char *path = NULL;
        int r;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/units/%s", cli_model(c), cli_operand(c, 0));
        r = call_get(c, path, &json);
        return r ? r : print_tree(c, json);
}

static void add_storage(struct table *t, const json_t *s) {
        const json_t *status = json_get(s, "status");
        const char *name = json_get_str(s, "name", NULL),
                   *word = json_get_str(status, "current", "?");
        char size[32];

        table_add(t, json_get_str(s, "application", ""));
        if (name)
                table_add(t, name);
        else
                table_printf(t, "%s %s", json_get_str(s, "type", ""), json_get_str(s, "path", ""));
        table_add(t, json_get_str(s, "class", ""));
        table_add(t, name ? text_size(json_get_int(s, "size", 0), size) : "");
        table_add(t, json_get_str(s, "location", ""));
        table_style(t, word, status_storage_style(word));
        table_add(t, json_get_str(status, "message", ""));
}

static void print_storage(struct cli *c, const json_t *json) {
        static const char *const head[] = { "Application", "Storage", "Class",   "Size",
                                            "Mountpoint",  "Status",  "Message", NULL };
        static const char *const lists[] = { "data", "detached" };
        cleanup_(freep) const char **names = text_members(json_get(json, "storage"));
        cleanup_(table_deinit) struct table t;
        const json_t *d;
        size_t i;

        table_init(&t, head);
        table_right(&t, 3);
        table_spare(&t, 4);
        table_spare(&t, 2);
        table_spare(&t, 3);
        for (i = 0; names[i]; i++)
                add_storage(&t, json_get(json_get(json, "storage"), names[i]));
        for (size_t k = 0; k < ARRAY_SIZE(lists); k++)
                json_array_foreach(json_get(json, lists[k]), i, d)
                        add_storage(&t, d);
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                cli_say(c, "no storage");
}

static int storage(struct cli *c) {
        cleanup_(freep) char *path = NULL;
        cleanup_(json_freep) json_t *json = NULL;
        int r;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/storage", cli_model(c));
        r = call_get(c, path, &json);
        if (r == CLI_DONE && !cli_print(c, json))
                print_storage(c, json);
        return r;
}

/* ---- changing */

static int scale(struct cli *c) {
        int64_t n;

        if (!str_to_int(cli_operand(c, 1), &n) || n < 0)
                return cli_fail(CLI_USAGE, "\"%s\" is no number of units", cli_operand(c, 1));
        return change(c, cli_operand(c, 0), "PUT", "/scale", one("scale", json_integer(n)));
}

static int trust(struct cli *c) {
        const struct options *o = c->options;

        return change(c, cli_operand(c, 0), "PUT", "/trust",
                      one("trust", json_boolean(!o->remove)));
}

static void print_constraints(struct cli *c, const char *text) {
        cleanup_(json_freep) json_t *json = json_pack("{s:s}", "constraints", text);

        if (cli_print(c, json))
                return;
        if (text[0])
                fprintf(c->out, "%s\n", text);
        else
                cli_say(c, "no constraints");
}

static int constraints(struct cli *c) {
        cleanup_(freep) char *path = NULL;
        cleanup_(json_freep) json_t *json = NULL;
        cleanup_(buf_free) struct buf text = BUF_INIT;
        int r;

        for (int i = 1; i < c->count; i++)
                buf_printf(&text, "%s%s", i > 1 ? " " : "", c->operands[i]);
        if (c->count > 1)
                return change(c, cli_operand(c, 0), "PUT", "/constraints",
                              one("constraints", json_string(buf_str(&text))));
        path = call_application(c, cli_operand(c, 0), "");
        r = path ? call_get(c, path, &json) : CLI_FAILED;
        if (r == CLI_DONE)
                print_constraints(
                        c, json_get_str(json_get(json, cli_operand(c, 0)), "constraints", ""));
        return r;
}

static int set_storage(struct cli *c) {
        const struct options *o = c->options;
        const char *pair = cli_operand(c, 1), *end = strchr(pair, '=');
        cleanup_(freep) char *name = NULL;

        if (!end || end == pair || !end[1])
                return cli_fail(CLI_USAGE, "\"%s\": wants NAME=SIZE, as database=20G", pair);
        name = str_format("%.*s", (int)(end - pair), pair);
        return change(c, cli_operand(c, 0), "PUT", "/storage",
                      json_pack("{s:s, s:s, s:b}", "storage", name, "size", end + 1, "force",
                                o->force));
}

/* An operand names an application; none, the whole model. */
static char *stop_path(struct cli *c, const char *rest) {
        cleanup_(freep) char *head = NULL;

        if (c->count || !cli_model(c))
                return c->count ? call_application(c, cli_operand(c, 0), rest) : NULL;
        head = call_path("/v1/models/%s", cli_model(c));
        return str_format("%s%s", head, rest);
}

/* What a pause held up goes on with its end: also data that somebody wants destroyed. */
static int send_stop(struct cli *c, const char *path, json_t *own_body) {
        const struct options *o = c->options;
        cleanup_(json_freep) json_t *body = own_body;

        if (!path)
                return CLI_FAILED;
        return confirm_change(c, "POST", path,
                              &(struct confirm_options){ .dry_run = o->dry_run,
                                                         .no_prompt = o->no_prompt,
                                                         .body = body,
                                                         .of_data = true });
}

static int pause_or_not(struct cli *c, const char *rest, json_t *body) {
        cleanup_(freep) char *path = stop_path(c, rest);

        return send_stop(c, path, body);
}

#define OBJECT                                                                                     \
        {                                                                                          \
                "object", 0, OPT_STRING, AT(object), NULL, 0, 0, "KIND/NAME", 0, NULL,             \
                        "only this object, no application"                                         \
        }
#define UNTIL(help)                                                                                \
        { "until", 0, OPT_STRING, AT(until), NULL, 0, 0, "TIME", 0, NULL, help }

static const struct opt pause_options[] = {
        OBJECT, UNTIL("ends by itself: a time, or for how long: 2h"), DRY_RUN, {}
};
static const struct opt unpause_options[] = { OBJECT, CONFIRM_OPTION(AT(no_prompt)), DRY_RUN, {} };
static const struct opt freeze_options[] = { UNTIL("ends by itself: a time, or for how long: 2h"),
                                             DRY_RUN,
                                             {} };
static const struct opt unfreeze_options[] = { CONFIRM_OPTION(AT(no_prompt)), DRY_RUN, {} };

static json_t *stop_body(const struct cli *c) {
        const struct options *o = c->options;
        json_t *body = one("reason", json_string(c->globals->reason));

        if (o->until)
                json_object_set_new(body, "until", json_string(o->until));
        return body;
}

static int object_stop(struct cli *c, const char *word, json_t *body) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;

        if (c->count || !cli_model(c)) {
                json_decref(body);
                return c->count ? cli_fail(CLI_USAGE, "an application, or --object: not both")
                                : CLI_FAILED;
        }
        path = call_path("/v1/models/%s/objects/%s/%s", cli_model(c), o->object, word);
        return send_stop(c, path, body);
}

static int freeze(struct cli *c) {
        if (!c->globals->reason)
                return cli_fail(CLI_USAGE, "--reason TEXT is needed: whoever finds it frozen wants "
                                           "to know why");
        return pause_or_not(c, "/freeze", stop_body(c));
}

static int unfreeze(struct cli *c) {
        return pause_or_not(c, "/unfreeze", NULL);
}

static int pause_writes(struct cli *c) {
        const struct options *o = c->options;

        if (!c->globals->reason)
                return cli_fail(
                        CLI_USAGE,
                        "--reason TEXT is needed: whoever finds it paused wants to know why");
        return o->object ? object_stop(c, "pause", stop_body(c))
                         : pause_or_not(c, "/pause", stop_body(c));
}

static int unpause(struct cli *c) {
        if (((const struct options *)c->options)->object)
                return object_stop(c, "unpause", NULL);
        return pause_or_not(c, "/unpause", NULL);
}

/* NAME=IMAGE, NAME=FILE (an existing path), NAME= for the charm's own. */
static int attach_body(const char *pair, json_t **ret, struct err *err) {
        const char *eq = strchr(pair, '=');
        cleanup_(json_freep) json_t *body = json_object();
        cleanup_(fclosep) FILE *f = NULL;
        json_t *text = NULL;
        int r;

        if (!eq || eq == pair)
                return err_set(err, -EINVAL, "%s: wants NAME=IMAGE or NAME=FILE", pair);
        json_object_set_new(body, "resource", json_stringn(pair, (size_t)(eq - pair)));
        f = eq[1] ? fopen(eq + 1, "re") : NULL;
        if (f || eq[1] == '/' || str_starts(eq + 1, "./")) {
                r = parts_text(eq + 1, &text, err);
                if (r < 0)
                        return r;
                json_object_set_new(body, "text", text);
        } else if (eq[1]) {
                json_object_set_new(body, "image", json_string(eq + 1));
        }
        *ret = take_ptr(body);
        return 0;
}

static int attach_resource(struct cli *c) {
        struct err err = { 0 };
        json_t *body = NULL;

        if (attach_body(cli_operand(c, 1), &body, &err) < 0)
                return cli_fail(CLI_FAILED, "%s", err_text(&err));
        return change(c, cli_operand(c, 0), "PUT", "/resources", body);
}

static int remove_application(struct cli *c) {
        const struct options *o = c->options;
        /* What is kept is not asked for, as in juju. */
        struct confirm_options how = { .dry_run = o->dry_run,
                                       .no_prompt = o->no_prompt || !o->destroy_storage };
        int worst = CLI_DONE;

        for (int i = 0; i < c->count; i++) {
                cleanup_(freep) char *path = call_application(c, c->operands[i], "");
                int r;

                if (!path)
                        return CLI_FAILED;
                call_query_flag(&path, "destroy-storage", o->destroy_storage);
                call_query_flag(&path, "force", o->force);
                r = confirm_change(c, "DELETE", path, &how);
                worst = r ? r : worst;
        }
        return worst;
}

#define SIZE sizeof(struct options)
const struct command applications_commands[] = {
        { "show-application", NULL, GROUP_LOOK, "APPLICATION", 1, 1, COMMAND_LIST,
          COMPLETES_APPLICATION, NULL, 0, show_application,
          "Show all of an application: status, endpoints, relations, resources, objects", NULL,
          .example = "show-application mlflow-server" },
        { "show-unit", NULL, GROUP_LOOK, "UNIT|POD", 1, 1, COMMAND_LIST, COMPLETES_NOTHING, NULL, 0,
          show_unit, "Show all of a unit", "A unit is APPLICATION/NUMBER, or the name of its pod.",
          .example = "show-unit mlflow-server/0" },
        { "scale-application", "scale", GROUP_OPERATE, "APPLICATION N", 2, 2, COMMAND_LIST,
          COMPLETES_APPLICATION, dry_run_options, SIZE, scale, "Set how many units there should be",
          "0 stops all units and keeps the data. More than the charm can run is refused.",
          .example = "scale-application mlflow-server 2" },
        { "trust", NULL, GROUP_OPERATE, "APPLICATION", 1, 1, COMMAND_LIST, COMPLETES_APPLICATION,
          trust_options, SIZE, trust, "Record that an application is trusted with the cluster",
          NULL, .example = "trust mlflow-server" },
        { "constraints", "set-constraints", GROUP_OPERATE, "APPLICATION [CONSTRAINT...]", 1, -1,
          COMMAND_LIST, COMPLETES_APPLICATION, dry_run_options, SIZE, constraints,
          "Show or set constraints: mem=4G cores=2 arch=amd64", NULL,
          .example = "constraints mlflow-server mem=4G cores=2" },
        { "set-storage", NULL, GROUP_OPERATE, "APPLICATION NAME=SIZE", 2, 2, COMMAND_LIST,
          COMPLETES_APPLICATION, storage_options, SIZE, set_storage, "Let a storage grow",
          "The volume's claim asks for that much; its storage class has to allow it "
          "(allowVolumeExpansion). No volume becomes smaller.",
          .example = "set-storage mlflow-mysql database=20G" },
        { "pause", NULL, GROUP_OPERATE, "[APPLICATION] --reason TEXT", 0, 1,
          COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_APPLICATION, pause_options, SIZE, pause_writes,
          "Write nothing outside for the model, an application or an object",
          "Watching, the drift ledger and status go on; what differs is repaired after unpause, "
          "or when its time is over. The model may be changed meanwhile: freeze keeps it from that "
          "too.",
          .example = "pause mlflow-server --reason \"the disk is being replaced\"" },
        { "unpause", NULL, GROUP_OPERATE, "[APPLICATION]", 0, 1, COMMAND_LIST | COMMAND_DRY_RUN,
          COMPLETES_APPLICATION, unpause_options, SIZE, unpause, "End a pause",
          "Where data is destroyed as soon as nothing holds that up, it is listed and asked for.",
          .example = "unpause mlflow-server" },
        { "freeze", NULL, GROUP_OPERATE, "[APPLICATION] --reason TEXT", 0, 1,
          COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_APPLICATION, freeze_options, SIZE, freeze,
          "Write nothing outside for the model or an application, and change nothing of it",
          "Commands on what is frozen are refused, and say whose freeze it is, why and until when. "
          "Watching, the drift ledger, plan, status and dry runs go on. It ends by unfreeze, or "
          "by itself.",
          .example = "freeze --until 4h --reason \"month-end closing\"" },
        { "unfreeze", NULL, GROUP_OPERATE, "[APPLICATION]", 0, 1, COMMAND_LIST | COMMAND_DRY_RUN,
          COMPLETES_APPLICATION, unfreeze_options, SIZE, unfreeze, "End a freeze",
          "Where data is destroyed as soon as nothing holds that up, it is listed and asked for.",
          .example = "unfreeze mlflow-server" },
        { "attach-resource", NULL, GROUP_OPERATE, "APPLICATION NAME=IMAGE|FILE", 2, 2, COMMAND_LIST,
          COMPLETES_APPLICATION, dry_run_options, SIZE, attach_resource,
          "Use another image or file for a resource of the charm",
          "NAME= alone goes back to the charm's own.",
          .example = "attach-resource mlflow-server oci-image=registry.example/mlflow:2" },
        { "remove-application", NULL, GROUP_DEPLOY, "APPLICATION...", 1, -1,
          COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_APPLICATION, remove_options, SIZE,
          remove_application, "Remove applications",
          "Volumes, databases and buckets stay as detached storage, with the secrets that open "
          "them, unless --destroy-storage.",
          .example = "remove-application mlflow-minio --dry-run" },
        { "storage", NULL, GROUP_DATA, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING, NULL, 0, storage,
          "List storage, also what removed applications left", NULL, .example = "storage" },
        {},
};
