/* SPDX-License-Identifier: Apache-2.0 */
/* shape.h - pure questions about documents: a model's namespace, where secrets may stand, a
 * model's options in pods */
#pragma once

#include "json.h"

json_t *shape_scope(const char *model, const char *uuid);
bool shape_secret_place(const json_t *wanted, const char *pointer);
void shape_decorate(json_t *wanted, const json_t *options);
