/* SPDX-License-Identifier: Apache-2.0 */
/* opt-args.c - options out of an argument vector: opt_from_args
 *
 * Own code instead of getopt_long: subcommands have tables of their own, getopt's state is
 * global, and its messages neither name the nearest option nor what a value must be. Names are
 * not abbreviated: an option added later must not change what a script means. */
#include "opt-parts.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

struct walk {
        const struct opt *table;
        void *target;
        char **argv;
        int argc;
        int next;      /* the argument after the one at hand */
        uint8_t *seen; /* by row: a list was begun by these arguments */
        struct err *err;
};

static const struct opt *find_letter(const struct opt *table, char letter) {
        for (const struct opt *row = table; row->name; row++)
                if (row->letter == letter)
                        return row;
        return NULL;
}

const char *opt_near_row(const struct opt *table, const char *name) {
        size_t n = 0;
        cleanup_(freep) const char **names = NULL;

        while (table[n].name)
                n++;
        names = mem_array(const char *, n + 1);
        for (size_t i = 0; i < n; i++)
                names[i] = table[i].name;
        return opt_nearest(name, names);
}

static int set(struct walk *w, const struct opt *row, const char *text, const char *where) {
        size_t i = (size_t)(row - w->table);

        if (row->flags & OPT_SECRET) {
                cleanup_(freep) char *env = opt_env_name(row);

                return err_set(
                        w->err, -EINVAL,
                        "%s: is secret, and every user of the machine sees arguments; use the "
                        "config file or %s",
                        where, env);
        }
        /* Arguments replace what default, file and environment said, then each use appends. */
        if (row->type == OPT_LIST && !w->seen[i])
                opt_list_clear((char ***)(void *)((char *)w->target + row->offset));
        w->seen[i] = 1;
        return opt_set(row, w->target, text, where, w->err);
}

static int set_next(struct walk *w, const struct opt *row, const char *where) {
        if (w->next >= w->argc)
                return err_set(w->err, -EINVAL, "%s: a value is missing (%s)", where,
                               row->unit ? row->unit : "VALUE");
        return set(w, row, w->argv[w->next++], where);
}

static int unknown(struct walk *w, const char *name) {
        const char *near = opt_near_row(w->table, name);

        if (near)
                return err_set(w->err, -EINVAL, "--%s: no such option, did you mean --%s?", name,
                               near);
        return err_set(w->err, -EINVAL, "--%s: no such option, --help lists all", name);
}

/* "--name", "--name=value", "--no-name"; ARG is behind the dashes. */
static int take_long(struct walk *w, const char *arg) {
        size_t n = strcspn(arg, "=");
        const char *value = arg[n] ? arg + n + 1 : NULL;
        cleanup_(freep) char *name = str_ndup(arg, n);
        cleanup_(freep) char *where = str_format("--%s", name);
        const struct opt *row = opt_find(w->table, name);

        if (!row && str_starts(name, "no-")) {
                row = opt_find(w->table, name + 3);
                if (!row || row->type != OPT_BOOL)
                        return unknown(w, name);
                if (value)
                        return err_set(w->err, -EINVAL, "%s: takes no value", where);
                return set(w, row, "false", where);
        }
        if (!row)
                return unknown(w, name);
        if (value)
                return set(w, row, value, where);
        if (row->type == OPT_BOOL)
                return set(w, row, "true", where);
        return set_next(w, row, where);
}

/* "-v", "-vq", "-oVALUE", "-o VALUE"; ARG is behind the dash. */
static int take_short(struct walk *w, const char *arg) {
        for (; *arg; arg++) {
                const struct opt *row = find_letter(w->table, *arg);
                char where[] = { '-', *arg, '\0' };
                int r;

                if (!row)
                        return err_set(w->err, -EINVAL, "%s: no such option, --help lists all",
                                       where);
                if (row->type != OPT_BOOL)
                        return arg[1] ? set(w, row, arg + 1, where) : set_next(w, row, where);
                r = set(w, row, "true", where);
                if (r < 0)
                        return r;
        }
        return 0;
}

static size_t count_rows(const struct opt *table) {
        size_t n = 0;

        while (table[n].name)
                n++;
        return n;
}

int opt_from_args(const struct opt *table, void *target, int *argc, char **argv, struct err *err) {
        cleanup_(freep) uint8_t *seen = mem_array(uint8_t, count_rows(table));
        struct walk w = { table, target, argv, *argc, 0, seen, err };
        bool options = true;
        int kept = 0;

        while (w.next < w.argc) {
                char *arg = argv[w.next++];
                int r = 0;

                /* "-1" is a number that does not fit, and whoever takes it says why. */
                if (!options || arg[0] != '-' || !arg[1] || isdigit((unsigned char)arg[1]))
                        argv[kept++] = arg;
                else if (strcmp(arg, "--") == 0)
                        options = false;
                else if (arg[1] == '-')
                        r = take_long(&w, arg + 2);
                else
                        r = take_short(&w, arg + 1);
                if (r < 0)
                        return r;
        }
        if (kept < *argc)
                argv[kept] = NULL;
        *argc = kept;
        return 0;
}
