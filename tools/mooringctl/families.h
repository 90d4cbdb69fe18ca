/* SPDX-License-Identifier: Apache-2.0 */
/* families.h - the tables of commands, one file each */
#pragma once

#include "command.h"

extern const struct command status_commands[], wait_commands[], deploy_commands[],
        bundles_commands[];
extern const struct command applications_commands[], refreshes_commands[], settings_commands[];
extern const struct command relations_commands[];
extern const struct command consent_commands[], drift_commands[], explain_commands[];
extern const struct command models_commands[], policy_commands[], clusters_commands[],
        secrets_commands[], user_secrets_commands[], key_commands[];
extern const struct command backup_commands[];
extern const struct command upgrade_commands[];
extern const struct command plan_commands[], actions_commands[], operations_commands[],
        schedules_commands[], certificates_commands[], files_commands[];
extern const struct command log_commands[], about_commands[], audit_commands[], doctor_commands[],
        permissions_commands[];
