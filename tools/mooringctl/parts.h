/* SPDX-License-Identifier: Apache-2.0 */
/* parts.h - what commands make request bodies of: NAME=VALUE lists, YAML files; lists in order */
#pragma once

#include "cli.h"

#define PARTS_FILE_MAX (6u << 20) /* below what the daemon takes in one request */
#define PARTS_KEY_MAX 4096        /* as the daemon takes */

/* {"name": "value"} of LIST ("name=value", NULL-terminated, may be NULL). "name=@file" is the
 * file's text. WHAT is for messages. -EINVAL. */
int parts_pairs(char *const *list, const char *what, json_t **ret, struct err *err);
/* The text of a YAML file, checked to be readable and UTF-8. */
int parts_text(const char *path, json_t **ret, struct err *err);
/* The text of a file that holds one value; "-": stdin. The newline that ends its only line is the
 * editor's. */
int parts_value(const char *path, json_t **ret, struct err *err);
/* PATH as the daemon takes it, which has another working directory; names of object stores, as
 * s3://BUCKET/PATH, are none. NULL of NULL. */
char *parts_place(const char *path);
/* "key" of BODY: what is in FILE, the passphrase of backups; "-": stdin, NULL: none. CLI_DONE, or
 * the exit code after printing why. */
int parts_key(const char *file, json_t *body);
/* What LIST holds by application, type and path. NULL-terminated; free the array. */
const json_t **parts_by_object(const json_t *list);
