/* SPDX-License-Identifier: Apache-2.0 */
/* read.h - GET of one object and of lists, and the forms they are asked in */
#pragma once

#include "request.h"
#include "sim.h"

void read_get(struct sim *sim, const struct request *q, struct reply *reply);
void read_list(struct sim *sim, const struct request *q, struct reply *reply);
/* The form of a list of metadata was asked for. */
bool read_wants_list_form(const char *accept);
/* OBJECT as KIND's version and the Accept header want it; a new reference. */
json_t *read_form(const struct kind *kind, const char *accept, json_t *object);
