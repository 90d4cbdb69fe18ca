/* SPDX-License-Identifier: Apache-2.0 */
/* options-read.c - mooringd's options from file, environment and arguments; at the start, and
 * again at each SIGHUP */
#include "options.h"

#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

void options_deinit(struct options *o) {
        opt_deinit(options_table, o);
}

int options_log_level(const struct options *o) {
        static const int levels[] = { LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

        return levels[o->log_level];
}

static int read_file(struct options *o, struct err *err) {
        const struct opt *row = opt_find(options_table, "config");

        if (access(o->config, F_OK) < 0 && errno == ENOENT && str_eq(o->config, row->value))
                return 0;
        return opt_from_file(options_table, o, o->config, err);
}

static int read_arguments(struct options *o, struct err *err) {
        cleanup_(freep) char **copy = NULL;
        int n = 0, r;

        while (o->arguments[n])
                n++;
        copy = mem_dup(o->arguments, ((size_t)n + 1) * sizeof(*copy));
        r = opt_from_args(options_table, o, &n, copy, err);
        if (r >= 0 && n > 1)
                r = err_set(err, -EINVAL, "\"%s\" is no option; see mooringd --help", copy[1]);
        return r;
}

static int read_all(struct options *o, const char *config, struct err *err) {
        int r = opt_defaults(options_table, o, err);

        if (r >= 0 && config) {
                str_set(&o->config, config);
                r = read_file(o, err);
        }
        if (r >= 0)
                r = opt_from_env(options_table, o, err);
        return r < 0 ? r : read_arguments(o, err);
}

/* The file's name may come from the environment and the arguments, which win over what is in it:
 * so they are read twice. */
int options_read(struct options *o, char *const *argv, struct err *err) {
        cleanup_(freep) char *config = NULL;
        int r;

        o->arguments = argv;
        r = read_all(o, NULL, err);
        if (r < 0 || o->help || o->version)
                return r;
        config = str_dup(o->config);
        opt_deinit(options_table, o);
        r = read_all(o, config, err);
        return r < 0 ? r : options_check(o, err);
}

int options_reload(struct options *o, char **ret, struct err *err) {
        cleanup_(options_deinit) struct options fresh = { 0 };
        int r = options_read(&fresh, o->arguments, err);

        if (r < 0)
                return r;
        options_warn(&fresh);
        opt_reload(options_table, o, &fresh, ret);
        log_set_level(options_log_level(o));
        return 0;
}
