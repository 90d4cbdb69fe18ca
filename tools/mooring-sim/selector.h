/* SPDX-License-Identifier: Apache-2.0 */
/* selector.h - labelSelector and fieldSelector of list and watch */
#pragma once

#include "kinds.h"
#include "reply.h"

struct selector {
        json_t *labels; /* [{"key", "operator": "=" "!=" "in" "notin" "exists" "!", "values"}] */
        json_t *fields; /* [{"key", "operator", "values"}] */
};

void selector_deinit(struct selector *s);
/* Both texts may be NULL. False: answered with what is wrong. */
bool selector_parse(const struct kind *kind, const char *labels, const char *fields,
                    struct selector *ret, struct reply *reply);
bool selector_matches(const struct selector *s, const json_t *object);
/* A LabelSelector object (matchLabels, matchExpressions), or a plain map of labels. */
bool selector_matches_object(const json_t *selector, const json_t *labels);
