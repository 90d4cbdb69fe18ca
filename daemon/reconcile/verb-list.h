/* SPDX-License-Identifier: Apache-2.0 */
/* verb-list.h - a list of objects as an object itself: {"objects": [{"bytes", "etag", "key"}]}, by
 * rising key, as canonical JSON */
#pragma once

#include "digest.h"
#include "json.h"

void verb_list_add(json_t *objects, const json_t *object);
char *verb_list_text(const json_t *objects); /* caller frees */
void verb_list_hash(const char *text, char ret[DIGEST_HEX_SIZE]);
/* The objects of the list TEXT whose keys come after AFTER (NULL: all); the caller's. NULL: it is
 * no list, or another one than SHA256 (NULL: not known) says. */
json_t *verb_list_read(const char *text, const char *sha256, const char *after);
