/* SPDX-License-Identifier: Apache-2.0 */
/* user-secrets.c - secrets that people add: adding, another value, granting, removing
 *
 * A value comes from a file, from stdin or from the terminal, where it is not shown; KEY=VALUE is
 * taken too, as Juju takes it, though the machine's other users see arguments. */
#include "call.h"
#include "changes.h"
#include "families.h"
#include "parts.h"
#include "yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define FILE_MARK "#file"
#define TYPED_MAX 4096 /* a line of a terminal has no more */

struct options {
        char *file, *info, *expire, *name;
        int64_t revision;
        bool dry_run;
};
#define AT(member) offsetof(struct options, member)
#define FILE_OPTION                                                                                \
        {                                                                                          \
                "file", 0, OPT_PATH, AT(file), NULL, 0, 0, "FILE", 0, NULL,                        \
                        "YAML of KEY: VALUE lines; - is stdin"                                     \
        }
#define INFO_OPTION                                                                                \
        {                                                                                          \
                "info", 0, OPT_STRING, AT(info), NULL, 0, 0, "TEXT", 0, NULL,                      \
                        "what it is for; everybody may read it"                                    \
        }
#define EXPIRE_OPTION                                                                              \
        {                                                                                          \
                "expire", 0, OPT_STRING, AT(expire), NULL, 0, 0, "TIME", 0, NULL,                  \
                        "when it ends outside: a time, in how long (720h), or never; doctor "      \
                        "reminds"                                                                  \
        }
#define DRY_RUN                                                                                    \
        {                                                                                          \
                "dry-run", 0, OPT_BOOL, AT(dry_run), NULL, 0, 0, NULL, 0, NULL,                    \
                        "say what would be done, do nothing"                                       \
        }

static const struct opt add_options[] = { FILE_OPTION, INFO_OPTION, EXPIRE_OPTION, DRY_RUN, {} };
static const struct opt update_options[] = { FILE_OPTION,
                                             INFO_OPTION,
                                             EXPIRE_OPTION,
                                             { "name", 0, OPT_STRING, AT(name), NULL, 0, 0, "NAME",
                                               0, NULL, "call it so from now on" },
                                             DRY_RUN,
                                             {} };
static const struct opt remove_options[] = { { "revision", 0, OPT_INT, AT(revision), NULL, 1,
                                               INT64_MAX, "N", 0, NULL, "only this one" },
                                             DRY_RUN,
                                             {} };
static const struct opt access_options[] = { DRY_RUN, {} };

/* ---- values */

static int read_typed(const char *key, char typed[TYPED_MAX], struct err *err) {
        struct termios shown, hidden;
        ssize_t n;

        if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &shown) < 0)
                return err_set(err, -EINVAL,
                               "%s: there is no terminal to ask at: say %s" FILE_MARK "=FILE, or "
                               "%s" FILE_MARK "=- for stdin",
                               key, key, key);
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        fprintf(stderr, "Value of %s: ", key);
        fflush(stderr);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
        n = read(STDIN_FILENO, typed, TYPED_MAX - 1);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        fputc('\n', stderr);
        if (n <= 1)
                return err_set(err, -EINVAL, "%s: nothing was typed", key);
        typed[typed[n - 1] == '\n' ? n - 1 : n] = '\0';
        return 0;
}

static int ask_value(const char *key, json_t **ret, struct err *err) {
        char typed[TYPED_MAX];
        int r = read_typed(key, typed, err);

        if (r < 0)
                return r;
        *ret = json_string(typed);
        explicit_bzero(typed, sizeof(typed));
        return *ret ? 0 : err_set(err, -EINVAL, "%s: is not UTF-8 text", key);
}

/* KEY=VALUE, KEY#file=PATH, or KEY, which is asked for. */
static int add_value(json_t *content, const char *operand, struct err *err) {
        size_t n = strcspn(operand, "=");
        cleanup_(freep) char *key = str_ndup(operand, n);
        bool file = str_ends(key, FILE_MARK);
        json_t *value = NULL;
        int r = 0;

        if (file)
                key[n - strlen(FILE_MARK)] = '\0';
        if (!operand[n])
                r = ask_value(key, &value, err);
        else if (file)
                r = parts_value(operand + n + 1, &value, err);
        else
                value = json_string(operand + n + 1);
        if (r < 0)
                return r;
        return value && json_object_set_new(content, key, value) == 0
                       ? 0
                       : err_set(err, -EINVAL, "%s: is not UTF-8 text", key);
}

static int add_file(json_t *content, const char *path, struct err *err) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        const char *key;
        json_t *value;
        int r = cli_read_file(path, PARTS_FILE_MAX, &text, err);

        if (r >= 0)
                r = yaml_parse(buf_str(&text), text.len, path, YAML_CORE, &s, err);
        if (r < 0)
                return r;
        if (s.count != 1 || !json_is_object(s.documents[0].root))
                return err_set(err, -EINVAL, "%s: must be KEY: VALUE lines", path);
        json_object_foreach(s.documents[0].root, key, value) {
                if (!json_is_string(value))
                        return err_set(err, -EINVAL,
                                       "%s: %s: must be a text: put it between quotes", path, key);
                json_object_set(content, key, value);
        }
        return 0;
}

/* *RET NULL: no value was given. */
static int read_content(struct cli *c, json_t **ret, struct err *err) {
        const struct options *o = c->options;
        json_t *content = json_object();
        int r = o->file ? add_file(content, o->file, err) : 0;

        for (int i = 1; r >= 0 && i < c->count; i++)
                r = add_value(content, c->operands[i], err);
        if (r < 0 || json_object_size(content) == 0) {
                json_wipe(content);
                return r;
        }
        *ret = content;
        return 0;
}

static json_t *read_body(struct cli *c, struct err *err) {
        const struct options *o = c->options;
        json_t *content = NULL, *body;

        if (read_content(c, &content, err) < 0)
                return NULL;
        body = json_object();
        if (content)
                json_object_set_new(body, "content", content);
        if (o->info)
                json_object_set_new(body, "info", json_string(o->info));
        if (o->expire)
                json_object_set_new(body, "expire", json_string(o->expire));
        return body;
}

/* ---- commands */

/* The ID is what was asked for. */
static int add(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(json_freep) json_t *json = NULL;
        cleanup_(freep) char *path = NULL;
        struct err err = { 0 };
        json_t *body;
        int r;

        if (!cli_model(c))
                return CLI_FAILED;
        body = read_body(c, &err);
        if (!body)
                return cli_fail_err(&err);
        json_object_set_new(body, "name", json_string(cli_operand(c, 0)));
        if (!json_get(body, "content"))
                json_object_set_new(body, "content", json_object());
        path = call_path("/v1/models/%s/secrets", cli_model(c));
        call_query_flag(&path, "dry-run", o->dry_run);
        r = call_send(c, "POST", path, body, &json);
        if (r || cli_print(c, json))
                return r;
        changes_say(c, json);
        if (!o->dry_run)
                fprintf(c->out, "secret:%s\n", json_get_str(json, "secret", ""));
        return CLI_DONE;
}

static char *path_of(struct cli *c, const char *verb) {
        const struct options *o = c->options;
        cleanup_(freep) char *path =
                call_path("/v1/models/%s/secrets/%s", cli_model(c), cli_operand(c, 0));
        char *whole = str_format("%s%s", path, verb);

        call_query_flag(&whole, "dry-run", o->dry_run);
        return whole;
}

static int update(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;
        struct err err = { 0 };
        json_t *body;

        if (!cli_model(c))
                return CLI_FAILED;
        body = read_body(c, &err);
        if (!body)
                return cli_fail_err(&err);
        if (o->name)
                json_object_set_new(body, "name", json_string(o->name));
        if (json_object_size(body) == 0) {
                json_decref(body);
                return cli_fail(CLI_USAGE, "what is to be other? KEY=VALUE, --file, --name, --info "
                                           "or --expire");
        }
        path = path_of(c, "");
        return call_change(c, "PATCH", path, body);
}

static int remove_secret(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;

        if (!cli_model(c))
                return CLI_FAILED;
        path = path_of(c, "");
        if (o->revision)
                call_query_int(&path, "revision", o->revision);
        return call_change(c, "DELETE", path, NULL);
}

/* "a,b c" as a list. */
static json_t *applications(struct cli *c) {
        json_t *list = json_array();

        for (int i = 1; i < c->count; i++)
                for (const char *p = c->operands[i]; *p;
                     p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
                        if (strcspn(p, ","))
                                json_array_append_new(list, json_stringn(p, strcspn(p, ",")));
        return list;
}

static int change_access(struct cli *c, const char *verb) {
        cleanup_(freep) char *path = NULL;

        if (!cli_model(c))
                return CLI_FAILED;
        path = path_of(c, verb);
        return call_change(c, "POST", path, json_pack("{s:o}", "applications", applications(c)));
}

static int grant_secret(struct cli *c) {
        return change_access(c, "/grant");
}

static int revoke_secret(struct cli *c) {
        return change_access(c, "/revoke");
}

#define VALUES                                                                                     \
        "A value is given as KEY#file=PATH (- is stdin), in a YAML file with --file, or as KEY "   \
        "alone, which is asked for and not shown. KEY=VALUE is taken too, but other users of "     \
        "this machine can see arguments, and a shell keeps them."

const struct command user_secrets_commands[] = {
        { "add-secret", NULL, GROUP_SECRETS, "NAME KEY[#file=PATH|=VALUE]...", 1, -1,
          COMMAND_DRY_RUN, COMPLETES_NOTHING, add_options, sizeof(struct options), add,
          "Add a secret that charms may take by an option",
          VALUES "\n\nThen: mooringctl grant-secret NAME APPLICATION, and mooringctl config "
                 "APPLICATION OPTION=secret:NAME (secret:NAME#KEY where it has several keys).",
          .example = "add-secret registry password#file=password.txt" },
        { "update-secret", NULL, GROUP_SECRETS, "NAME [KEY[#file=PATH|=VALUE]...]", 1, -1,
          COMMAND_DRY_RUN, COMPLETES_NOTHING, update_options, sizeof(struct options), update,
          "Give a secret another value, name, description or expiry",
          "The values that are given are all of its next revision. Who takes it follows at once, "
          "each by its own rollout; the revision before stays until nobody has it any more "
          "(show-secret --revisions).\n\n" VALUES,
          .example = "update-secret registry password#file=password.txt" },
        { "remove-secret", NULL, GROUP_SECRETS, "NAME", 1, 1, COMMAND_DRY_RUN, COMPLETES_NOTHING,
          remove_options, sizeof(struct options), remove_secret,
          "Remove a secret, or one revision of it, that nobody uses", NULL,
          .example = "remove-secret registry" },
        { "grant-secret", NULL, GROUP_SECRETS, "NAME APPLICATION...", 2, -1, COMMAND_DRY_RUN,
          COMPLETES_NOTHING, access_options, sizeof(struct options), grant_secret,
          "Let applications take a secret", NULL, .then = COMPLETES_APPLICATION,
          .example = "grant-secret registry mlflow-server" },
        { "revoke-secret", NULL, GROUP_SECRETS, "NAME APPLICATION...", 2, -1, COMMAND_DRY_RUN,
          COMPLETES_NOTHING, access_options, sizeof(struct options), revoke_secret,
          "Let applications no longer take a secret",
          "An application whose option takes it is blocked from then on; what it has outside "
          "already stays there until the value is changed.",
          .then = COMPLETES_APPLICATION, .example = "revoke-secret registry mlflow-server" },
        {}
};
