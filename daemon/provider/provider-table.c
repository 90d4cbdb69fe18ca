/* SPDX-License-Identifier: Apache-2.0 */
/* provider-table.c - which kinds of outside this program has: one line each */
#include "provider.h"

#include "kube.h"

const struct provider *const provider_table[] = {
        &kube_provider,
        NULL,
};
