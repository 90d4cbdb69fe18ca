/* SPDX-License-Identifier: Apache-2.0 */
/* options.h - mooringd's options: one table drives arguments, file, environment, --help and the
 * man page */
#pragma once

#include "opt.h"

struct options {
        char *config;
        char *state_dir, *socket, *key_file, *worker, *charm_user;
        char **charm_dirs;
        char **token_folders, **exec_plugins, **exec_variables;
        char *viewer_group, *operator_group, *admin_group;
        char *name;
        int log_level;
        int64_t audit, in_flight, poll;
        bool dev, sandbox;
        bool help, version;
};

extern const struct opt options_table[];
