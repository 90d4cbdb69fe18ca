/* SPDX-License-Identifier: Apache-2.0 */
/* deploy.c - a bundle, or one charm */
#include "bundle-file.h"
#include "call.h"
#include "families.h"
#include "parts.h"
#include "yaml.h"

#include <errno.h>
#include <stdlib.h>

struct options {
        char **overlays, **config, **storage, **resources;
        char *channel, *constraints;
        int64_t revision, units, scale;
        bool dry_run, trust, attach_storage, force;
};
#define AT(member) offsetof(struct options, member)

static const struct opt options[] = {
        { "overlay", 0, OPT_LIST, AT(overlays), NULL, 0, 0, "FILE", 0, NULL,
          "overlay over the bundle" },
        { "dry-run", 0, OPT_BOOL, AT(dry_run), NULL, 0, 0, NULL, 0, NULL,
          "say what would be done, do nothing" },
        { "channel", 0, OPT_STRING, AT(channel), NULL, 0, 0, "CHANNEL", 0, NULL,
          "channel of the charm" },
        { "revision", 0, OPT_INT, AT(revision), OPT_NOT_SAID, 0, INT64_MAX, "N", 0, NULL,
          "revision of the charm" },
        { "config", 0, OPT_LIST, AT(config), NULL, 0, 0, "NAME=VALUE|FILE", 0, NULL,
          "option of the application, or a YAML file of options" },
        { "constraints", 0, OPT_STRING, AT(constraints), NULL, 0, 0, "TEXT", 0, NULL,
          "as \"mem=4G cores=2\"" },
        { "storage", 0, OPT_LIST, AT(storage), NULL, 0, 0, "NAME=[CLASS,]SIZE", 0, NULL,
          "class and size of a storage" },
        { "resource", 0, OPT_LIST, AT(resources), NULL, 0, 0, "NAME=IMAGE", 0, NULL,
          "image instead of the charm's own" },
        { "num-units", 'n', OPT_INT, AT(units), OPT_NOT_SAID, 0, 10000, "N", 0, NULL,
          "number of units" },
        { "scale", 0, OPT_INT, AT(scale), OPT_NOT_SAID, 0, 10000, "N", 0, NULL, "as --num-units" },
        { "trust", 0, OPT_BOOL, AT(trust), NULL, 0, 0, NULL, 0, NULL,
          "trust the application with the cluster" },
        { "force", 0, OPT_BOOL, AT(force), NULL, 0, 0, NULL, 0, NULL,
          "also one charm that is not there; in a bundle that is taken as it is" },
        { "attach-storage", 0, OPT_BOOL, AT(attach_storage), NULL, 0, 0, NULL, 0, NULL,
          "use the storage that an earlier application of that name left" },
        {}
};

/* ---- a bundle */

static int deploy_bundle(struct cli *c, const char *path) {
        const struct options *o = c->options;
        cleanup_(freep) char *to = call_path("/v1/models/%s/deploy", cli_model(c));
        struct err err = { 0 };
        json_t *body;

        if (c->count > 1 || o->channel || o->config || o->storage || o->resources ||
            o->constraints || o->revision >= 0 || o->units >= 0 || o->scale >= 0)
                return cli_fail(CLI_USAGE,
                                "%s is a bundle: options of one charm belong into an --overlay",
                                path);
        if (bundle_file_body(path, o->overlays, &body, &err) < 0)
                return cli_fail_err(&err);
        json_object_set_new(body, "attach-storage", json_boolean(o->attach_storage));
        call_query_flag(&to, "dry-run", o->dry_run);
        return call_change(c, "POST", to, body);
}

/* ---- one charm */

/* {name: value}, or {APPLICATION: {name: value}} as Juju's --config files have it. */
static int add_options_file(const char *path, const char *application, json_t *into,
                            struct err *err) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        cleanup_(json_freep) json_t *text = NULL;
        const json_t *root;
        int r = parts_text(path, &text, err);

        if (r >= 0)
                r = yaml_parse(json_string_value(text), json_string_length(text), path, YAML_CORE,
                               &s, err);
        if (r < 0)
                return r;
        root = s.count ? s.documents[0].root : NULL;
        if (json_is_object(json_get(root, application)))
                root = json_get(root, application);
        if (!json_is_object(root))
                return err_set(err, -EINVAL, "%s: must be a map of options", path);
        json_object_update(into, (json_t *)root);
        return 0;
}

static int add_config(char *const *list, const char *application, json_t *into, struct err *err) {
        int r = 0;

        for (size_t i = 0; r >= 0 && list && list[i]; i++) {
                char *one[] = { list[i], NULL };
                cleanup_(json_freep) json_t *pair = NULL;

                if (!strchr(list[i], '=')) {
                        r = add_options_file(list[i], application, into, err);
                        continue;
                }
                r = parts_pairs(one, "--config", &pair, err);
                if (r >= 0)
                        json_object_update(into, pair);
        }
        return r;
}

static int add_pairs(json_t *body, const char *member, char *const *list, const char *what,
                     struct err *err) {
        json_t *pairs;
        int r = list ? parts_pairs(list, what, &pairs, err) : 0;

        if (list && r >= 0)
                json_object_set_new(body, member, pairs);
        return r;
}

static int charm_body(const struct cli *c, json_t *body, struct err *err) {
        const struct options *o = c->options;
        const char *charm = cli_operand(c, 0), *name = cli_operand(c, 1);
        int64_t scale = o->units >= 0 ? o->units : o->scale;
        json_t *settings = json_object();
        int r;

        json_object_set_new(body, "charm", json_string(charm));
        json_object_set_new(body, "options", settings);
        if (name)
                json_object_set_new(body, "application", json_string(name));
        if (o->channel)
                json_object_set_new(body, "channel", json_string(o->channel));
        if (o->constraints)
                json_object_set_new(body, "constraints", json_string(o->constraints));
        if (o->revision >= 0)
                json_object_set_new(body, "revision", json_integer(o->revision));
        if (scale >= 0)
                json_object_set_new(body, "scale", json_integer(scale));
        if (o->trust)
                json_object_set_new(body, "trust", json_true());
        json_object_set_new(body, "attach-storage", json_boolean(o->attach_storage));
        r = add_config(o->config, name ? name : charm, settings, err);
        if (r >= 0)
                r = add_pairs(body, "storage", o->storage, "--storage", err);
        return r < 0 ? r : add_pairs(body, "resources", o->resources, "--resource", err);
}

static int deploy_charm(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *to = call_path("/v1/models/%s/applications", cli_model(c));
        cleanup_(json_freep) json_t *body = json_object();
        struct err err = { 0 };

        if (o->overlays)
                return cli_fail(CLI_USAGE, "--overlay is for bundles; %s is a charm",
                                cli_operand(c, 0));
        if (charm_body(c, body, &err) < 0)
                return cli_fail_err(&err);
        call_query_flag(&to, "dry-run", o->dry_run);
        call_query_flag(&to, "force", o->force);
        return call_change(c, "POST", to, take_ptr(body));
}

static int deploy(struct cli *c) {
        const char *what = cli_operand(c, 0);

        if (!cli_model(c))
                return CLI_FAILED;
        return bundle_file_is(what) ? deploy_bundle(c, what) : deploy_charm(c);
}

const struct command deploy_commands[] = {
        { "deploy", NULL, GROUP_DEPLOY, "BUNDLE|CHARM [APPLICATION]", 1, 2,
          COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_BUNDLE_OR_CHARM, options,
          sizeof(struct options), deploy, "Deploy a bundle, or one charm",
          "A bundle is a file: a path, or a name that ends in .yaml. It is taken whole or not at "
          "all; all that is wrong is told "
          "at once, with file and line. The same bundle again changes nothing. --dry-run prints "
          "what would be done. An "
          "application whose charm is not there is taken, says so in status, and holds up nothing "
          "else; one charm by name only with --force.",
          .example = "deploy bundle-mlflow.yaml --dry-run" },
        {}
};
