/* SPDX-License-Identifier: Apache-2.0 */
/* polled-cases.h - tables of what providers that are polled (sql, s3) must say, as their tests
 * write them; ' stands for " */
#pragma once

#include "provider.h"

#include <setjmp.h>
#include <cmocka.h>

struct polled_case {
        const char *text, *word; /* WORD is in what is said of it; NULL: it is good */
};
struct polled_difference {
        const char *was, *is, *want; /* "FIELD:WANTED:FOUND ", a dash for what is not there */
};

json_t *polled_json(const char *text);
void polled_check_documents(const struct provider *p, const struct polled_case *cases, size_t n);
void polled_check_targets(const struct provider *p, const struct polled_case *cases, size_t n);
void polled_check_differences(const struct provider *p, const struct polled_difference *cases,
                              size_t n);
