/* SPDX-License-Identifier: Apache-2.0 */
/* parts.h - what commands make request bodies of: NAME=VALUE lists, YAML files; lists in order */
#pragma once

#include "cli.h"

#define PARTS_FILE_MAX (6u << 20) /* below what the daemon takes in one request */

/* {"name": "value"} of LIST ("name=value", NULL-terminated, may be NULL). "name=@file" is the
 * file's text. WHAT is for messages. -EINVAL. */
int parts_pairs(char *const *list, const char *what, json_t **ret, struct err *err);
/* The text of a YAML file, checked to be readable and UTF-8. */
int parts_text(const char *path, json_t **ret, struct err *err);
/* The text of a file that holds one value; "-": stdin. The newline that ends its only line is the
 * editor's. */
int parts_value(const char *path, json_t **ret, struct err *err);
/* What LIST holds by application, type and path. NULL-terminated; free the array. */
const json_t **parts_by_object(const json_t *list);
