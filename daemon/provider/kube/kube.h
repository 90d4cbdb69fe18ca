/* SPDX-License-Identifier: Apache-2.0 */
/* kube.h - the Kubernetes provider: one row of the provider table */
#pragma once

#include "provider.h"

extern const struct provider provider_kube;
