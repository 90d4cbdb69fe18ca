/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.h - inside the folder: why an apply stops and a person has to act, in words
 *
 * Each ends the flow as operation_say does. APPLICATION: whose it is, or NULL. */
#pragma once

#include "operation.h"

/* OBJECT is somebody else's. */
int refusal_foreign(struct operation *o, const char *application, struct scan_slice object);
/* WHY is what the server said. */
int refusal_recreate(struct operation *o, const char *application, const struct err *why);
/* A StatefulSet whose deletion deletes data. */
bool refusal_takes_claims(struct scan_slice object);
int refusal_claims(struct operation *o);
