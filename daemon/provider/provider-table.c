/* SPDX-License-Identifier: Apache-2.0 */
/* provider-table.c - the providers of this program: one line each */
#include "provider.h"

extern const struct provider provider_kube;

const struct provider *const provider_table[] = {
        &provider_kube,
        NULL,
};
