/* SPDX-License-Identifier: Apache-2.0 */
/* secrets.c - which secrets there are, who has which revision; one value, for admins */
#include "call.h"
#include "families.h"
#include "table.h"
#include "text.h"
#include "yaml.h"

#include <stdlib.h>

struct options {
        bool reveal, revisions;
        int64_t revision;
};
#define AT(member) offsetof(struct options, member)
static const struct opt options[] = { { "reveal", 0, OPT_BOOL, AT(reveal), NULL, 0, 0, NULL, 0,
                                        NULL, "print the value; admins only, logged" },
                                      { "revision", 0, OPT_INT, AT(revision), NULL, 1, INT64_MAX,
                                        "N", 0, NULL, "with --reveal: the value of this one" },
                                      { "revisions", 0, OPT_BOOL, AT(revisions), NULL, 0, 0, NULL,
                                        0, NULL, "its revisions, and who has each" },
                                      {} };

static int get_all(struct cli *c, json_t **ret) {
        cleanup_(freep) char *path = NULL;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/secrets", cli_model(c));
        return call_pages(c, path, "secrets", "after", SIZE_MAX, ret);
}

static char *granted(const json_t *s) {
        struct buf out = BUF_INIT;
        const json_t *g;
        size_t i;

        json_array_foreach(json_get(s, "granted"), i, g)
                buf_printf(&out, "%s%s%s%s", i ? ", " : "", json_get_str(g, "application", ""),
                           json_get(g, "endpoint") ? ":" : "", json_get_str(g, "endpoint", ""));
        return buf_take(&out);
}

static const char *owner_of(const json_t *s) {
        bool of_model = json_get(s, "name") || str_eq(json_get_str(s, "purpose", ""), "authority");

        return json_get_str(s, "owner", of_model ? "(model)" : "(detached storage)");
}

static int list(struct cli *c) {
        static const char *const head[] = { "ID",      "Owner",    "Label",      "Field",
                                            "Purpose", "Revision", "Granted to", NULL };
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *s;
        size_t i;
        int r = get_all(c, &json);

        if (r || cli_print(c, json))
                return r;
        table_init(&t, head);
        table_right(&t, 5);
        table_spare(&t, 4);
        table_spare(&t, 5);
        table_spare(&t, 0); /* OWNER/LABEL/FIELD is taken as well */
        json_array_foreach(json_get(json, "secrets"), i, s) {
                cleanup_(freep) char *to = granted(s);

                table_add(&t, json_get_str(s, "id", ""));
                table_add(&t, owner_of(s));
                table_add(&t, json_get_str(s, "label", ""));
                table_add(&t, json_get_str(s, "field", ""));
                table_add(&t, json_get_str(s, "purpose", ""));
                table_printf(&t, "%lld", (long long)json_get_int(s, "revision", 0));
                table_add(&t, to);
        }
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                cli_say(c, "no secrets");
        return CLI_DONE;
}

/* By id, as OWNER/LABEL/FIELD, or OWNER/LABEL where it has one field; one of people's by its
 * name. */
static const json_t *find(const json_t *all, const char *name) {
        const json_t *s;
        size_t i;

        if (str_starts(name, "secret:"))
                name += strlen("secret:");

        json_array_foreach(json_get(all, "secrets"), i, s) {
                cleanup_(freep) char *label = str_format("%s/%s", json_get_str(s, "owner", ""),
                                                         json_get_str(s, "label", ""));
                cleanup_(freep) char *full =
                        str_format("%s/%s", label, json_get_str(s, "field", ""));

                if (str_eq(json_get_str(s, "id", ""), name) || str_eq(full, name) ||
                    str_eq(label, name) || str_eq(json_get_str(s, "name", NULL), name))
                        return s;
        }
        return NULL;
}

static int print_secret(struct cli *c, const json_t *s) {
        cleanup_(buf_wipe) struct buf text = BUF_INIT;

        if (cli_print(c, s))
                return CLI_DONE;
        yaml_write(s, &text);
        fputs(buf_str(&text), c->out);
        return CLI_DONE;
}

static int show(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(json_freep) json_t *json = NULL;
        cleanup_(json_freep) json_t *one = NULL;
        cleanup_(freep) char *path = NULL;
        const json_t *s;
        int r = get_all(c, &json);

        if (r)
                return r;
        s = find(json, cli_operand(c, 0));
        if (!s)
                return cli_fail(CLI_FAILED, "no secret %s; mooringctl secrets lists them",
                                cli_operand(c, 0));
        path = call_path(o->reveal ? "/v1/models/%s/secrets/%s/reveal" : "/v1/models/%s/secrets/%s",
                         cli_model(c), json_get_str(s, "id", ""));
        if (o->reveal && o->revision)
                call_query_int(&path, "revision", o->revision);
        r = call_send(c, o->reveal ? "POST" : "GET", path, NULL, &one);
        if (r == CLI_DONE && !o->revisions)
                json_object_del(one, "revisions");
        return r ? r : print_secret(c, one);
}

const struct command secrets_commands[] = {
        { "secrets", NULL, GROUP_SECRETS, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING, NULL, 0, list,
          "List secrets: owner, label, revision, who may open them; never values", NULL,
          .example = "secrets" },
        { "show-secret", NULL, GROUP_SECRETS, "NAME|ID|OWNER/LABEL/FIELD", 1, 1, COMMAND_LIST,
          COMPLETES_NOTHING, options, sizeof(struct options), show,
          "Show a secret; its value with --reveal, who has which revision with --revisions",
          "--reveal is for admins, and the daemon logs who asked.",
          .example = "show-secret mlflow-mysql/root/password --reveal" },
        {}
};
