/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.h - inside the folder: why an apply stops and a person has to act, in words
 *
 * Each ends the flow as operation_say does. APPLICATION: whose it is, or NULL. */
#pragma once

#include "operation.h"

/* OBJECT is somebody else's. */
int refusal_foreign(struct operation *o, const char *application, struct scan_slice object);
/* A volume claim with our stamp that nobody knows of, and that was there before APPLICATION (or
 * NULL), is of one that was forgotten by force: its data is not used without a word. */
bool refusal_is_older(const struct apply_request *r, const char *application,
                      struct scan_slice object);
int refusal_older(struct operation *o, const char *application, struct scan_slice object);
/* WHY is what the server said. */
int refusal_recreate(struct operation *o, const char *application, const struct err *why);
/* A StatefulSet whose deletion deletes data. */
bool refusal_takes_claims(struct scan_slice object);
int refusal_claims(struct operation *o);
