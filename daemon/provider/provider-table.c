/* SPDX-License-Identifier: Apache-2.0 */
/* provider-table.c - the providers of this program: one line each */
#include "provider.h"

extern const struct provider provider_kube, provider_sql, provider_s3;

const struct provider *const provider_table[] = {
        &provider_kube,
        &provider_sql,
        &provider_s3,
        NULL,
};
