/* SPDX-License-Identifier: Apache-2.0 */
/* control_words.c - what the control socket understands: a table of words, a function each
 *
 * Arguments are separated by blanks; one that holds blanks stands in single quotes. Options look
 * like "--count 5". */
#include "control_socket.h"

#include "controllers/controllers.h"
#include "exec.h"
#include "faults.h"
#include "clock.h"
#include "portforward.h"
#include "store.h"
#include "watch.h"
#include "write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define ARGUMENTS_MAX 16

struct words {
        struct sim *sim;
        char *item[ARGUMENTS_MAX];
        size_t count;
        json_t *options;
        struct buf *out;
};

typedef int word_run(struct words *w, struct err *err);

static word_run run_fault, run_latency, run_stale, run_fail_pods, run_clear, run_delete, run_edit,
        run_label, run_get, run_stats, run_compact, run_forward, run_exec, run_drop_watches,
        run_status, run_list, run_help;

static const struct word {
        const char *name;
        size_t arguments;
        word_run *run;
        const char *usage, *help;
} table[] = {
        { "fault", 1, run_fault,
          "fault CODE|reset|silence|410 [--count N] [--path PART] [--method M]",
          "requests get that answer; silence: watches go mute" },
        { "latency", 1, run_latency, "latency 200ms", "every request waits so long" },
        { "stale-reads", 0, run_stale, "stale-reads", "reads answer what is true now, for ever" },
        { "fail-pods", 2, run_fail_pods, "fail-pods PATTERN REASON",
          "pods of that name, or of that image (image=PATTERN), fail: ImagePullBackOff, "
          "ErrImagePull, CrashLoopBackOff, OOMKilled, "
          "Unschedulable, NotReady, Failed" },
        { "clear", 0, run_clear, "clear", "ends all faults" },
        { "drop-watches", 0, run_drop_watches, "drop-watches", "breaks every watch's connection" },
        { "compact", 0, run_compact, "compact",
          "forgets history: older versions are expired, in open watches too" },
        { "delete", 3, run_delete, "delete KIND NS NAME", "deletes an object; NS is - for none" },
        { "edit", 5, run_edit, "edit KIND NS NAME POINTER VALUE [--manager NAME]",
          "sets a field; VALUE is JSON, null removes it" },
        { "label", 4, run_label, "label KIND NS NAME KEY=VALUE|KEY- [--manager NAME]",
          "sets or removes a label" },
        { "status", 4, run_status, "status KIND NS NAME JSON", "replaces an object's status" },
        { "get", 3, run_get, "get KIND NS NAME [POINTER]", "prints an object or a field as JSON" },
        { "list", 1, run_list, "list KIND [NS]", "prints names" },
        { "forward", 4, run_forward, "forward NS POD-PATTERN PORT ADDRESS",
          "port-forwards of such pods lead to ADDRESS, a HOST:PORT" },
        { "exec", 3, run_exec, "exec NS POD-PATTERN PROGRAM|-",
          "commands in such pods run on this machine, by PROGRAM or (-) by themselves" },
        { "stats", 0, run_stats, "stats", "prints counters as JSON" },
        { "help", 0, run_help, "help", "prints this" },
};

void control_words_help(struct buf *out) {
        for (size_t i = 0; i < ARRAY_SIZE(table); i++)
                buf_printf(out, "  %s\n        %s\n", table[i].usage, table[i].help);
}

static const char *option(const struct words *w, const char *name, const char * or) {
        return json_get_str(w->options, name, or);
}

static const char *namespace_of(const struct words *w) {
        return str_eq(w->item[2], "-") ? "" : w->item[2];
}

static int kind_of(const struct words *w, struct kind **ret, struct err *err) {
        *ret = kinds_find_word(&w->sim->kinds, w->item[1]);
        return *ret ? 0 : err_set(err, -ENOENT, "no such kind: %s", w->item[1]);
}

/* The object that items 1 to 3 name. */
static int find(const struct words *w, struct kind **ret_kind, json_t **ret, struct err *err) {
        int r = kind_of(w, ret_kind, err);

        if (r < 0)
                return r;
        *ret = store_get(*ret_kind, namespace_of(w), w->item[3]);
        if (!*ret)
                return err_set(err, -ENOENT, "%s \"%s\" not found", (*ret_kind)->plural,
                               w->item[3]);
        return 0;
}

static int write_result(struct reply *reply, struct err *err) {
        int r = 0;

        if (reply_failed(reply))
                r = err_set(err, -EINVAL, "%s", json_get_str(reply->body, "message", "refused"));
        reply_deinit(reply);
        return r;
}

/* --- faults */

static int run_fault(struct words *w, struct err *err) {
        const char *what = w->item[1], *count = option(w, "count", NULL);
        int64_t code = 0, n = -1;

        if (str_eq(what, "silence")) {
                w->sim->faults.silence = true;
                return 0;
        }
        if (!str_eq(what, "reset") && (!str_to_int(what, &code) || code < 400 || code > 599))
                return err_set(err, -EINVAL,
                               "a fault is a code from 400 to 599, reset or silence, not %s", what);
        if (count && (!str_to_int(count, &n) || n < 1))
                return err_set(err, -EINVAL, "--count: must be a number from 1, is %s", count);
        faults_add(&w->sim->faults, (int)code, n, option(w, "path", NULL),
                   option(w, "method", NULL));
        return 0;
}

static int run_latency(struct words *w, struct err *err) {
        if (!clock_parse_span(w->item[1], &w->sim->faults.latency_ms))
                return err_set(err, -EINVAL, "not a duration: %s", w->item[1]);
        return 0;
}

static int run_stale(struct words *w, struct err *err) {
        w->sim->faults.stale_reads = true;
        w->sim->faults.frozen = w->sim->store.version;
        return 0;
}

static int run_fail_pods(struct words *w, struct err *err) {
        faults_add_pods(&w->sim->faults, w->item[1], w->item[2]);
        controllers_all_pods(w->sim);
        return 0;
}

static int run_clear(struct words *w, struct err *err) {
        bool silent = w->sim->faults.silence;

        faults_clear(&w->sim->faults);
        controllers_all_pods(w->sim);
        if (silent)
                watch_resume(w->sim);
        return 0;
}

static int run_drop_watches(struct words *w, struct err *err) {
        watch_end_all(w->sim, -1);
        return 0;
}

static int run_compact(struct words *w, struct err *err) {
        store_compact(&w->sim->store);
        watch_end_all(w->sim, 410);
        return 0;
}

/* --- objects */

static struct write writing(struct words *w, struct kind *kind, struct reply *reply) {
        return (struct write){ .sim = w->sim,
                               .kind = kind,
                               .namespace = namespace_of(w),
                               .name = w->item[3],
                               .subresource = "",
                               .manager = option(w, "manager", "kubectl-edit"),
                               .unknown = WRITE_IGNORE,
                               .reply = reply };
}

static int run_delete(struct words *w, struct err *err) {
        cleanup_(json_freep) json_t *options =
                json_pack("{s:s}", "propagationPolicy", option(w, "propagation", "Background"));
        struct reply reply = { 0 };
        struct kind *kind;
        struct write write;
        int r = kind_of(w, &kind, err);

        if (r < 0)
                return r;
        write = writing(w, kind, &reply);
        write_delete(&write, options);
        return write_result(&reply, err);
}

/* Replaces the object by one with VALUE (stolen) at POINTER; null takes it away. */
static int set_field(struct words *w, const char *pointer, json_t *value, struct err *err) {
        cleanup_(json_freep) json_t *mine = value, *patch = NULL;
        struct reply reply = { 0 };
        struct kind *kind;
        struct write write;
        json_t *object, *copy;
        int r = find(w, &kind, &object, err);

        if (r < 0)
                return r;
        write = writing(w, kind, &reply);
        if (json_is_null(value)) {
                patch = json_pack("[{s:s,s:s}]", "op", "remove", "path", pointer);
        } else if (json_at(object, pointer)) {
                patch = json_pack("[{s:s,s:s,s:O}]", "op", "replace", "path", pointer, "value",
                                  value);
        } else {
                copy = json_deep_copy(object);
                if (!json_put(copy, pointer, json_incref(value))) {
                        json_decref(copy);
                        return err_set(err, -EINVAL, "nothing can be put at %s", pointer);
                }
                write_update(&write, copy);
                return write_result(&reply, err);
        }
        write_patch(&write, "application/json-patch+json", patch);
        return write_result(&reply, err);
}

static int run_edit(struct words *w, struct err *err) {
        json_t *value = NULL;

        if (json_parse(w->item[5], strlen(w->item[5]), &value, NULL) < 0)
                value = NULL;
        return set_field(w, w->item[4], value ? value : json_string(w->item[5]), err);
}

static int run_label(struct words *w, struct err *err) {
        char *text = w->item[4], *equals = strchr(text, '=');
        size_t n = strlen(text);
        cleanup_(freep) char *pointer = NULL;
        cleanup_(buf_free) struct buf key = BUF_INIT;
        bool remove = !equals && n && text[n - 1] == '-';

        if (!equals && !remove)
                return err_set(err, -EINVAL, "a label is KEY=VALUE or KEY-");
        n = equals ? (size_t)(equals - text) : n - 1;
        for (size_t i = 0; i < n; i++)
                buf_printf(&key, text[i] == '/' ? "~1" : "%c", text[i]);
        pointer = str_format("/metadata/labels/%s", buf_str(&key));
        return set_field(w, pointer, remove ? json_null() : json_string(equals + 1), err);
}

static int run_status(struct words *w, struct err *err) {
        json_t *status = NULL, *object, *copy;
        struct reply reply = { 0 };
        struct kind *kind;
        struct write write;
        int r;

        r = json_parse(w->item[4], strlen(w->item[4]), &status, err);
        if (r < 0)
                return r;
        r = find(w, &kind, &object, err);
        if (r < 0) {
                json_decref(status);
                return r;
        }
        copy = json_deep_copy(object);
        json_object_set_new(copy, "status", status);
        write = writing(w, kind, &reply);
        write.subresource = "status";
        write_update(&write, copy);
        return write_result(&reply, err);
}

static int run_get(struct words *w, struct err *err) {
        cleanup_(freep) char *text = NULL;
        struct kind *kind;
        json_t *object;
        int r = find(w, &kind, &object, err);

        if (r < 0)
                return r;
        if (w->count > 4)
                object = json_at(object, w->item[4]);
        if (!object)
                return err_set(err, -ENOENT, "nothing at %s", w->item[4]);
        text = json_text(object);
        buf_printf(w->out, "%s\n", text);
        return 0;
}

static int run_list(struct words *w, struct err *err) {
        struct kind *kind;
        int r = kind_of(w, &kind, err);

        for (size_t i = 0; r == 0 && i < kind->collection->count; i++) {
                const json_t *object = kind->collection->items[i]->json;

                if (w->count < 3 || str_eq(store_namespace(object), namespace_of(w)))
                        buf_printf(w->out, "%s\n", kind->collection->items[i]->key);
        }
        return r;
}

/* --- the rest */

static int run_forward(struct words *w, struct err *err) {
        int64_t port;

        if (!str_to_int(w->item[3], &port) || port < 1 || port > 65535)
                return err_set(err, -EINVAL, "not a port: %s", w->item[3]);
        sim_lead(&w->sim->forwards, w->item[1], w->item[2], (int)port, w->item[4]);
        return 0;
}

static int run_exec(struct words *w, struct err *err) {
        sim_lead(&w->sim->execs, w->item[1], w->item[2], 0, w->item[3]);
        return 0;
}

static int run_stats(struct words *w, struct err *err) {
        const struct sim_stats *s = &w->sim->stats;
        size_t open = 0;

        list_each(e, &w->sim->watches)
                open++;
        buf_printf(w->out,
                   "{\"requests\":%" PRIu64 ",\"writes\":%" PRIu64 ",\"applies\":%" PRIu64
                   ",\"watches\":%" PRIu64 ",\"open_watches\":%zu,\"faults\":%" PRIu64
                   ",\"objects\":%zu,\"version\":%" PRIu64 "}\n",
                   s->requests, s->writes, s->applies, s->watches, open, s->faults,
                   w->sim->store.objects, w->sim->store.version);
        return 0;
}

static int run_help(struct words *w, struct err *err) {
        control_words_help(w->out);
        return 0;
}

/* --- taking a line apart */

/* Cuts the next argument out of *P in place; NULL at the end. */
static char *next_argument(char **p) {
        char *start, *end;

        *p += strspn(*p, " \t");
        if (!**p)
                return NULL;
        start = *p + (**p == '\'');
        end = **p == '\'' ? strchr(start, '\'') : start + strcspn(start, " \t");
        if (!end)
                end = start + strlen(start);
        *p = *end ? end + 1 : end;
        *end = '\0';
        return start;
}

static int take_apart(char *line, struct words *w, struct err *err) {
        char *p = line, *argument;

        while ((argument = next_argument(&p))) {
                if (str_starts(argument, "--") && argument[2]) {
                        char *value = next_argument(&p);

                        json_object_set_new(w->options, argument + 2,
                                            json_string(value ? value : ""));
                        continue;
                }
                if (w->count == ARGUMENTS_MAX)
                        return err_set(err, -E2BIG, "at most %d arguments", ARGUMENTS_MAX);
                w->item[w->count++] = argument;
        }
        return 0;
}

int control_words_run(struct sim *sim, const char *line, struct buf *out, struct err *err) {
        cleanup_(freep) char *copy = str_dup(line);
        cleanup_(json_freep) json_t *options = json_object();
        struct words w = { .sim = sim, .options = options, .out = out };
        int r = take_apart(copy, &w, err);

        if (r < 0 || !w.count)
                return r;
        for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
                if (!str_eq(table[i].name, w.item[0]))
                        continue;
                if (w.count <= table[i].arguments)
                        return err_set(err, -EINVAL, "usage: %s", table[i].usage);
                return table[i].run(&w, err);
        }
        return err_set(err, -ENOENT, "no such command: %s; try help", w.item[0]);
}
