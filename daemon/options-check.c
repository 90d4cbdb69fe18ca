/* SPDX-License-Identifier: Apache-2.0 */
/* options-check.c - what the types of the options do not say: paths that must be absolute are
 * refused; what is not there may come later and is a warning */
#include "options.h"

#include "log.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <unistd.h>

static int check_paths(const char *name, char *const *paths, struct err *err) {
        for (size_t i = 0; paths && paths[i]; i++)
                if (paths[i][0] != '/')
                        return err_set(err, -EINVAL, "%s: must be an absolute path, is \"%s\"",
                                       name, paths[i]);
        return 0;
}

static int check_logs(char *const *logs, struct err *err) {
        for (size_t i = 0; logs && logs[i]; i++) {
                const char *eq = strchr(logs[i], '=');

                if (!eq || eq == logs[i] || eq[1] != '/')
                        return err_set(err, -EINVAL,
                                       "audit-log: must be CLUSTER=FILE with an absolute path, is "
                                       "\"%s\"",
                                       logs[i]);
        }
        return 0;
}

int options_check(const struct options *o, struct err *err) {
        int r = check_paths("token-folder", o->token_folders, err);

        if (r >= 0)
                r = check_paths("exec-plugin", o->exec_plugins, err);
        return r < 0 ? r : check_logs(o->audit_logs, err);
}

static char *folder_of(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? str_ndup(path, MAX_OF(slash - path, 1)) : str_dup(".");
}

/* The state folder is made by the start, any other is somebody's. */
int options_check_socket(const struct options *o, struct err *err) {
        cleanup_(freep) char *folder = folder_of(o->socket);

        if (access(folder, F_OK) == 0 || str_eq(folder, o->state_dir))
                return 0;
        return err_set(err, -errno, "the folder of socket %s: %s", o->socket, strerror(errno));
}

/* A group that comes with the package may be missing where nothing was installed. */
static void warn_group(const char *option, const char *name) {
        const struct opt *row = opt_find(options_table, option);

        if (name && name[0] && !str_eq(name, row->value) && !getgrnam(name))
                log_plain(LOG_WARNING, "options",
                          "%s: there is no group \"%s\": it lets nobody in before mooringd is "
                          "started with that group there",
                          option, name);
}

static void warn_paths(const char *option, char *const *paths) {
        for (size_t i = 0; paths && paths[i]; i++)
                if (access(paths[i], F_OK) < 0)
                        log_plain(LOG_WARNING, "options", "%s: %s: %s", option, paths[i],
                                  strerror(errno));
}

void options_warn(const struct options *o) {
        warn_group("viewer-group", o->viewer_group);
        warn_group("operator-group", o->operator_group);
        warn_group("admin-group", o->admin_group);
        warn_paths("token-folder", o->token_folders);
        warn_paths("exec-plugin", o->exec_plugins);
}
