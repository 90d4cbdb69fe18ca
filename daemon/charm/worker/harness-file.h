/* SPDX-License-Identifier: Apache-2.0 */
/* harness-file.h - views, plans, worlds and answers as files, and what differs of two */
#pragma once

#include "err.h"
#include "json.h"

int harness_read_json(const char *path, json_t **ret, struct err *err);
int harness_write(const char *path, const json_t *j, struct err *err);
/* The names of the files NAME.END of FOLDER, sorted; free it. */
json_t *harness_list(const char *folder, const char *end);
/* GOT is what stands in the file, or (UPDATE) is written there. */
int harness_hold(const char *path, const json_t *got, bool update, struct err *err);
char *harness_pretty(const json_t *j); /* for people: indented. Free it */
/* Prints the lines in which both, as harness_pretty has them, differ. */
void harness_print_difference(const char *want, const char *got);
