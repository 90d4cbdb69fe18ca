/* SPDX-License-Identifier: Apache-2.0 */
/* certificates.c - which certificates there are and when they end; replacing them */
#include "call.h"
#include "families.h"
#include "table.h"
#include "text.h"

#include "clock.h"

#include <stdlib.h>

#define PEM_MAX (64u << 10) /* as the daemon takes */

struct options {
        const char *expiring;
};
#define AT(member) offsetof(struct options, member)
static const struct opt list_options[] = { { "expiring", 0, OPT_STRING, AT(expiring), NULL, 0, 0,
                                             NULL, 0, NULL,
                                             "only those that end within TIME, such as 30d" },
                                           {} };
struct change_options {
        bool dry_run;
};
static const struct opt change_options[] = {
        { "dry-run", 0, OPT_BOOL, offsetof(struct change_options, dry_run), NULL, 0, 0, NULL, 0,
          NULL, "say what would be done, do nothing" },
        {}
};

static bool ends_within(const json_t *certificate, int64_t span) {
        int64_t ends;

        return clock_parse_iso(json_get_str(certificate, "ends", ""), &ends) &&
               ends <= clock_wall() + span;
}

/* Leaves those in that --expiring wants to see. */
static int filter(struct cli *c, json_t *json) {
        const struct options *o = c->options;
        json_t *list = json_get(json, "certificates"), *left = json_array(), *one;
        int64_t span;
        size_t i;

        if (!o->expiring) {
                json_decref(left);
                return CLI_DONE;
        }
        if (!clock_parse_span(o->expiring, &span)) {
                json_decref(left);
                return cli_fail(CLI_USAGE, "--expiring: %s is no time such as 30d", o->expiring);
        }
        json_array_foreach(list, i, one)
                if (ends_within(one, span))
                        json_array_append(left, one);
        json_object_set_new(json, "certificates", left);
        return CLI_DONE;
}

static char *joined(const json_t *list) {
        struct buf out = BUF_INIT;
        size_t i;
        json_t *text;

        json_array_foreach((json_t *)list, i, text)
                buf_printf(&out, "%s%s", i ? ", " : "", json_string_value(text));
        return buf_take(&out);
}

static void add_row(struct cli *c, struct table *t, const json_t *one) {
        cleanup_(freep) char *used = joined(json_get(one, "used-in")), *noted = NULL;
        const char *failed = json_get_str(one, "failed", NULL);
        int64_t left = json_get_int(one, "days-left", 0);
        char days[32], stamp[40];

        table_add(t, json_get_str(one, "name", ""));
        table_add(t, json_get_str(one, "subject", ""));
        table_add(t, json_get_str(one, "issuer", ""));
        if (left < 0)
                snprintf(days, sizeof(days), "ended");
        else
                snprintf(days, sizeof(days), "%lld", (long long)left);
        if (json_get_str(one, "ends", NULL))
                table_style(t, days, left < 7 ? STYLE_BAD : left < 30 ? STYLE_WAIT : STYLE_PLAIN);
        else
                table_add(t, "");
        table_add(t, text_time(json_get_str(one, "issued", NULL), c->globals->utc, stamp));
        table_add(t, text_time(json_get_str(one, "renewal", NULL), c->globals->utc, stamp));
        table_add(t, json_get_str(one, "renewed-by", ""));
        if (failed)
                noted = str_format("%s%snot renewed: %s", used, used[0] ? "; " : "", failed);
        table_style(t, failed ? noted : used, failed ? STYLE_BAD : STYLE_PLAIN);
}

static int certs(struct cli *c) {
        static const char *const head[] = { "Name",    "Subject",    "Issuer",  "Days", "Issued",
                                            "Renewal", "Renewed by", "Used in", NULL };
        const struct options *o = c->options;
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(freep) char *path = NULL;
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *one;
        size_t i;
        int r;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/certificates", cli_model(c));
        r = call_pages(c, path, "certificates", "after", SIZE_MAX, &json);
        if (!r)
                r = filter(c, json);
        if (r || cli_print(c, json))
                return r;
        table_init(&t, head);
        table_right(&t, 3);
        table_spare(&t, 2);
        table_spare(&t, 4);
        json_array_foreach(json_get(json, "certificates"), i, one)
                add_row(c, &t, one);
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                cli_say(c, "no certificates%s%s", o->expiring ? " that end within " : "",
                        o->expiring ? o->expiring : "");
        if (json_get_str(json, "ca-waits-for", NULL))
                cli_say(c, "the CA is being replaced; that waits: %s",
                        json_get_str(json, "ca-waits-for", ""));
        return CLI_DONE;
}

static int send(struct cli *c, char **path) {
        const struct change_options *o = c->options;

        call_query_flag(path, "dry-run", o->dry_run);
        return call_change(c, "POST", *path, NULL);
}

static int rotate_certificate(struct cli *c) {
        cleanup_(freep) char *path = NULL;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/applications/%s/certificates/rotate", cli_model(c),
                         cli_operand(c, 0));
        call_query(&path, "label", cli_operand(c, 1));
        return send(c, &path);
}

static int rotate_ca(struct cli *c) {
        cleanup_(freep) char *path = NULL;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/ca/rotate", cli_model(c));
        return send(c, &path);
}

static int ca_csr(struct cli *c) {
        cleanup_(freep) char *path = NULL;
        cleanup_(json_freep) json_t *json = NULL;
        int r;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/ca/request", cli_model(c));
        r = call_send(c, "POST", path, NULL, &json);
        if (!r && !cli_print(c, json))
                fputs(json_get_str(json, "request", ""), c->out);
        return r;
}

static int set_ca(struct cli *c) {
        const struct change_options *o = c->options;
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(freep) char *path = NULL;
        struct err err = { 0 };

        if (!cli_model(c))
                return CLI_FAILED;
        if (cli_read_file(cli_operand(c, 0), PEM_MAX, &text, &err) < 0)
                return cli_fail(CLI_FAILED, "%s", err_text(&err));
        path = call_path("/v1/models/%s/ca", cli_model(c));
        call_query_flag(&path, "dry-run", o->dry_run);
        return call_change(c, "PUT", path, json_pack("{s:s}", "certificate", buf_str(&text)));
}

const struct command certificates_commands[] = {
        { "certs", NULL, GROUP_SECRETS, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING, list_options,
          sizeof(struct options), certs,
          "List certificates: the model's, its CA's, and those that the daemon itself uses",
          "Used in is what holds the key, or why the last renewal failed. While the CA is being "
          "replaced, what that waits for is said below.",
          .example = "certs --expiring 30d" },
        { "rotate-certificate", NULL, GROUP_OPERATE, "APPLICATION [LABEL]", 1, 2,
          COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_APPLICATION, change_options,
          sizeof(struct change_options), rotate_certificate,
          "Issue an application's certificates anew now", NULL,
          .example = "rotate-certificate mlflow-mysql" },
        { "rotate-ca", NULL, GROUP_OPERATE, "", 0, 0, COMMAND_LIST | COMMAND_DRY_RUN,
          COMPLETES_NOTHING, change_options, sizeof(struct change_options), rotate_ca,
          "Replace the model's CA: old and new are trusted until all is issued anew and delivered",
          "certs shows how far it is and what it waits for. Between the steps programs get "
          "ca-overlap (model-config) to read what was delivered.",
          .example = "rotate-ca" },
        { "ca-csr", NULL, GROUP_OPERATE, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING, NULL, 0, ca_csr,
          "Print a certificate request for a CA of the model, to be signed by your own CA",
          "The key stays in the daemon, sealed. Asked again, the same request is printed until "
          "set-ca brings what was signed.",
          .example = "ca-csr > model.csr" },
        { "set-ca", NULL, GROUP_OPERATE, "FILE", 1, 1, COMMAND_LIST | COMMAND_DRY_RUN,
          COMPLETES_FILE, change_options, sizeof(struct change_options), set_ca,
          "Issue the model's certificates by the CA that was signed for ca-csr",
          "FILE is PEM: the certificate that was signed, those above it, and the root last. It "
          "takes the place of the CA before it as rotate-ca's does.",
          .example = "set-ca model-ca.pem" },
        {}
};
