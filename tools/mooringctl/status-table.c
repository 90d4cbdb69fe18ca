/* SPDX-License-Identifier: Apache-2.0 */
/* status-table.c - sections: Model, App, Unit, Integration, Storage; empty ones are left out
 *
 * Columns and their order are those of `juju status` for a model on Kubernetes. Numbers stand
 * right. What cannot be read now is "unknown", with when it was seen last, and the model's Notes
 * say since when and why. */
#include "status-table.h"

#include "status.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>

#define VERSION_MAX 30 /* columns, as Juju cuts it on Kubernetes */

static void section(const struct table *t, const struct status_table_options *o, bool *first,
                    FILE *out) {
        if (table_rows(t) == 0)
                return;
        if (!*first)
                fputc('\n', out);
        *first = false;
        table_print(t, o->color, out);
}

/* ---- Model */

static const json_t *target_of(const json_t *status, const char *cloud) {
        const json_t *t;
        size_t i;

        json_array_foreach(json_get(status, "targets"), i, t)
                if (str_eq(json_get_str(t, "name", ""), cloud))
                        return t;
        return NULL;
}

static void add_note(struct buf *notes, const char *text) {
        buf_printf(notes, "%s%s", notes->len ? "; " : "", text);
}

/* SUBJECT "": of the model. */
static void add_stop(const char *subject, const char *word, const json_t *stop,
                     const struct status_table_options *o, struct buf *notes) {
        const char *until = json_get_str(stop, "until", NULL);
        char at[40];
        cleanup_(freep) char *text = str_format(
                "%s%s%s by %s%s%s: %s", subject, *subject ? " " : "", word,
                json_get_str(stop, "by", "?"), until ? " until " : "",
                until ? text_time(until, o->utc, at) : "", json_get_str(stop, "why", ""));

        add_note(notes, text);
}

static void add_stops(const json_t *status, const struct status_table_options *o,
                      struct buf *notes) {
        static const char *const lists[][2] = { { "frozen", "frozen" },
                                                { "paused-objects", "paused" } };

        for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
                const char *name;
                json_t *stop;

                json_object_foreach(json_get(status, lists[i][0]), name, stop)
                        add_stop(str_eq(name, "(model)") ? "" : name, lists[i][1], stop, o, notes);
        }
}

static void add_refresh(const json_t *order, struct buf *notes) {
        const char *at = json_get_str(order, "application", NULL),
                   *why = json_get_str(order, "stopped", json_get_str(order, "paused", NULL)),
                   *waits = json_get_str(order, "waits", NULL);
        cleanup_(freep) char *text =
                str_format("refresh --all%s: %lld of %lld are over%s%s%s%s%s%s",
                           str_eq(json_get_str(order, "state", ""), "back") ? ", going back" : "",
                           (long long)json_get_int(order, "over", 0),
                           (long long)json_get_int(order, "total", 0), at ? ", at " : "",
                           at ? at : "", why ? ", waits for a person: " : "", why ? why : "",
                           waits ? ", waits: " : "", waits ? waits : "");

        add_note(notes, text);
}

static void find_notes(const json_t *status, const struct status_table_options *o,
                       struct buf *notes) {
        const json_t *model = json_get(status, "model"), *paused = json_get(model, "paused");
        const json_t *target = target_of(status, json_get_str(model, "cloud", ""));
        const char *said = json_get_str(json_get(model, "model-status"), "message", "");
        const char *word = json_get_str(json_get(model, "model-status"), "current", "available");
        char since[40], next[40];

        if (str_eq(word, "destroying"))
                add_note(notes, "being removed");
        if (str_eq(word, "removed"))
                add_note(notes, "removed");
        if (target && !json_get_bool(target, "readable", true)) {
                const char *at = json_get_str(target, "since", NULL),
                           *again = json_get_str(target, "next-try", NULL);
                cleanup_(freep) char *text =
                        str_format("cannot be read%s%s%s%s: %s", at ? " since " : "",
                                   text_time(at, o->utc, since), again ? ", next try " : "",
                                   text_time(again, o->utc, next),
                                   json_get_str(target, "why", "no answer yet"));

                add_note(notes, text);
        }
        if (json_get_bool(json_get(status, "controller"), "read-only", false))
                add_note(notes,
                         "the controller's disk is full: nothing is put right, and commands are "
                         "refused, until there is room");
        if (paused)
                add_stop("", "paused", paused, o, notes);
        add_stops(status, o, notes);
        if (json_get(status, "refresh-all"))
                add_refresh(json_get(status, "refresh-all"), notes);
        if (said[0] && !str_eq(word, "unreachable")) /* the cluster's own line says it */
                add_note(notes, said);
}

static void model_section(const json_t *status, const struct status_table_options *o, bool *first,
                          FILE *out) {
        static const char *const plain[] = { "Model",   "Controller", "Cloud/Region",
                                             "Version", "Timestamp",  NULL };
        static const char *const noted[] = { "Model",   "Controller", "Cloud/Region",
                                             "Version", "Timestamp",  "Notes",
                                             NULL };
        const json_t *model = json_get(status, "model"),
                     *controller = json_get(status, "controller");
        cleanup_(table_deinit) struct table t;
        cleanup_(buf_free) struct buf notes = BUF_INIT;
        char stamp[40];

        find_notes(status, o, &notes);
        table_init(&t, notes.len ? noted : plain);
        table_spare(&t, 3);
        table_spare(&t, 1);
        table_add(&t, json_get_str(model, "name", ""));
        table_add(&t, json_get_str(controller, "name", ""));
        table_add(&t, json_get_str(model, "cloud", ""));
        table_add(&t, json_get_str(model, "version", json_get_str(controller, "version", "")));
        table_add(&t, text_clock(json_get_str(controller, "timestamp", NULL), o->utc, stamp));
        if (notes.len)
                table_add(&t, notes.data);
        section(&t, o, first, out);
}

/* ---- App */

static void add_scale(struct table *t, const json_t *a) {
        cleanup_(freep) char *scale = status_scale(a);

        table_style(t, scale, strchr(scale, '/') ? STYLE_WAIT : STYLE_PLAIN);
}

static void add_version(struct table *t, const json_t *a) {
        cleanup_(freep) char *version = str_dup(json_get_str(a, "version", ""));

        if (strlen(version) > VERSION_MAX)
                memcpy(version + VERSION_MAX - 3, "...", 4);
        table_add(t, version);
}

static void add_application(struct table *t, const char *name, const json_t *a) {
        const json_t *said = json_get(a, "application-status");
        const char *word = status_word(a), *message = json_get_str(said, "message", "");
        int64_t revision = json_get_int(a, "charm-rev", -1);

        table_add(t, name);
        add_version(t, a);
        table_style(t, word, table_status_style(word));
        add_scale(t, a);
        table_add(t, json_get_str(a, "charm-name", ""));
        table_add(t, json_get_str(a, "charm-channel", ""));
        if (revision >= 0)
                table_printf(t, "%lld", (long long)revision);
        else
                table_add(t, "");
        table_add(t, json_get_str(a, "address", ""));
        table_add(t, json_get_bool(a, "exposed", false) ? "yes" : "no");
        if (json_get_str(a, "can-upgrade-to", NULL))
                table_printf(t, "(upgrade available)%s%s", message[0] ? " " : "", message);
        else
                table_add(t, message);
}

static void application_section(const json_t *status, const struct status_table_options *o,
                                bool *first, FILE *out) {
        static const char *const head[] = { "App",     "Version", "Status", "Scale",
                                            "Charm",   "Channel", "Rev",    "Address",
                                            "Exposed", "Message", NULL };
        static const size_t spare[] = { 8, 7, 6, 1,
                                        5 }; /* Exposed, Address, Rev, Version, Channel */
        const json_t *applications = json_get(status, "applications");
        cleanup_(freep) const char **names = text_members(applications);
        cleanup_(table_deinit) struct table t;

        table_init(&t, head);
        table_right(&t, 3);
        table_right(&t, 6);
        for (size_t i = 0; i < ARRAY_SIZE(spare); i++)
                table_spare(&t, spare[i]);
        for (size_t i = 0; names[i]; i++)
                add_application(&t, names[i], json_get(applications, names[i]));
        section(&t, o, first, out);
}

/* ---- Unit */

static void add_unit(struct table *t, const char *name, const json_t *u) {
        const json_t *said = json_get(u, "workload-status");
        const char *word = json_get_str(said, "current", ""),
                   *agent = json_get_str(json_get(u, "juju-status"), "current", "");

        table_add(t, name);
        table_style(t, word, table_status_style(word));
        table_style(t, agent, table_status_style(agent));
        table_add(t, json_get_str(u, "address", ""));
        table_add(t, json_get_str(u, "open-ports", ""));
        table_add(t, json_get_str(said, "message", ""));
}

static void unit_section(const json_t *status, const struct status_table_options *o, bool *first,
                         FILE *out) {
        static const char *const head[] = { "Unit",  "Workload", "Agent", "Address",
                                            "Ports", "Message",  NULL };
        const json_t *applications = json_get(status, "applications");
        cleanup_(freep) const char **names = text_members(applications);
        cleanup_(table_deinit) struct table t;

        table_init(&t, head);
        table_spare(&t, 4);
        table_spare(&t, 3);
        for (size_t i = 0; names[i]; i++) {
                const json_t *units = json_dig(applications, names[i], "units", NULL);
                cleanup_(freep) const char **unit_names = text_members(units);

                for (size_t k = 0; unit_names[k]; k++)
                        add_unit(&t, unit_names[k], json_get(units, unit_names[k]));
        }
        section(&t, o, first, out);
}

/* ---- Integration, Storage */

static int by_provider(const void *a, const void *b) {
        const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
        int r = text_natural(json_get_str(x, "provider", ""), json_get_str(y, "provider", ""));

        return r ? r
                 : text_natural(json_get_str(x, "requirer", ""), json_get_str(y, "requirer", ""));
}

static void relation_section(const json_t *status, const struct status_table_options *o,
                             bool *first, FILE *out) {
        static const char *const head[] = {
                "Integration provider", "Requirer", "Interface", "Type", "Message", NULL
        };
        const json_t *relations = json_get(status, "relations");
        size_t n = json_is_array(relations) ? json_array_size(relations) : 0;
        cleanup_(freep) const json_t **sorted = mem_array(const json_t *, n + 1);
        cleanup_(table_deinit) struct table t;

        table_init(&t, head);
        table_spare(&t, 3);
        table_spare(&t, 2);
        for (size_t i = 0; i < n; i++)
                sorted[i] = json_array_get(relations, i);
        if (n)
                qsort(sorted, n, sizeof(*sorted), by_provider);
        for (size_t i = 0; i < n; i++) {
                table_add(&t, json_get_str(sorted[i], "provider", ""));
                table_add(&t, json_get_str(sorted[i], "requirer", ""));
                table_add(&t, json_get_str(sorted[i], "interface", ""));
                table_add(&t, json_get_str(sorted[i], "type", ""));
                table_add(&t, json_get_str(sorted[i], "message", ""));
        }
        section(&t, o, first, out);
}

enum table_style status_storage_style(const char *word) {
        if (str_eq(word, "attached"))
                return STYLE_GOOD;
        if (str_eq(word, "lost") || str_eq(word, "empty") || str_eq(word, "error"))
                return STYLE_BAD;
        return STYLE_WAIT;
}

static void add_storage(struct table *t, const char *id, const json_t *s) {
        const json_t *status = json_get(s, "status");
        const char *word = json_get_str(status, "current", "?");
        char size[32];

        table_add(t, json_get_str(s, "application", ""));
        table_add(t, id ? id : json_get_str(s, "path", ""));
        table_add(t, id ? json_get_str(s, "kind", "") : json_get_str(s, "type", ""));
        table_add(t, json_get_str(s, "location", ""));
        table_add(t, id ? text_size(json_get_int(s, "size", 0), size) : "");
        table_style(t, word, status_storage_style(word));
        table_add(t, json_get_str(status, "message", ""));
}

static void storage_section(const json_t *status, const struct status_table_options *o, bool *first,
                            FILE *out) {
        static const char *const head[] = { "Storage Unit", "Storage ID", "Type",    "Mountpoint",
                                            "Size",         "Status",     "Message", NULL };
        static const char *const lists[] = { "data", "detached" };
        const json_t *storage = json_get(status, "storage"), *d;
        cleanup_(freep) const char **names = text_members(storage);
        cleanup_(table_deinit) struct table t;
        size_t i;

        table_init(&t, head);
        table_right(&t, 4);
        table_spare(&t, 3);
        for (i = 0; names[i]; i++)
                add_storage(&t, names[i], json_get(storage, names[i]));
        for (size_t k = 0; k < ARRAY_SIZE(lists); k++)
                json_array_foreach(json_get(status, lists[k]), i, d)
                        add_storage(&t, NULL, d);
        section(&t, o, first, out);
}

void status_table_print(const json_t *status, const struct status_table_options *o, FILE *out) {
        bool first = true;

        model_section(status, o, &first, out);
        application_section(status, o, &first, out);
        unit_section(status, o, &first, out);
        relation_section(status, o, &first, out);
        storage_section(status, o, &first, out);
        if (!o->chosen && json_object_size(json_get(status, "applications")) == 0)
                fprintf(out, "\nModel \"%s\" is empty.\n",
                        json_get_str(json_get(status, "model"), "name", ""));
}

/* "- mlflow-server/0: 10.1.0.4 (agent:idle, workload:active) 5000/TCP", after an empty line, as
 * Juju has it. */
void status_table_short(const json_t *status, FILE *out) {
        const json_t *applications = json_get(status, "applications");
        cleanup_(freep) const char **names = text_members(applications);

        fputc('\n', out);
        for (size_t i = 0; names[i]; i++) {
                const json_t *units = json_dig(applications, names[i], "units", NULL);
                cleanup_(freep) const char **unit_names = text_members(units);

                for (size_t k = 0; unit_names[k]; k++) {
                        const json_t *u = json_get(units, unit_names[k]);
                        const char *ports = json_get_str(u, "open-ports", "");

                        fprintf(out, "- %s: %s (agent:%s, workload:%s)%s%s\n", unit_names[k],
                                json_get_str(u, "address", ""),
                                json_get_str(json_get(u, "juju-status"), "current", ""),
                                json_get_str(json_get(u, "workload-status"), "current", ""),
                                ports[0] ? " " : "", ports);
                }
        }
}
