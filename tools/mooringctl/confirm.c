/* SPDX-License-Identifier: Apache-2.0 */
/* confirm.c - see confirm.h */
#include "confirm.h"

#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define ANSWER_MAX 256 /* longer than the name of any model */
/* Objects that are named before a question: what is said of data stands above them, and is to be on
 * the screen still. The rest is counted. */
#define OBJECTS_MAX 10

/* A line of what a person types, without its end. Not by stdio: nothing may be read ahead. */
static bool read_answer(char *ret, size_t size) {
        size_t n = 0;
        char c;

        for (;;) {
                ssize_t k = read(STDIN_FILENO, &c, 1);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return false; /* end of input is no consent */
                if (c == '\n')
                        break;
                if (n + 1 < size)
                        ret[n++] = c;
        }
        ret[n] = '\0';
        return true;
}

static void show_list(const json_t *list, const char *before) {
        const json_t *line;
        size_t i, objects = 0;

        json_array_foreach(list, i, line) {
                cleanup_(freep) char *text = text_safe(json_get_str(line, "text", ""));
                bool object = str_eq(json_get_str(line, "change", NULL), "object");

                objects += object;
                if (!object || objects <= OBJECTS_MAX)
                        fprintf(stderr, "%s%s\n", before, text);
        }
        if (objects > OBJECTS_MAX)
                fprintf(stderr, "%sand %zu more objects: --dry-run names them\n", before,
                        objects - OBJECTS_MAX);
}

static void show(const json_t *json) {
        int64_t more = json_get_int(json, "more", 0);

        fputs("This would:\n", stderr);
        show_list(json_get(json, "changes"), " - ");
        show_list(json_get(json, "notes"), "note: ");
        if (more)
                fprintf(stderr, " - and %lld more\n", (long long)more);
}

static bool is_consent(const char *name) {
        char answer[ANSWER_MAX];

        if (name)
                fprintf(stderr, "To continue, enter the name of the model: ");
        else
                fputs("Continue [y/N]? ", stderr);
        fflush(stderr);
        if (!read_answer(answer, sizeof(answer)))
                return false;
        return name ? str_eq(answer, name)
                    : strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

static bool destroys(const json_t *json) {
        const json_t *line;
        size_t i;

        json_array_foreach(json_get(json, "changes"), i, line)
                if (str_eq(json_get_str(line, "change", NULL), "destroy"))
                        return true;
        return false;
}

static int ask(struct cli *c, const char *method, const char *path,
               const struct confirm_options *o) {
        cleanup_(freep) char *dry = str_dup(path);
        cleanup_(json_freep) json_t *json = NULL;
        int r;

        call_query_flag(&dry, "dry-run", true);
        r = call_send(c, method, dry, json_incref(o->body), &json);
        if (r || json_array_size(json_get(json, "changes")) == 0 || (o->of_data && !destroys(json)))
                return r;
        show(json);
        return is_consent(o->name) ? CLI_DONE
                                   : cli_fail(CLI_FAILED, "aborted: nothing was changed");
}

int confirm_change(struct cli *c, const char *method, const char *path,
                   const struct confirm_options *o) {
        cleanup_(freep) char *to = str_dup(path);
        int r = CLI_DONE;

        if (!o->dry_run && !o->no_prompt && isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
                r = ask(c, method, path, o);
        if (r)
                return r;
        call_query_flag(&to, "dry-run", o->dry_run);
        return call_change(c, method, to, json_incref(o->body));
}
