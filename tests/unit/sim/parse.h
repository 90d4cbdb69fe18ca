/* SPDX-License-Identifier: Apache-2.0 */
/* parse.h - for tests: a text that is known to be JSON, as a value */
#pragma once

#include "json.h"

#include <assert.h>

static inline json_t *parse(const char *text) {
        json_t *out = NULL;
        int r = json_parse(text, strlen(text), &out, NULL);

        assert(r == 0);
        return out;
}
