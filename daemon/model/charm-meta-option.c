/* SPDX-License-Identifier: Apache-2.0 */
/* charm-meta-option.c - a value for a charm's option: converted to its type, checked, or told
 * what is wrong with it
 *
 * Bundles give typed values, the command line texts; a text that reads as the wanted type is
 * taken. A message names application, option, what is wanted and what was found; of a secret
 * option never the value. */
#include "charm-meta.h"

#include "opt.h"
#include "secret-token.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>

#define PATTERN_MAX 500           /* bytes; patterns are read and compiled in the daemon itself */
#define PATTERN_REPEATS_MAX 20000 /* a name of four DNS labels has 63 * 63 * 4 */
#define SHOWN_MAX 60              /* letters of a wrong text that a message repeats */
#define OPTION_TEXT_MAX                                                                            \
        (256u << 10) /* = CHARM_VIEW_MAX: a longer one could never be planned with */

const struct meta_option *charm_meta_option(const struct charm_meta *m, const char *name) {
        for (size_t i = 0; i < m->option_count; i++)
                if (str_eq(m->options[i].name, name))
                        return &m->options[i];
        return NULL;
}

struct check {
        const char *application;
        const struct charm_meta *meta;
        const struct meta_option *option;
        const json_t *value;
        const char *text; /* the value where it is a text */
        struct err *err;
};

static bool has_range(const struct meta_option *o) {
        return o->min != o->max;
}

static void add_range(struct buf *out, const struct meta_option *o, const char *unit) {
        if (!has_range(o))
                return;
        if (o->min == INT64_MIN)
                buf_printf(out, " of at most %" PRId64 "%s", o->max, unit);
        else if (o->max == INT64_MAX)
                buf_printf(out, " of at least %" PRId64 "%s", o->min, unit);
        else
                buf_printf(out, " between %" PRId64 " and %" PRId64 "%s", o->min, o->max, unit);
}

static void add_list(struct buf *out, const json_t *texts) {
        size_t i;
        json_t *j;

        json_array_foreach(texts, i, j) {
                const char *item = json_string_value(j);

                buf_printf(out, "%s%s", i ? ", " : "", *item ? item : "\"\"");
        }
}

/* "a whole number between 1 and 65535" */
static void add_wanted(struct buf *out, const struct meta_option *o) {
        static const char *const words[META_TYPE_MAX] = { "a text", "a whole number", "a number",
                                                          "true or false", "a text" };

        if (o->choices) {
                buf_puts(out, "one of ");
                return add_list(out, o->choices);
        }
        if (o->wants) {
                buf_puts(out, o->wants);
                return;
        }
        buf_puts(out, words[o->type]);
        if (o->type == META_STRING || o->type == META_SECRET)
                add_range(out, o, " letters");
        if (o->pattern)
                buf_printf(out, " that matches %s", o->pattern);
        if (o->type != META_STRING && o->type != META_SECRET)
                add_range(out, o, "");
        if (o->reserved)
                buf_puts(out, " that is none of ");
        add_list(out, o->reserved);
}

/* Arguments of a command are texts, and the number in one is what does not fit. */
static bool is_number_text(const struct check *c) {
        int64_t n;

        return c->option->type == META_INT && str_to_int(c->text, &n);
}

static void add_found(struct buf *out, const struct check *c) {
        if (c->option->type == META_SECRET) {
                buf_printf(out, "%s that is not shown", json_type_name(c->value));
        } else if (c->text && !*c->text) {
                buf_puts(out, "empty; --reset takes what is set away");
        } else if (c->text) {
                bool cut = strlen(c->text) > SHOWN_MAX;

                buf_printf(out, is_number_text(c) ? "%.*s%s" : "the text \"%.*s%s\"", SHOWN_MAX,
                           c->text, cut ? "..." : "");
        } else if (json_is_number(c->value)) {
                cleanup_(freep) char *number = json_text(c->value);

                buf_printf(out, "the number %s", number);
        } else if (json_is_boolean(c->value)) {
                buf_puts(out, json_is_true(c->value) ? "true" : "false");
        } else {
                buf_puts(out, json_type_name(c->value));
        }
}

static int wrong(const struct check *c) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        buf_puts(&out, "wants ");
        add_wanted(&out, c->option);
        buf_puts(&out, ", is ");
        add_found(&out, c);
        return err_set(c->err, -EINVAL, "application %s: option %s: %s", c->application,
                       c->option->name, buf_str(&out));
}

static bool in_range(const struct meta_option *o, int64_t n) {
        return !has_range(o) || (n >= o->min && n <= o->max);
}

static bool is_choice(const struct meta_option *o, const char *text) {
        size_t i;
        json_t *j;

        json_array_foreach(o->choices, i, j) {
                if (str_eq(json_string_value(j), text))
                        return true;
        }
        return !o->choices;
}

/* Without case: servers fold their own names, some all. */
static bool is_reserved(const struct meta_option *o, const char *text) {
        size_t i;
        json_t *j;

        json_array_foreach(o->reserved, i, j) {
                if (strcasecmp(json_string_value(j), text) == 0)
                        return true;
        }
        return false;
}

/* A repetition is compiled as often as it says, and one within another as often as both: "{1,255}"
 * five deep is more than a machine has. */
static int check_pattern(const char *pattern, struct err *err) {
        int64_t times = 1;

        if (strlen(pattern) > PATTERN_MAX)
                return err_set(err, -E2BIG, "has %zu bytes, at most %d fit", strlen(pattern),
                               PATTERN_MAX);
        for (const char *c = strchr(pattern, '{'); c; c = strchr(c + 1, '{')) {
                unsigned from = 1, to = 0;

                if (sscanf(c, "{%5u,%5u", &from, &to) < 1)
                        continue;
                times *= MAX_OF(MAX_OF(from, to), 1u);
                if (times > PATTERN_REPEATS_MAX)
                        return err_set(err, -E2BIG,
                                       "its repetitions make more than %d together: what they "
                                       "repeat is written out that often",
                                       PATTERN_REPEATS_MAX);
        }
        return 0;
}

int charm_meta_pattern(const char *pattern, bool whole, const char *text, struct err *err) {
        cleanup_(freep) char *full = NULL;
        char why[200];
        regex_t compiled;
        int r = check_pattern(pattern, err);

        if (r < 0)
                return r;
        full = str_format(whole ? "^(%s)$" : "%s", pattern);
        r = regcomp(&compiled, full, REG_EXTENDED | REG_NOSUB);
        if (r) {
                regerror(r, &compiled, why, sizeof(why));
                return err_set(err, -EINVAL, "is no extended regular expression: %s", why);
        }
        r = regexec(&compiled, text, 0, NULL, 0);
        regfree(&compiled);
        return r == 0;
}

int charm_meta_matches(const struct meta_option *o, const char *text, struct err *err) {
        return charm_meta_pattern(o->pattern, true, text, err);
}

/* Empty is what a charm does without, but where it says of which form the value is, and has none
 * itself, an empty one would stand in place of none. */
static bool takes_pattern(const struct check *c) {
        return c->option->pattern && (*c->text || !c->option->value);
}

/* It would stand there as it is, and whoever set it thinks that the secret's value does. */
static int no_secret(const struct check *c) {
        cleanup_(buf_free) struct buf others = BUF_INIT;

        for (size_t i = 0; i < c->meta->option_count; i++) {
                if (c->meta->options[i].type == META_SECRET)
                        buf_printf(&others, "%s%s", others.len ? ", " : "",
                                   c->meta->options[i].name);
        }
        return err_set(c->err, -EINVAL,
                       "application %s: option %s takes no secret: a text that begins with "
                       "\"secret:\" is refused; of charm %s %s",
                       c->application, c->option->name, c->meta->name,
                       others.len ? buf_str(&others) : "no option does");
}

static int check_text(const struct check *c, json_t **ret) {
        size_t n = c->text ? strlen(c->text) : 0;

        if (!c->text || n != json_string_length(c->value) || !is_choice(c->option, c->text))
                return wrong(c);
        if ((n > 0 && !in_range(c->option, (int64_t)n)) || is_reserved(c->option, c->text))
                return wrong(c);
        if (n > OPTION_TEXT_MAX)
                return err_set(c->err, -EINVAL,
                               "application %s: option %s: has %zu bytes, at most %u fit",
                               c->application, c->option->name, n, OPTION_TEXT_MAX);
        if (c->option->type == META_STRING && str_starts(c->text, USER_SECRET_SCHEME))
                return no_secret(c);
        if (takes_pattern(c) && charm_meta_matches(c->option, c->text, c->err) <= 0)
                return wrong(c);
        *ret = json_incref((json_t *)c->value);
        return 0;
}

static int check_int(const struct check *c, json_t **ret) {
        int64_t n = json_integer_value(c->value);

        if (!json_is_integer(c->value) && !(c->text && str_to_int(c->text, &n)))
                return wrong(c);
        if (!in_range(c->option, n))
                return wrong(c);
        *ret = json_integer(n);
        return 0;
}

static int check_float(const struct check *c, json_t **ret) {
        double d = json_number_value(c->value);
        char *end = NULL;

        if (c->text) {
                d = strtod(c->text, &end);
                if (end == c->text || *end)
                        return wrong(c);
        } else if (!json_is_number(c->value)) {
                return wrong(c);
        }
        if (!isfinite(d) ||
            (has_range(c->option) && (d < (double)c->option->min || d > (double)c->option->max)))
                return wrong(c);
        *ret = json_real(d);
        return 0;
}

static int check_bool(const struct check *c, json_t **ret) {
        bool yes = json_is_true(c->value) || str_eq(c->text, "true") || str_eq(c->text, "True");
        bool no = json_is_false(c->value) || str_eq(c->text, "false") || str_eq(c->text, "False");

        if (!yes && !no)
                return wrong(c);
        *ret = json_boolean(yes);
        return 0;
}

static int unknown(const struct charm_meta *m, const char *application, const char *name,
                   struct err *err) {
        cleanup_(freep) const char **names = mem_array(const char *, m->option_count + 1);
        const char *near;

        for (size_t i = 0; i < m->option_count; i++)
                names[i] = m->options[i].name;
        near = opt_nearest(name, names);
        if (near)
                return err_set(
                        err, -EINVAL,
                        "application %s: charm %s has no option \"%.80s\", did you mean \"%s\"?",
                        application, m->name, name, near);
        return err_set(err, -EINVAL,
                       "application %s: charm %s has no option \"%.80s\"; `mooringctl charms %s` "
                       "lists them",
                       application, m->name, name, m->name);
}

int charm_meta_check_option(const struct charm_meta *m, const char *application, const char *name,
                            const json_t *value, json_t **ret, struct err *err) {
        static int (*const checks[META_TYPE_MAX])(const struct check *, json_t **) = {
                [META_STRING] = check_text,  [META_INT] = check_int,     [META_FLOAT] = check_float,
                [META_BOOLEAN] = check_bool, [META_SECRET] = check_text,
        };
        const struct meta_option *o = charm_meta_option(m, name);
        struct check c = { application, m, o, value, json_string_value(value), err };

        if (!o)
                return unknown(m, application, name, err);
        return checks[o->type](&c, ret);
}
