/* SPDX-License-Identifier: Apache-2.0 */
/* json-quick.h - inside json.c: the fast way for plain text */
#pragma once

#include "json.h"

/* The tree that json_parse has for TEXT, or NULL: it is not plain, or no JSON. */
json_t *json_quick(const char *text, size_t len);
