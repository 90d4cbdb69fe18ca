/* SPDX-License-Identifier: Apache-2.0 */
/* name.h - what applications, models and clusters may be called
 *
 * Names become names of Kubernetes objects, DNS labels and label values. So what Kubernetes
 * would refuse is refused here, with the reason, before anything is written. */
#pragma once

#include "err.h"

/* A pod, Service or claim is called APPLICATION plus up to 15 letters ("-endpoints",
 * "-primary-0"), and a DNS label has 63. */
#define NAME_APPLICATION_MAX 48
#define NAME_MODEL_MAX 63 /* a namespace is a DNS label */
#define NAME_CLUSTER_MAX 63

/* Juju's rule: lower-case letters, digits and single hyphens, begins with a letter, no part of
 * digits only. */
int name_check_application(const char *name, struct err *err);
/* A namespace's name that is not Kubernetes' own. */
int name_check_model(const char *name, struct err *err);
int name_check_cluster(const char *name, struct err *err);
/* Names of charms: as applications, and digits-only parts are allowed. */
int name_check_charm(const char *name, struct err *err);
/* A Kubernetes label's key: [prefix/]name. */
bool name_is_label_key(const char *key);
bool name_is_label_value(const char *value);
