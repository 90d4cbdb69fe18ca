/* SPDX-License-Identifier: Apache-2.0 */
/* pod_needs.h - what a pod cannot start without, told as the kubelet and the scheduler tell it */
#pragma once

#include "sim.h"

/* Each: what is missing, a new text; NULL: nothing. */
char *pod_needs_claim(struct sim *sim, const json_t *pod);  /* before it is placed */
char *pod_needs_volume(struct sim *sim, const json_t *pod); /* mounting fails */
char *pod_needs_env(struct sim *sim, const json_t *pod);    /* CreateContainerConfigError */
