/* SPDX-License-Identifier: Apache-2.0 */
/* drift.c - what differed and what was done; status history; leftovers */
#include "call.h"
#include "families.h"
#include "table.h"
#include "text.h"

#include "clock.h"

#include <stdlib.h>

struct options {
        char *since, *type, *kind, *app, *who;
        int64_t limit;
};
#define AT(member) offsetof(struct options, member)
#define LIMIT_DEFAULT "100"

static const struct opt drift_options[] = { { "since", 0, OPT_STRING, AT(since), NULL, 0, 0, "TIME",
                                              0, NULL, "from this time on, or how long ago: 2h" },
                                            { "type", 0, OPT_STRING, AT(type), NULL, 0, 0, "TYPE",
                                              0, NULL, "only of this type: Deployment.apps" },
                                            { "kind", 0, OPT_STRING, AT(kind), NULL, 0, 0, "KIND",
                                              0, NULL, "only of this kind: Deployment" },
                                            { "app", 0, OPT_STRING, AT(app), NULL, 0, 0,
                                              "APPLICATION", 0, NULL, "only of this application" },
                                            { "who", 0, OPT_STRING, AT(who), NULL, 0, 0, "WRITER",
                                              0, NULL, "only by this writer" },
                                            { "limit", 'n', OPT_INT, AT(limit), LIMIT_DEFAULT, 1,
                                              100000, "N", 0, NULL, "newest lines" },
                                            {} };
static const struct opt stats_options[] = { { "since", 0, OPT_STRING, AT(since), NULL, 0, 0, "TIME",
                                              0, NULL, "from this time on, or how long ago: 24h" },
                                            { "app", 0, OPT_STRING, AT(app), NULL, 0, 0,
                                              "APPLICATION", 0, NULL, "only of this application" },
                                            {} };
static const struct opt history_options[] = {
        { "limit", 'n', OPT_INT, AT(limit), "20", 1, 100000, "N", 0, NULL, "newest lines" }, {}
};

#define NOT_RECORDED "not recorded"
#define PAGE_MAX 1000 /* what the daemon gives at once */

/* ---- drift */

static char *what_of(const json_t *line) {
        const json_t *fields = json_get(line, "fields"), *first = json_array_get(fields, 0);
        const char *field = json_get_str(first, "field", json_get_str(first, "what", ""));
        size_t n = json_array_size(fields);

        if (n > 1 && json_get(json_array_get(fields, n - 1), "what"))
                n--; /* a remark about the others */
        return n > 1 ? str_format("%s and %zu more", field, n - 1) : str_dup(field);
}

/* "kubectl-edit (alice)"; where only the user is known, that. */
static char *by_whom(const json_t *line) {
        const char *who = json_get_str(line, "who", ""), *user = json_get_str(line, "user", NULL);

        if (!user)
                return str_dup(who);
        return str_eq(who, NOT_RECORDED) ? str_dup(user) : str_format("%s (%s)", who, user);
}

static char *took(const json_t *line) {
        char span[CLOCK_TEXT_MAX];

        if (!json_get(line, "took-ms"))
                return str_dup("");
        return str_dup(clock_span(json_get_int(line, "took-ms", 0), span));
}

static enum table_style outcome_style(const char *outcome) {
        if (str_eq(outcome, "repaired"))
                return STYLE_GOOD;
        return str_starts(outcome, "blocked") ? STYLE_BAD : STYLE_WAIT;
}

static void say_none(const struct cli *c) {
        const struct options *o = c->options;

        cli_say(c, c->count || o->since || o->type || o->kind || o->app || o->who
                           ? "no drift that fits"
                           : "no drift");
}

static void print_list(struct cli *c, const json_t *list) {
        static const char *const head[] = { "ID",  "Seen", "Application", "Object", "What",
                                            "Who", "Took", "Outcome",     NULL };
        cleanup_(table_deinit) struct table t;
        const json_t *line;
        char stamp[40];
        size_t i;

        table_init(&t, head);
        table_right(&t, 0);
        table_spare(&t, 2); /* the object's name says it mostly */
        table_spare(&t, 6);
        table_cut_left(&t, 3);
        table_cut_left(&t, 4);
        json_array_foreach(list, i, line) {
                cleanup_(freep) char *what = what_of(line);
                cleanup_(freep) char *object =
                        text_object(json_get_str(line, "type", ""), json_get_str(line, "path", ""));
                cleanup_(freep) char *span = took(line);
                cleanup_(freep) char *by = by_whom(line);
                const char *outcome = json_get_str(line, "outcome", "");

                table_printf(&t, "%lld", (long long)json_get_int(line, "id", 0));
                table_add(&t,
                          text_time(json_get_str(line, "seen-at", NULL), c->globals->utc, stamp));
                table_add(&t, json_get_str(line, "application", ""));
                table_add(&t, object);
                table_add(&t, what);
                table_add(&t, by);
                table_add(&t, span);
                table_style(&t, outcome, outcome_style(outcome));
        }
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                say_none(c);
}

/* Nothing of APPLICATION: it is told when there is none of that name (it may have been removed, and
 * then has lines). */
static int check_application(struct cli *c, const char *application) {
        cleanup_(freep) char *path =
                call_path(strchr(application, '/') ? "/v1/models/%s/units/%s"
                                                   : "/v1/models/%s/applications/%s",
                          cli_model(c), application);
        cleanup_(json_freep) json_t *json = NULL;

        return call_get(c, path, &json);
}

/* Nothing of TYPE: it is told when no object has it. */
static int check_type(struct cli *c, const char *type) {
        cleanup_(freep) char *path = call_path("/v1/models/%s/resources", cli_model(c));
        cleanup_(json_freep) json_t *json = NULL, *types = json_object();
        cleanup_(freep) const char **names = NULL;
        const json_t *object;
        const char *near;
        size_t i;
        int r = call_pages(c, path, "resources", "after", SIZE_MAX, &json);

        if (r)
                return r;
        json_array_foreach(json_get(json, "resources"), i, object)
                json_object_set_new(types, json_get_str(object, "type", ""), json_true());
        if (json_get(types, type))
                return CLI_DONE;
        names = text_members(types);
        near = opt_nearest(type, names);
        return cli_fail(CLI_FAILED, "nothing of type %s drifted, and no object has it%s%s%s", type,
                        near ? ": did you mean " : "; mooringctl objects lists them",
                        near ? near : "", near ? "?" : "");
}

/* "deployment" is the kind of "Deployment.apps", as the daemon takes it. */
static bool has_kind(const char *type, const char *kind) {
        size_t n = strlen(kind);

        return strncasecmp(type, kind, n) == 0 && (!type[n] || type[n] == '.');
}

/* Nothing of KIND: it is told when no object has it. */
static int check_kind(struct cli *c, const char *kind) {
        cleanup_(freep) char *path = call_path("/v1/models/%s/resources", cli_model(c));
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *object;
        size_t i;
        int r = call_pages(c, path, "resources", "after", SIZE_MAX, &json);

        if (r)
                return r;
        json_array_foreach(json_get(json, "resources"), i, object)
                if (has_kind(json_get_str(object, "type", ""), kind))
                        return CLI_DONE;
        return cli_fail(CLI_FAILED,
                        "nothing of kind %s drifted, and no object has it; mooringctl objects "
                        "lists them",
                        kind);
}

static int check_filters(struct cli *c) {
        const struct options *o = c->options;
        const char *application = c->count ? cli_operand(c, 0) : o->app;
        int r = application ? check_application(c, application) : CLI_DONE;

        if (r == CLI_DONE && o->kind)
                return check_kind(c, o->kind);
        return r == CLI_DONE && o->type ? check_type(c, o->type) : r;
}

static int list_drift(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = call_path("/v1/models/%s/drift", cli_model(c));
        cleanup_(json_freep) json_t *json = NULL;
        int r;

        call_query(&path, "application", cli_operand(c, 0) ? cli_operand(c, 0) : o->app);
        call_query(&path, "since", o->since);
        call_query(&path, "type", o->kind ? o->kind : o->type);
        call_query(&path, "who", o->who);
        call_query_int(&path, "max", MIN_OF(o->limit, PAGE_MAX));
        r = call_pages(c, path, "drift", "before", (size_t)o->limit, &json);
        if (r == CLI_DONE && json_array_size(json_get(json, "drift")) == 0)
                r = check_filters(c);
        if (r == CLI_DONE && !cli_print(c, json))
                print_list(c, json_get(json, "drift"));
        return r;
}

/* As a diff: what was wanted goes, what was found comes. */
static void print_side(struct cli *c, char sign, const char *text, enum table_style style) {
        const char *color = c->globals->color ? table_color(style) : "";

        for (const char *line = text; line;
             line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
                fprintf(c->out, "%s  %c %.*s%s\n", color, sign, (int)strcspn(line, "\n"), line,
                        *color ? "\033[0m" : "");
}

static void print_field(struct cli *c, const json_t *f) {
        cleanup_(freep) char *wanted = text_value(json_get(f, "wanted"));
        cleanup_(freep) char *found = text_value(json_get(f, "found"));
        const char *field = json_get_str(f, "field", NULL);

        if (!field) {
                if (json_get(f, "more"))
                        fprintf(c->out, "  and %lld more %s\n",
                                (long long)json_get_int(f, "more", 0),
                                json_get_int(f, "more", 0) == 1 ? "field" : "fields");
                else
                        fprintf(c->out, "  %s\n", json_get_str(f, "what", ""));
                return;
        }
        fprintf(c->out, "  %s%s%s%s\n", field, json_get(f, "who") ? "  (by " : "",
                json_get_str(f, "who", ""), json_get(f, "who") ? ")" : "");
        print_side(c, '-', json_get(f, "wanted") ? wanted : "(not there)", STYLE_BAD);
        print_side(c, '+', json_get(f, "found") ? found : "(not there)", STYLE_GOOD);
}

static void print_line(struct cli *c, const json_t *line) {
        bool utc = c->globals->utc;
        cleanup_(freep) char *span = took(line);
        const json_t *field;
        char stamp[40];
        size_t i;

        fprintf(c->out, "Object       %s %s\n", json_get_str(line, "type", ""),
                json_get_str(line, "path", ""));
        fprintf(c->out, "Application  %s\n", json_get_str(line, "application", ""));
        fprintf(c->out, "Seen         %s\n",
                text_time(json_get_str(line, "seen-at", NULL), utc, stamp));
        if (json_get(line, "changed-at"))
                fprintf(c->out, "Changed      %s\n",
                        text_time(json_get_str(line, "changed-at", NULL), utc, stamp));
        fprintf(c->out, "Who          %s\n", json_get_str(line, "who", NOT_RECORDED));
        if (json_get(line, "user"))
                fprintf(c->out, "User         %s, by the audit log of the API server\n",
                        json_get_str(line, "user", ""));
        fprintf(c->out, "Action       %s\n", json_get_str(line, "action", ""));
        fprintf(c->out, "Outcome      %s\n", json_get_str(line, "outcome", ""));
        if (span[0])
                fprintf(c->out, "Took         %s, until it was written; pods may take longer\n",
                        span);
        if (json_get(line, "detected-ms"))
                fprintf(c->out, "Detected     %s after it was changed, by the writer's clock\n",
                        clock_span(json_get_int(line, "detected-ms", 0), stamp));
        if (json_get_int(line, "before", 0))
                fprintf(c->out, "Before       %lld %s the same\n",
                        (long long)json_get_int(line, "before", 0),
                        json_get_int(line, "before", 0) == 1 ? "time" : "times");
        fputs("What\n", c->out);
        json_array_foreach(json_get(line, "fields"), i, field)
                print_field(c, field);
}

static int show_drift(struct cli *c, const char *id) {
        cleanup_(freep) char *path = call_path("/v1/models/%s/drift/%s", cli_model(c), id);
        cleanup_(json_freep) json_t *json = NULL;
        int r = call_get(c, path, &json);

        if (r == CLI_DONE && !cli_print(c, json))
                print_line(c, json);
        return r;
}

/* No application is called so. */
static bool is_slip(const char *word) {
        return str_eq(word, "show") || word[strspn(word, "0123456789")] == '\0';
}

static int drift(struct cli *c) {
        bool show = c->count == 2 && str_eq(cli_operand(c, 0), "show");

        if (c->count == 2 && !show)
                return cli_fail(CLI_USAGE, "usage: mooringctl drift [APPLICATION] | drift show ID");
        if (c->count == 1 && is_slip(cli_operand(c, 0)))
                return cli_fail(CLI_USAGE, "one line of the ledger: mooringctl drift show ID");
        if (!cli_model(c))
                return CLI_FAILED;
        return show ? show_drift(c, cli_operand(c, 1)) : list_drift(c);
}

/* ---- history */

/* Mostly the message says the cause already. One cell: as the last one it goes on in further
 * lines where it has no room. */
static char *told(const char *message, const char *cause) {
        if (strstr(message, cause))
                return str_dup(message);
        return message[0] ? str_format("%s (%s)", message, cause) : str_dup(cause);
}

static int history(struct cli *c) {
        static const char *const head[] = { "Time", "Status", "Message", NULL };
        const struct options *o = c->options;
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(freep) char *path = NULL;
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *list;
        char stamp[40];
        int r;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/history", cli_model(c));
        call_query(&path, "entity", cli_operand(c, 0));
        call_query_int(&path, "max", MIN_OF(o->limit, PAGE_MAX));
        r = call_pages(c, path, "history", "before", (size_t)o->limit, &json);
        if (r == CLI_DONE && json_array_size(json_get(json, "history")) == 0)
                r = check_application(c, cli_operand(c, 0));
        if (r || cli_print(c, json))
                return r;
        list = json_get(json, "history");
        table_init(&t, head);
        for (size_t i = json_array_size(list); i-- > 0;) { /* oldest first, as Juju prints it */
                const json_t *h = json_array_get(list, i);
                const char *word = json_get_str(h, "status", "");
                cleanup_(freep) char *text =
                        told(json_get_str(h, "message", ""), json_get_str(h, "cause", ""));

                table_add(&t, text_time(json_get_str(h, "at", NULL), c->globals->utc, stamp));
                table_style(&t, word, table_status_style(word));
                table_add(&t, text);
        }
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                cli_say(c, "nothing was noted of %s yet", cli_operand(c, 0));
        return CLI_DONE;
}

/* ---- stats */

static void add_span(struct table *t, const json_t *line, const char *name) {
        char span[CLOCK_TEXT_MAX];

        table_add(t, json_get(line, name) ? clock_span(json_get_int(line, name, 0), span) : "");
}

static int stats(struct cli *c) {
        static const char *const head[] = { "Application", "Kind",     "Who",  "Times",   "Open",
                                            "Repaired",    "Detected", "Took", "Slowest", NULL };
        const struct options *o = c->options;
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(freep) char *path = NULL;
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *s;
        size_t i;
        int r;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/drift-stats", cli_model(c));
        call_query(&path, "application", o->app);
        call_query(&path, "since", o->since);
        r = call_get(c, path, &json);
        if (r || cli_print(c, json))
                return r;
        table_init(&t, head);
        for (size_t column = 3; column < 9; column++)
                table_right(&t, column);
        json_array_foreach(json_get(json, "stats"), i, s) {
                table_add(&t, json_get_str(s, "application", ""));
                table_add(&t, json_get_str(s, "type", ""));
                table_add(&t, json_get_str(s, "who", ""));
                table_printf(&t, "%lld", (long long)json_get_int(s, "total", 0));
                table_printf(&t, "%lld", (long long)json_get_int(s, "open", 0));
                table_printf(&t, "%lld", (long long)json_get_int(s, "repaired", 0));
                add_span(&t, s, "detected-ms");
                add_span(&t, s, "took-ms");
                add_span(&t, s, "slowest-ms");
        }
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                say_none(c);
        return CLI_DONE;
}

/* ---- leftovers */

static int leftovers(struct cli *c) {
        static const char *const head[] = {
                "Since", "Model", "Application", "Object", "Why", NULL
        };
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(freep) char *path = str_dup("/v1/leftovers");
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *l;
        char stamp[40];
        size_t i;
        int r;

        call_query(&path, "model", c->globals->model);
        call_query_int(&path, "max", PAGE_MAX);
        r = call_pages(c, path, "leftovers", "after", SIZE_MAX, &json);
        if (r || cli_print(c, json))
                return r;
        table_init(&t, head);
        json_array_foreach(json_get(json, "leftovers"), i, l) {
                table_add(&t, text_time(json_get_str(l, "at", NULL), c->globals->utc, stamp));
                table_add(&t, json_get_str(l, "model", ""));
                table_add(&t, json_get_str(l, "application", ""));
                table_printf(&t, "%s %s", json_get_str(l, "type", ""), json_get_str(l, "path", ""));
                table_add(&t, json_get_str(l, "why", ""));
        }
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                cli_say(c, "no leftovers");
        return CLI_DONE;
}

const struct command drift_commands[] = {
        { "drift", NULL, GROUP_LOOK, "[APPLICATION] | show ID", 0, 2, COMMAND_LIST,
          COMPLETES_APPLICATION, drift_options, sizeof(struct options), drift,
          "List what differed from the model and what was done about it",
          "Who is the name that the writer gave itself, where the cluster records it; for "
          "deletions and removed fields it is "
          "not recorded. drift show ID tells field by field what was wanted and what was found.",
          .example = "drift show 4" },
        { "drift stats", NULL, GROUP_LOOK, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING, stats_options,
          sizeof(struct options), stats, "Count what differed, by application, kind and writer",
          "Detected is how long after the change it was seen, where the writer said when; took, "
          "until "
          "the repair was written. Both are averages.",
          .example = "drift stats --since 24h" },
        { "show-status-log", NULL, GROUP_LOOK, "APPLICATION|UNIT", 1, 1, COMMAND_LIST,
          COMPLETES_APPLICATION, history_options, sizeof(struct options), history,
          "Show what an application or unit was, when, and why it changed", NULL,
          .example = "show-status-log mlflow-server/0" },
        { "leftovers", NULL, GROUP_DATA, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING, NULL, 0,
          leftovers, "List what removals could not or must not take away", NULL,
          .example = "leftovers" },
        {}
};
