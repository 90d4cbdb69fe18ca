/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - status: once, or again and again (--watch) when something changed */
#include "status.h"

#include "call.h"
#include "families.h"
#include "status-table.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <unistd.h>
#include <time.h>

#define WATCH_QUIET_MS                                                                             \
        10000 /* drawn again after this time though no event came: one may have been missed */

struct options {
        bool relations, integrations, storage;
        int64_t watch;
};
#define AT(member) offsetof(struct options, member)

static const struct opt options[] = {
        { "relations", 0, OPT_BOOL, AT(relations), NULL, 0, 0, NULL, 0, NULL,
          "show relations too" },
        { "integrations", 0, OPT_BOOL, AT(integrations), NULL, 0, 0, NULL, OPT_HIDDEN, NULL,
          "as --relations" },
        { "storage", 0, OPT_BOOL, AT(storage), NULL, 0, 0, NULL, 0, NULL, "show storage too" },
        { "watch", 0, OPT_DURATION, AT(watch), NULL, 0, 0, "TIME", 0, NULL,
          "draw again when something changes, no more often than this" },
        {}
};

/* ---- reading */

static char *path_of(struct cli *c, bool relations, bool storage) {
        const char *model = cli_model(c);
        char *path = model ? call_path("/v1/models/%s/status", model) : NULL;

        if (!path)
                return NULL;
        call_query_flag(&path, "relations", relations);
        call_query_flag(&path, "storage", storage);
        return path;
}

/* Applications of further pages are put beside those of the first. */
static int add_pages(struct cli *c, const char *path, json_t *first) {
        const char *next = json_get_str(first, "next", NULL);

        while (next) {
                cleanup_(freep) char *page = str_dup(path);
                cleanup_(json_freep) json_t *json = NULL;
                int r;

                call_query(&page, "after", next);
                r = call_get(c, page, &json);
                if (r)
                        return r;
                json_object_update(json_get(first, "applications"), json_get(json, "applications"));
                json_object_del(first, "next");
                if (json_get(json, "next"))
                        json_object_set(first, "next", json_get(json, "next"));
                next = json_get_str(first, "next", NULL);
        }
        return CLI_DONE;
}

int status_get(struct cli *c, bool relations, bool storage, json_t **ret) {
        cleanup_(freep) char *path = path_of(c, relations, storage);
        cleanup_(json_freep) json_t *json = NULL;
        int r = path ? call_get(c, path, &json) : CLI_FAILED;

        if (r == CLI_DONE)
                r = add_pages(c, path, json);
        if (r == CLI_DONE)
                *ret = take_ptr(json);
        return r;
}

int status_try(struct cli *c, json_t **ret, struct err *err) {
        cleanup_(freep) char *path = path_of(c, true, false); /* who waits for whom */
        int r = path ? call_try(c, path, ret, err) : err_set(err, -ENOENT, "no model");

        return r < 0 || !json_get(*ret, "next") ? r : add_pages(c, path, *ret) ? -EIO : 0;
}

/* ---- selecting */

static bool is_selected(const char *name, const json_t *a, char *const *wanted, int count) {
        for (int i = 0; i < count; i++) {
                size_t len = strcspn(wanted[i], "/");
                cleanup_(freep) char *pattern =
                        str_ndup(wanted[i], len); /* a unit selects its application */

                if (fnmatch(pattern, name, 0) == 0 || str_eq(wanted[i], status_word(a)))
                        return true;
        }
        return false;
}

static bool is_kept(const json_t *applications, const char *end) {
        cleanup_(freep) char *name = str_ndup(end, strcspn(end, ":"));

        return json_get(applications, name) != NULL;
}

void status_select(json_t *status, char *const *names, int count) {
        json_t *applications = json_get(status, "applications");
        json_t *relations = json_get(status, "relations");
        const char *name;
        json_t *a;
        void *next;

        if (count == 0)
                return;
        json_object_foreach_safe(applications, next, name, a)
                if (!is_selected(name, a, names, count))
                        json_object_del(applications, name);
        for (size_t i = json_is_array(relations) ? json_array_size(relations) : 0; i-- > 0;) {
                const json_t *r = json_array_get(relations, i);

                if (!is_kept(applications, json_get_str(r, "provider", "")) &&
                    !is_kept(applications, json_get_str(r, "requirer", "")))
                        json_array_remove(relations, i);
        }
        for (size_t i = json_array_size(json_get(status, "data")); i-- > 0;) {
                a = json_array_get(json_get(status, "data"), i);
                if (!json_get(applications, json_get_str(a, "application", "")))
                        json_array_remove(json_get(status, "data"), i);
        }
        json_object_foreach_safe(json_get(status, "storage"), next, name, a)
                if (!json_get(applications, json_get_str(a, "application", "")))
                        json_object_del(json_get(status, "storage"), name);
}

const char *status_word(const json_t *application) {
        return json_get_str(json_get(application, "application-status"), "current", "unknown");
}

/* While its cluster cannot be read: as many as were seen last, whatever became of them. */
char *status_scale(const json_t *application) {
        int64_t wanted = json_get_int(application, "scale", 0), have = 0;
        bool unseen = str_eq(status_word(application), "unknown");
        const char *name;
        json_t *unit;

        if (!json_get_bool(application, "runs-pods", true))
                return str_dup("-");
        json_object_foreach(json_get(application, "units"), name, unit) {
                const char *agent = json_get_str(json_get(unit, "juju-status"), "current", "");
                const char *word = json_get_str(json_get(unit, "workload-status"), "current", "");

                if (str_eq(word, "terminated"))
                        continue; /* it is going: its place is another one's, or nobody's */
                have += unseen || str_eq(agent, "idle") || str_eq(agent, "executing") ||
                        str_eq(agent, "running");
        }
        if (unseen && !have && wanted)
                return str_format("?/%lld", (long long)wanted);
        /* More than the scale too: somebody else scaled it, or pods are being replaced. */
        return have == wanted ? str_format("%lld", (long long)wanted)
                              : str_format("%lld/%lld", (long long)have, (long long)wanted);
}

/* ---- the command */

static bool selects_any(const json_t *applications, char *wanted) {
        const char *name;
        json_t *a;

        json_object_foreach((json_t *)applications, name, a)
                if (is_selected(name, a, &wanted, 1))
                        return true;
        return false;
}

static bool is_status(const char *word) {
        static const char *const words[] = { "active",  "blocked", "error",     "maintenance",
                                             "waiting", "unknown", "terminated" };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (str_eq(word, words[i]))
                        return true;
        return false;
}

/* What selects nothing is told: an empty answer would read as an empty model. A name that is
 * not there is an error, with the nearest one. */
static int check_selected(struct cli *c, const json_t *status) {
        for (int i = 0; i < c->count; i++) {
                cleanup_(freep) char *name = str_ndup(c->operands[i], strcspn(c->operands[i], "/"));
                cleanup_(json_freep) json_t *json = NULL;
                cleanup_(freep) char *path = NULL;
                int r;

                if (selects_any(json_get(status, "applications"), c->operands[i]))
                        continue;
                if (is_status(name)) {
                        cli_say(c, "no application is %s", name);
                        continue;
                }
                if (strpbrk(name, "*?["))
                        return cli_fail(CLI_FAILED, "no application matches \"%s\"", name);
                path = call_path("/v1/models/%s/applications/%s", cli_model(c), name);
                r = call_get(c, path, &json);
                if (r)
                        return r;
        }
        return CLI_DONE;
}

static void draw(struct cli *c, const json_t *status) {
        struct status_table_options o = { c->globals->color, c->globals->utc, c->count > 0 };

        if (c->globals->format >= FORMAT_SHORT)
                status_table_short(status, c->out);
        else if (!cli_print(c, status))
                status_table_print(status, &o, c->out);
}

static int show(struct cli *c, bool again) {
        const struct options *o = c->options;
        cleanup_(json_freep) json_t *status = NULL;
        int r = status_get(c, o->relations || o->integrations, o->storage, &status);

        if (r == CLI_DONE)
                r = check_selected(c, status);
        if (r)
                return r;
        status_select(status, c->operands, c->count);
        if (again && c->globals->format < FORMAT_JSON)
                fputs(isatty(fileno(c->out)) ? "\033[H\033[2J" : "\n", c->out); /* home, clear */
        draw(c, status);
        return fflush(c->out) == 0 ? CLI_DONE : CLI_FAILED;
}

static int on_event(void *arg, const json_t *event) {
        return !str_eq(json_get_str(event, "kind", ""), "begin");
}

static void pause_for(int64_t ms) {
        struct timespec t = { ms / 1000, (ms % 1000) * 1000000 };

        nanosleep(&t, NULL);
}

/* Goes on though the daemon restarts: what is wrong is told, and the next look tries again. */
static int watch(struct cli *c, int64_t ms) {
        cleanup_(freep) char *path = str_dup("/v1/events");
        struct err err = { 0 };
        int r = show(c, true);

        if (r)
                return r;
        call_query(&path, "model", cli_model(c));
        for (;;) {
                pause_for(ms);
                if (r == CLI_DONE)
                        call_stream(c, path, on_event, NULL, WATCH_QUIET_MS, &err);
                r = show(c, true);
                if (ferror(c->out))
                        return r;
        }
}

static int status(struct cli *c) {
        const struct options *o = c->options;

        return o->watch ? watch(c, o->watch) : show(c, false);
}

const struct command status_commands[] = {
        { "status", NULL, GROUP_BASICS, "[APPLICATION|UNIT|STATUS]...", 0, -1,
          COMMAND_LIST | COMMAND_STATUS, COMPLETES_APPLICATION, options, sizeof(struct options),
          status, "Show the model, its applications and units",
          "Names may be patterns such as \"katib-*\"; a word such as blocked selects the "
          "applications in that state. "
          "Where the cluster cannot be read, applications are unknown, with when they were seen "
          "last, and the model's "
          "notes say since when and why.",
          .example = "status --relations" },
        {}
};
