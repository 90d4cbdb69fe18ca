/* SPDX-License-Identifier: Apache-2.0 */
/* rights.h - what an identity must be allowed to do for a document */
#pragma once

#include "json.h"

void rights_of(const json_t *wanted, json_t *rules);

/* The same of what actions do by VERB ("exec", "log"). */
void rights_of_verb(const char *verb, json_t *rules);
