/* SPDX-License-Identifier: Apache-2.0 */
/* size.h - amounts of memory and storage as Juju writes them: 10G, 512M, 1.5T
 *
 * K, M, G, T, P and E count in 1024s, with or without iB or B after them ("10Gi", "10GiB",
 * "10GB" are the same); a bare number is mebibytes, as in Juju; "B" alone is bytes. */
#pragma once

#include "base.h"

/* False: not a size, negative, or beyond int64. */
bool size_parse(const char *text, int64_t *ret_bytes);
#define SIZE_TEXT_MAX 24
/* The shortest text that size_parse reads as the same number of bytes. Returns TEXT. */
const char *size_text(int64_t bytes, char text[SIZE_TEXT_MAX]);
