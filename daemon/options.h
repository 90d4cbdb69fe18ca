/* SPDX-License-Identifier: Apache-2.0 */
/* options.h - mooringd's options: one table drives arguments, file, environment, --help and the
 * man page */
#pragma once

#include "opt.h"

struct options {
        char *config;
        char *state_dir, *socket, *key_file, *worker, *charm_user;
        char **charm_dirs;
        char **token_folders, **exec_plugins, **exec_variables, **audit_logs;
        char *viewer_group, *operator_group, *admin_group;
        char *name;
        char *metrics_address, *metrics_certificate, *metrics_key, *metrics_token,
                *metrics_client_ca;
        int log_level;
        int64_t audit, audit_keep, audit_rows, in_flight, poll, login;
        int64_t refresh_gate, refresh_ready;
        int64_t fight_count, fight_window, fight_slow_count, fight_slow_window, fight_delay,
                fight_delay_max;
        int64_t limit_change_free, limit_change_share, limit_delete_free, limit_delete_share,
                limit_delete_most, limit_window;
        char *backup_key_file, *backup_dir, *backup_s3, *backup_azure, *backup_ca;
        int64_t backup_max_age;
        char *verify, *restore; /* offline.h */
        bool force;
        bool dev, sandbox;
        bool help, version;
        char *const *arguments; /* borrowed: what the program was started with */
};

extern const struct opt options_table[];
/* options-read.c: file, environment and arguments, in that order. */
int options_read(struct options *o, char *const *argv, struct err *err);
/* The same once more; those that may change while running do, and all that differ are named in
 * RET (free it). <0: nothing is changed. */
int options_reload(struct options *o, char **ret, struct err *err);
/* options-check.c: refuses what can never work, and logs what is named and is not there. */
int options_check(const struct options *o, struct err *err);
void options_warn(const struct options *o);
/* The folder of the socket is there, or is the state folder. */
int options_check_socket(const struct options *o, struct err *err);
/* As log_set_level takes it. */
int options_log_level(const struct options *o);
void options_deinit(struct options *o);
