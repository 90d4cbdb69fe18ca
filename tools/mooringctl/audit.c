/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - who wrote what, when and why; whether that record is whole; who may do what */
#include "audit-heads.h"
#include "call.h"
#include "families.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>
#include <unistd.h>

struct options {
        char *since, *app, *who, *what, *unit;
        char **heads;
        int64_t max;
};
#define AT(member) offsetof(struct options, member)
#define PAGE_MAX 1000 /* what the daemon gives at once */

static const struct opt options[] = {
        { "since", 0, OPT_STRING, AT(since), NULL, 0, 0, "TIME", 0, NULL,
          "from this time on, or how long ago: 2h" },
        { "app", 0, OPT_STRING, AT(app), NULL, 0, 0, "APPLICATION", 0, NULL,
          "only what was done to this application" },
        { "who", 0, OPT_STRING, AT(who), NULL, 0, 0, "USER", 0, NULL,
          "only by this user, by name or number; loop: by the daemon itself" },
        { "what", 0, OPT_STRING, AT(what), NULL, 0, 0, "TEXT", 0, NULL,
          "only with this text in its action or its subject: scale, Secret" },
        { "max", 'n', OPT_INT, AT(max), "100", 1, 1000000, "N", 0, NULL, "newest rows" },
        { "head", 0, OPT_LIST, AT(heads), NULL, 0, 0, "ROW:HASH", 0, NULL,
          "verify: compare with this head, and not with the journal; may be given several times" },
        { "unit", 0, OPT_STRING, AT(unit), "mooringd.service", 0, 0, "UNIT", 0, NULL,
          "verify: the unit in whose journal the heads are" },
        {}
};

/* ---- rows */

static char *who_of(const json_t *row) {
        const char *user = json_get_str(row, "user", NULL);

        return str_dup(user ? user : json_get_str(row, "kind", ""));
}

static char *subject_of(const json_t *row) {
        const char *subject = json_get_str(row, "subject", "");
        size_t n = strcspn(subject, " ");
        cleanup_(freep) char *type = str_ndup(subject, n);

        if (!str_eq(json_get_str(row, "kind", ""), "loop") || !subject[n])
                return str_dup(subject);
        return text_object(type, subject + n + 1);
}

#define DETAIL_MAX 160 /* columns: audit show has all of it */

/* "option port of web: 81" of {"web": {"option port": 81}}; what has no name above it, plain. */
static void print_values_short(struct buf *out, const char *of, const json_t *values) {
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)values, name, value) {
                cleanup_(freep) char *text = NULL;

                if (json_is_object(value) && !of) {
                        print_values_short(out, name, value);
                        continue;
                }
                text = text_value(value);
                buf_printf(out, "%s%s%s%s: %s", out->len ? ", " : "", name, of ? " of " : "",
                           of ? of : "", text);
        }
}

/* The words that tell most in one line. What the loop wrote and went well is its subject. */
static char *detail_of(const json_t *row) {
        const char *message = json_get_str(row, "message", "");
        cleanup_(buf_free) struct buf text = BUF_INIT;

        if (message[0])
                buf_puts(&text, message);
        else if (!str_eq(json_get_str(row, "kind", ""), "loop"))
                print_values_short(&text, NULL, json_get(row, "after"));
        return text_cut(buf_str(&text), DETAIL_MAX, false);
}

static enum table_style outcome_style(const char *outcome) {
        if (str_eq(outcome, "done") || str_eq(outcome, "gone"))
                return STYLE_GOOD;
        return str_eq(outcome, "unchanged") ? STYLE_DIM : STYLE_BAD;
}

static void print_list(struct cli *c, const json_t *list) {
        static const char *const head[] = {
                "ID", "Time", "Who", "What", "Why", "Outcome", "Subject and detail", NULL
        };
        cleanup_(table_deinit) struct table t;
        const json_t *row;
        char stamp[40];
        size_t i;

        table_init(&t, head);
        table_right(&t, 0);
        table_spare(&t, 4);
        json_array_foreach(list, i, row) {
                cleanup_(freep) char *who = who_of(row);
                cleanup_(freep) char *detail = detail_of(row);
                cleanup_(freep) char *subject = subject_of(row);
                const char *outcome = json_get_str(row, "outcome", "");

                table_printf(&t, "%lld", (long long)json_get_int(row, "id", 0));
                table_add(&t, text_time(json_get_str(row, "at", NULL), c->globals->utc, stamp));
                table_add(&t, who);
                table_add(&t, json_get_str(row, "what", ""));
                table_add(&t, json_get_str(row, "why", ""));
                table_style(&t, outcome, outcome_style(outcome));
                table_printf(&t, "%s%s%s", subject, subject[0] && detail[0] ? ": " : "", detail);
        }
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                cli_say(c, "nothing that fits is in the audit");
}

static int list_rows(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = str_dup("/v1/audit");
        cleanup_(json_freep) json_t *json = NULL;
        int r;

        call_query(&path, "since", o->since);
        call_query(&path, "application", o->app);
        call_query(&path, "who", o->who);
        call_query(&path, "what", o->what);
        call_query_int(&path, "max", MIN_OF(o->max, PAGE_MAX));
        r = call_pages(c, path, "audit", "before", (size_t)o->max, &json);
        if (r == CLI_DONE && !cli_print(c, json))
                print_list(c, json_get(json, "audit"));
        return r;
}

/* ---- one row */

static void print_text(struct cli *c, const char *title, const char *text) {
        cleanup_(freep) char *safe = text ? text_safe(text) : NULL;

        if (safe)
                fprintf(c->out, "%-12s %s\n", title, safe);
}

static void print_user(struct cli *c, const json_t *row) {
        cleanup_(freep) char *who =
                json_get(row, "uid")
                        ? str_format("%s (uid %lld), role %s", json_get_str(row, "user", ""),
                                     (long long)json_get_int(row, "uid", 0),
                                     json_get_str(row, "role", ""))
                        : str_dup(json_get_str(row, "kind", ""));
        const char *command = json_get_str(row, "command", NULL);

        print_text(c, "Who", who);
        if (json_get(row, "login-uid"))
                fprintf(c->out, "%-12s uid %lld\n", "Logged in as",
                        (long long)json_get_int(row, "login-uid", 0));
        if (json_get(row, "pid"))
                fprintf(c->out, "%-12s %s, pid %lld\n", "Command",
                        command ? command : "ended before it could be asked",
                        (long long)json_get_int(row, "pid", 0));
}

static void print_values(struct cli *c, const char *title, const json_t *values) {
        const char *name;
        json_t *value;

        if (!values)
                return;
        fprintf(c->out, "%s\n", title);
        json_object_foreach((json_t *)values, name, value) {
                cleanup_(freep) char *text = text_value(value);
                cleanup_(freep) char *safe = text_safe(text);

                fprintf(c->out, "  %s: %s\n", name, safe);
        }
}

static int show_row(struct cli *c, const char *id) {
        cleanup_(freep) char *path = call_path("/v1/audit/%s", id);
        cleanup_(json_freep) json_t *row = NULL;
        int r = call_get(c, path, &row);
        char stamp[40];

        if (r || cli_print(c, row))
                return r;
        print_text(c, "Time", text_time(json_get_str(row, "at", NULL), c->globals->utc, stamp));
        print_user(c, row);
        print_text(c, "What", json_get_str(row, "what", ""));
        print_text(c, "Subject", json_get_str(row, "subject", NULL));
        print_text(c, "Route", json_get_str(row, "route", NULL));
        print_text(c, "Why", json_get_str(row, "why", NULL));
        print_text(c, "Outcome", json_get_str(row, "outcome", ""));
        print_text(c, "Message", json_get_str(row, "message", NULL));
        print_values(c, "Before", json_get(row, "before"));
        print_values(c, "After", json_get(row, "after"));
        print_text(c, "Hash", json_get_str(row, "hash", NULL));
        return CLI_DONE;
}

/* ---- verify */

static int find_heads(struct cli *c, json_t *list) {
        const struct options *o = c->options;
        cleanup_(json_freep) json_t *info = NULL;
        struct err err = { 0 };
        int r;

        for (size_t i = 0; o->heads && o->heads[i]; i++)
                json_array_append_new(list, json_string(o->heads[i]));
        if (json_array_size(list))
                return CLI_DONE;
        r = call_get(c, "/v1/info", &info);
        if (r)
                return r;
        if (audit_heads_read(o->unit, json_get_str(info, "uuid", ""), list, &err) < 0)
                cli_say(c, "%s", err_text(&err));
        return CLI_DONE;
}

static void say_no_head(struct cli *c) {
        const struct options *o = c->options;

        cli_say(c,
                "compared with no head: rows missing from the end are not found. Heads are in "
                "mooringd's log (audit-head), and the journal that %s can read has none of unit "
                "%s: name the unit with --unit, or a head with --head%s",
                geteuid() ? "this user" : "root", o->unit,
                geteuid() ? ", or ask as root or as a member of systemd-journal" : "");
}

static void say_verified(struct cli *c, const json_t *json) {
        int64_t heads = json_get_int(json, "heads", 0);

        fprintf(c->out, "rows %lld to %lld are intact: %lld:%s\n",
                (long long)json_get_int(json, "first", 0), (long long)json_get_int(json, "last", 0),
                (long long)json_get_int(json, "last", 0), json_get_str(json, "hash", ""));
        if (heads)
                cli_say(c,
                        "compared with %lld %s; what came after the newest could be missing from "
                        "the "
                        "end",
                        (long long)heads, heads == 1 ? "head" : "heads");
        else
                say_no_head(c);
}

static int verify(struct cli *c) {
        cleanup_(json_freep) json_t *json = NULL;
        json_t *heads = json_array(), *body = json_object();
        int r = find_heads(c, heads);

        json_object_set_new(body, "heads", heads);
        if (r) {
                json_decref(body);
                return r;
        }
        r = call_send(c, "POST", "/v1/audit/verify", body, &json);
        if (r)
                return r;
        if (!str_eq(json_get_str(json, "result", ""), "intact")) {
                cli_print(c, json);
                return cli_fail(CLI_TAMPERED, "the audit is not what was written: %s",
                                json_get_str(json, "text", ""));
        }
        if (!cli_print(c, json))
                say_verified(c, json);
        return CLI_DONE;
}

static int audit(struct cli *c) {
        const char *verb = cli_operand(c, 0);

        if (c->count == 0)
                return list_rows(c);
        if (c->count == 1 && str_eq(verb, "verify"))
                return verify(c);
        if (c->count == 2 && str_eq(verb, "show"))
                return show_row(c, cli_operand(c, 1));
        return cli_fail(CLI_USAGE, "usage: mooringctl audit | audit show ID | audit verify");
}

const struct command audit_commands[] = {
        { "audit", NULL, GROUP_LOOK, "[show ID | verify]", 0, 2, COMMAND_LIST, COMPLETES_NOTHING,
          options, sizeof(struct options), audit,
          "Show who wrote what and why: people, done or refused, and the daemon itself",
          "Each row is chained to the one before by a keyed hash. audit verify finds a row that "
          "was "
          "changed, taken out, put in or written under another key, names the first, and ends with "
          "7. Rows missing from the end are found against heads of the chain, which mooringd tells "
          "its log as it goes: those in the journal are read, or one is named with --head. Kept "
          "are "
          "name and role of who asked, and the program without its arguments; values of secrets "
          "are "
          "not.",
          .example = "audit --since 2h --who alice" },
        {}
};
