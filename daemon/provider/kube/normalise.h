/* SPDX-License-Identifier: Apache-2.0 */
/* normalise.h - wanted documents on their way out, objects on their way in */
#pragma once

#include "provider.h"
#include "scan.h"

#define LABEL_MANAGED_BY "app.kubernetes.io/managed-by"
#define LABEL_MODEL "mooring.dev/model"
#define LABEL_APPLICATION "mooring.dev/application"
#define LABEL_CONTROLLER "mooring.dev/controller"
#define LABEL_UNIT "mooring.dev/unit" /* of a pod: its unit's number, by a charm */
#define MANAGED_BY "mooring"

/* The body of an apply: WANTED without what only a server may say, with our marks, tokens filled
 * in. BODY holds plain secret values for a Secret: wipe it. PATH's namespace and name are put
 * in, and VERSION as the resourceVersion that it must have (NULL: any). -EINVAL: a token where
 * none may stand; -ENOKEY: a value is missing. */
int normalise_body(const json_t *wanted, const char *type, const char *path, const json_t *marks,
                   const char *version, const struct secret_values *values, struct buf *body,
                   struct err *err);

/* KEY when the object is a Secret, by the type it was asked for as or by its own word (items of
 * lists carry no kind), else NULL: what project.h wants. */
const uint8_t *normalise_secret_key(const char *type, struct scan_slice object, const uint8_t *key);
/* An object as it may be kept and shown: no managedFields, no last-applied annotation, Secret
 * values as keyed hashes. */
json_t *normalise_found(const char *type, struct scan_slice object, const uint8_t *key);
/* It carries the mark of another controller, or of another model than MODEL (when not NULL). */
bool normalise_is_foreign(struct scan_slice object, const char *controller, const char *model);
/* The object (or "metadata" alone) carries the marks of this controller, and of MODEL when not
 * NULL. */
bool normalise_is_ours(struct scan_slice object, const char *controller, const char *model);
