/* SPDX-License-Identifier: Apache-2.0 */
/* field-path.h - fields as the ledger of drift prints them, and as people give them back:
 * spec.ports[port=80,protocol=TCP].name, metadata.labels["a/b"]; [*] is any item or key */
#pragma once

#include "json.h"

#define FIELD_PATH_MAX 1024

/* -EINVAL: what is wrong with it. */
int field_path_check(const char *path, struct err *err);
/* Puts the member NAME behind PATH. */
void field_path_add(struct buf *path, const char *name);
/* RULE names FIELD, or what FIELD lies in. */
bool field_path_covers(const char *rule, const char *field);

struct field_step {
        bool item;  /* [TEXT] chooses an item of a list; else TEXT is a member's name */
        char *text; /* "*" of an item: any */
};
/* The step at *P, which is moved behind it; free its text. False: there is none. */
bool field_path_next(const char **p, struct field_step *ret);
/* Is that item of a list meant by TEXT ("port=80,protocol=TCP", "\"value\"")? A key that the item
 * does not say is taken to be as its default. */
bool field_path_chooses(const char *text, const json_t *item);
