/* SPDX-License-Identifier: Apache-2.0 */
/* opt.c - option rows: values from text, default, config file and environment; see opt.h
 *
 * Arguments are in opt-args.c, --help and the man page in opt-help.c, the nearest name in
 * opt-nearest.c. */
#include "opt.h"

#include "clock.h"
#include "opt-parts.h"
#include "yaml.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A config file has some lines; what is larger is another file, given by mistake. */
#define FILE_MAX (1u << 20)

static void *field(const struct opt *row, void *target) {
        return (char *)target + row->offset;
}

/* One value on its way in. */
struct setting {
        const struct opt *row;
        void *to;
        const char *text;
        const char *where;
        struct err *err;
};

static int wrong(const struct setting *s, const char *wanted) {
        if (s->row->flags & OPT_SECRET)
                return err_set(s->err, -EINVAL, "%s: must be %s", s->where, wanted);
        return err_set(s->err, -EINVAL, "%s: must be %s, is \"%.60s\"", s->where, wanted, s->text);
}

static bool has_range(const struct opt *row) {
        return row->min != row->max;
}

/* "a whole number between 0 and 100". The bounds are written as the option's values are. */
static int wrong_range(const struct setting *s, const char *what) {
        char low[CLOCK_TEXT_MAX];
        char high[CLOCK_TEXT_MAX];
        const char *comma = s->row->type == OPT_INT ? "" : ","; /* behind "such as ..." */
        cleanup_(freep) char *wanted = NULL;

        if (!has_range(s->row))
                return wrong(s, what);
        opt_number_text(s->row, s->row->min, low);
        opt_number_text(s->row, s->row->max, high);
        if (s->row->max == INT64_MAX)
                wanted = str_format("%s%s at least %s", what, comma, low);
        else if (s->row->min == INT64_MIN)
                wanted = str_format("%s%s at most %s", what, comma, high);
        else
                wanted = str_format("%s%s between %s and %s", what, comma, low, high);
        return wrong(s, wanted);
}

static int set_text(const struct setting *s) {
        str_set(s->to, s->text);
        return 0;
}

static int set_number(const struct setting *s, bool is_number, int64_t n, const char *what) {
        if (!is_number || (has_range(s->row) && (n < s->row->min || n > s->row->max)))
                return wrong_range(s, what);
        *(int64_t *)s->to = n;
        return 0;
}

static int set_int(const struct setting *s) {
        int64_t n = 0;
        bool is_number = str_to_int(s->text, &n);

        return set_number(s, is_number, n, "a whole number");
}

static int set_duration(const struct setting *s) {
        int64_t n = 0;
        bool is_number = clock_parse_span(s->text, &n);

        return set_number(s, is_number, n, "a time such as 90s, 10m or 2h");
}

/* K, M, G and T are powers of 1024, as Juju has them, so are KiB and Ki; kB, MB, GB, TB are
 * powers of 1000. */
static bool take_size_unit(const char *unit, int64_t *ret) {
        static const char letters[] = "kmgt";
        const char *at = *unit ? strchr(letters, tolower((unsigned char)*unit)) : NULL;
        int64_t base = 1024;

        *ret = 1;
        if (!*unit || strcmp(unit, "B") == 0)
                return true;
        if (!at)
                return false;
        if (strcmp(unit + 1, "B") == 0)
                base = 1000;
        else if (unit[1] && strcmp(unit + 1, "i") != 0 && strcmp(unit + 1, "iB") != 0)
                return false;
        for (const char *p = letters; p <= at; p++)
                *ret *= base;
        return true;
}

static int set_size(const struct setting *s) {
        size_t digits = strspn(s->text, "0123456789");
        cleanup_(freep) char *number = str_ndup(s->text, digits);
        int64_t unit;
        int64_t n = 0;
        bool is_number = str_to_int(number, &n) && take_size_unit(s->text + digits, &unit) &&
                         !__builtin_mul_overflow(n, unit, &n);

        return set_number(s, is_number, n, "a size such as 64MiB or 10G");
}

static int set_bool(const struct setting *s) {
        static const char *const yes[] = { "true", "yes", "on", "1", NULL };
        static const char *const no[] = { "false", "no", "off", "0", NULL };

        for (size_t i = 0; yes[i]; i++) {
                if (strcasecmp(s->text, yes[i]) != 0 && strcasecmp(s->text, no[i]) != 0)
                        continue;
                *(bool *)s->to = strcasecmp(s->text, yes[i]) == 0;
                return 0;
        }
        return wrong(s, "true or false");
}

static int set_enum(const struct setting *s) {
        cleanup_(buf_free) struct buf wanted = BUF_INIT;

        for (int i = 0; s->row->names[i]; i++) {
                if (strcmp(s->text, s->row->names[i]) == 0) {
                        *(int *)s->to = i;
                        return 0;
                }
                buf_printf(&wanted, "%s%s", i ? ", " : "one of ", s->row->names[i]);
        }
        return wrong(s, buf_str(&wanted));
}

static int set_list(const struct setting *s) {
        opt_list_append(s->to, s->text);
        return 0;
}

int opt_set(const struct opt *row, void *target, const char *text, const char *where,
            struct err *err) {
        static int (*const setters[OPT_TYPE_MAX])(const struct setting *) = {
                [OPT_STRING] = set_text, [OPT_PATH] = set_text,         [OPT_INT] = set_int,
                [OPT_BOOL] = set_bool,   [OPT_DURATION] = set_duration, [OPT_SIZE] = set_size,
                [OPT_ENUM] = set_enum,   [OPT_LIST] = set_list,
        };
        struct setting s = { row, field(row, target), text, where, err };

        return setters[row->type](&s);
}

void opt_list_append(char ***list, const char *text) {
        size_t n = 0;
        char **longer;

        while (*list && (*list)[n])
                n++;
        longer = mem_array(char *, n + 2);
        if (n)
                memcpy(longer, *list, n * sizeof(char *));
        longer[n] = str_dup(text);
        free(*list);
        *list = longer;
}

void opt_list_clear(char ***list) {
        for (size_t i = 0; *list && (*list)[i]; i++)
                free((*list)[i]);
        free(*list);
        *list = NULL;
}

/* Default and environment give a list in one text, with commas. */
static int set_split(const struct opt *row, void *target, const char *text, const char *where,
                     struct err *err) {
        if (row->type != OPT_LIST)
                return opt_set(row, target, text, where, err);
        opt_list_clear(field(row, target));
        while (*text) {
                size_t n = strcspn(text, ",");
                cleanup_(freep) char *part = str_ndup(text, n);

                if (n)
                        opt_list_append(field(row, target), part);
                text += n + (text[n] == ',');
        }
        return 0;
}

bool opt_unsaid(const struct opt *row) {
        return row->type == OPT_INT && row->value && strcmp(row->value, OPT_NOT_SAID) == 0;
}

int opt_defaults(const struct opt *table, void *target, struct err *err) {
        for (const struct opt *row = table; row->name; row++) {
                cleanup_(freep) char *where = str_format("default of %s", row->name);
                int r = 0;

                if (opt_unsaid(row))
                        *(int64_t *)field(row, target) = -1;
                else if (row->value)
                        r = set_split(row, target, row->value, where, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

int opt_from_env(const struct opt *table, void *target, struct err *err) {
        for (const struct opt *row = table; row->name; row++) {
                cleanup_(freep) char *name = opt_env_name(row);
                const char *text = row->flags & OPT_ACT ? NULL : getenv(name);
                int r = text ? set_split(row, target, text, name, err) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

char *opt_env_name(const struct opt *row) {
        char *name = str_format("MOORING_%s", row->name);

        for (char *p = name; *p; p++)
                *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
        return name;
}

static int read_file(const char *path, struct buf *out, struct err *err) {
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        int r = -errno;
        ssize_t n;

        if (fd < 0)
                return err_set(err, r, "cannot open %s: %s", path, strerror(-r));
        do {
                buf_reserve(out, 65536);
                n = read(fd, out->data + out->len, 65536);
                r = -errno;
                if (n < 0 && r != -EINTR)
                        return err_set(err, r, "cannot read %s: %s", path, strerror(-r));
                out->len += n > 0 ? (size_t)n : 0;
                if (out->len > FILE_MAX)
                        return err_set(err, -E2BIG, "%s: more than %u bytes are no config file",
                                       path, FILE_MAX);
        } while (n);
        return 0;
}

/* A scalar of the file as the text that opt_set takes. */
static int set_from_value(const struct opt *row, void *target, const json_t *value,
                          const char *where, struct err *err) {
        bool texts = row->type == OPT_STRING || row->type == OPT_PATH || row->type == OPT_LIST;
        cleanup_(freep) char *text = NULL;

        if (json_is_string(value))
                return opt_set(row, target, json_string_value(value), where, err);
        /* 1.10 would become 1.1: a text that looks like a number needs quotes. */
        if (texts && json_is_number(value))
                return err_set(err, -EINVAL, "%s: must be a text, put it in quotes", where);
        if (!json_is_boolean(value) && !json_is_number(value))
                return err_set(err, -EINVAL, "%s: must be one value, is %s", where,
                               json_type_name(value));
        text = json_text(value);
        return opt_set(row, target, text, where, err);
}

struct config_file {
        const struct opt *table;
        void *target;
        struct json_where where;
        const json_t *root;
        struct err *err;
};

static int set_list_from_file(const struct config_file *c, const struct opt *row,
                              const json_t *value, const char *where) {
        size_t i;
        json_t *item;

        opt_list_clear(field(row, c->target));
        if (!json_is_array(value))
                return set_from_value(row, c->target, value, where, c->err);
        json_array_foreach(value, i, item) {
                int r = set_from_value(row, c->target, item, where, c->err);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int unknown_member(const struct config_file *c, const char *member) {
        const char *near = opt_near_row(c->table, member);

        if (near)
                return json_error(c->err, &c->where, c->root, member,
                                  "is not an option, did you mean \"%s\"?", near);
        return json_error(c->err, &c->where, c->root, member, "is not an option");
}

static int set_member(const struct config_file *c, const char *member, const json_t *value) {
        const struct opt *row = opt_find(c->table, member);
        cleanup_(freep) char *where = NULL;
        int line;

        if (!row)
                return unknown_member(c, member);
        if (row->flags & OPT_ARGS_ONLY)
                return json_error(c->err, &c->where, c->root, member,
                                  "is given as --%s, not in the config file", member);
        line = json_line_of(c->where.lines, c->root, member, 0);
        where = str_format("%s:%d: %s", c->where.file, line, member);
        if (row->type == OPT_LIST)
                return set_list_from_file(c, row, value, where);
        return set_from_value(row, c->target, value, where, c->err);
}

static int set_document(const struct opt *table, void *target, const char *path,
                        const struct yaml_document *d, struct err *err) {
        struct json_where where = { path, d->lines, NULL };
        struct config_file c = { table, target, where, d->root, err };
        const char *member;
        json_t *value;

        if (json_is_null(d->root))
                return 0;
        if (!json_is_object(d->root))
                return err_set(err, -EINVAL, "%s: must be a map of options, is %s", path,
                               json_type_name(d->root));
        json_object_foreach(d->root, member, value) {
                int r = set_member(&c, member, value);

                if (r < 0)
                        return r;
        }
        return 0;
}

int opt_from_file(const struct opt *table, void *target, const char *path, struct err *err) {
        cleanup_(buf_wipe) struct buf text = BUF_INIT;
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        int r = read_file(path, &text, err);

        if (r < 0)
                return r;
        r = yaml_parse(buf_str(&text), text.len, path, YAML_CORE, &s, err);
        if (r < 0)
                return r;
        if (s.count > 1)
                return err_set(err, -EINVAL, "%s:%d: a config file has one document", path,
                               s.documents[1].line);
        return s.count ? set_document(table, target, path, &s.documents[0], err) : 0;
}

int opt_check(const struct opt *table, const void *target, struct err *err) {
        for (const struct opt *row = table; row->name; row++) {
                bool pointer =
                        row->type == OPT_STRING || row->type == OPT_PATH || row->type == OPT_LIST;
                cleanup_(freep) char *env = opt_env_name(row);

                if (!(row->flags & OPT_REQUIRED) || !pointer)
                        continue;
                if (!*(void *const *)((const char *)target + row->offset))
                        return err_set(err, -EINVAL, "%s%s is missing (or %s)",
                                       row->flags & OPT_SECRET ? "" : "--", row->name, env);
        }
        return 0;
}

void opt_deinit(const struct opt *table, void *target) {
        for (const struct opt *row = table; row->name; row++) {
                if (row->type == OPT_LIST) {
                        opt_list_clear(field(row, target));
                } else if (row->type == OPT_STRING || row->type == OPT_PATH) {
                        char **text = field(row, target);

                        if (row->flags & OPT_SECRET)
                                wipep(text);
                        freep(text);
                }
        }
}

const struct opt *opt_find(const struct opt *table, const char *name) {
        for (const struct opt *row = table; row->name; row++)
                if (strcmp(row->name, name) == 0)
                        return row;
        return NULL;
}
