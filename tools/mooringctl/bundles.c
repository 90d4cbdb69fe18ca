/* SPDX-License-Identifier: Apache-2.0 */
/* bundles.c - export-bundle and diff-bundle */
#include "bundle-file.h"
#include "call.h"
#include "families.h"
#include "yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct options {
        bool include_secrets;
        char *filename;
        char **overlays;
};
#define AT(member) offsetof(struct options, member)

static const struct opt export_options[] = {
        { "include-secrets", 0, OPT_BOOL, AT(include_secrets), NULL, 0, 0, NULL, 0, NULL,
          "with the values of secret options; admins only" },
        { "filename", 0, OPT_PATH, AT(filename), NULL, 0, 0, "FILE", 0, NULL,
          "write into this file, readable to you only" },
        {}
};

static const struct opt diff_options[] = { { "overlay", 0, OPT_LIST, AT(overlays), NULL, 0, 0,
                                             "FILE", 0, NULL, "overlay over the bundle" },
                                           {} };

static int write_file(const char *path, const char *text) {
        cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        size_t len = strlen(text);

        if (fd < 0 || write(fd, text, len) != (ssize_t)len)
                return cli_fail(CLI_FAILED, "%s: %s", path, strerror(errno));
        return CLI_DONE;
}

static int export_bundle(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;
        cleanup_(freep) char *text = NULL;
        int r;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/bundle", cli_model(c));
        call_query_flag(&path, "include-secrets", o->include_secrets);
        call_query(&path, "format", c->globals->format == FORMAT_JSON ? "json" : NULL);
        r = call_text(c, path, &text);
        if (r)
                return r;
        if (o->filename)
                r = write_file(o->filename, text);
        else
                fputs(text, c->out);
        explicit_bzero(text, strlen(text));
        return r;
}

/* Equal: nothing is printed and the code is 0; else the difference as YAML, and 4. */
static int diff_bundle(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;
        cleanup_(json_freep) json_t *json = NULL;
        cleanup_(buf_free) struct buf text = BUF_INIT;
        struct err err = { 0 };
        json_t *body;
        bool equal;
        int r;

        if (!cli_model(c))
                return CLI_FAILED;
        if (bundle_file_body(cli_operand(c, 0), o->overlays, &body, &err) < 0)
                return cli_fail_err(&err);
        path = call_path("/v1/models/%s/diff-bundle", cli_model(c));
        r = call_send(c, "POST", path, body, &json);
        if (r)
                return r;
        equal = json_object_size(json) == 0;
        if (cli_print(c, json))
                return equal ? CLI_DONE : CLI_NOT_CONVERGED;
        if (equal) {
                cli_say(c, "no difference");
                return CLI_DONE;
        }
        yaml_write(json, &text);
        fputs(buf_str(&text), c->out);
        return CLI_NOT_CONVERGED;
}

const struct command bundles_commands[] = {
        { "export-bundle", NULL, GROUP_DEPLOY, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING,
          export_options, sizeof(struct options), export_bundle, "Print the model as a bundle",
          "Deploying it gives the same model. Secret options are left out unless "
          "--include-secrets.",
          .example = "export-bundle --filename mlflow.yaml" },
        { "diff-bundle", NULL, GROUP_DEPLOY, "BUNDLE", 1, 1, COMMAND_LIST, COMPLETES_FILE,
          diff_options, sizeof(struct options), diff_bundle,
          "Show what differs between a bundle and the model",
          "Ends with 0 when nothing differs, with 4 when something does.",
          .example = "diff-bundle mlflow.yaml" },
        {}
};
