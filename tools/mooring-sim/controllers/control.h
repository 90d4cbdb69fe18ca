/* SPDX-License-Identifier: Apache-2.0 */
/* control.h - what all controllers of the simulator use: finding, writing, owning */
#pragma once

#include "sim.h"

#define CONTROL_MANAGER "kube-controller-manager"
#define CONTROL_KUBELET "kubelet"

struct kind *control_kind(struct sim *sim, const char *group, const char *plural);
json_t *control_get(struct sim *sim, const char *group, const char *plural, const char *namespace,
                    const char *name); /* borrowed */
/* Steals OBJECT. False: refused; WHY (may be NULL) says it. */
bool control_create(struct sim *sim, struct kind *kind, const char *namespace, json_t *object,
                    const char *manager, struct err *why);
/* Steals OBJECT: the whole of it but for the status. */
bool control_update(struct sim *sim, struct kind *kind, json_t *object, const char *manager);
/* Steals STATUS; nothing is written when it is as it was. */
void control_set_status(struct sim *sim, struct kind *kind, const char *namespace, const char *name,
                        json_t *status, const char *manager);
/* The same, and an annotation in the same write. */
void control_set_status_noted(struct sim *sim, struct kind *kind, const char *namespace,
                              const char *name, json_t *status, const char *manager,
                              const char *annotation, const char *value);
void control_delete(struct sim *sim, struct kind *kind, const char *namespace, const char *name,
                    const char *propagation);
void control_delete_all(struct sim *sim, struct kind *kind, const char *namespace);
void control_drop_finalizer(struct sim *sim, struct kind *kind, const char *namespace,
                            const char *name, const char *finalizer);
/* Objects of KIND in NAMESPACE whose controller is UID; a list of them, new. */
json_t *control_children(struct sim *sim, struct kind *kind, const char *namespace,
                         const char *uid);
/* A list with one controlling owner reference. */
json_t *control_owner(const struct kind *kind, const json_t *owner);
const json_t *control_owner_of(const json_t *object); /* the controlling reference, or NULL */
bool control_leaving(const json_t *object);           /* has a deletionTimestamp */
/* Sets a condition in STATUS; its time moves only with its status. BEFORE is the status as it
 * was. */
void control_condition(json_t *status, const json_t *before, const char *type, bool on,
                       const char *reason, const char *message);
/* Leaves out members that are 0, as omitempty does. */
void control_count(json_t *status, const char *member, int64_t n);
/* Ten letters that stand for a template. */
void control_hash(const json_t *template, char ret[11]);
void control_event(struct sim *sim, const struct kind *kind, const json_t *object, const char *type,
                   const char *reason, const char *message);
bool control_pod_ready(const json_t *pod);
