/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig-flatten.h - a kubeconfig file as mooringctl sends it: one context, nothing but
 * contents
 *
 * Blocking. Reads the file and the files that it names with the caller's rights; the daemon
 * never opens them. */
#pragma once

#include "err.h"
#include "json.h"

/* CONTEXT NULL: the file's current one. See kubeconfig.h for the two documents. Errors say which
 * file, which context there is, which certificate ran out and when. -EINVAL, -ENOENT, -EACCES,
 * -EBADMSG, -EKEYEXPIRED. */
int kubeconfig_flatten(const char *path, const char *context, json_t **ret_config,
                       json_t **ret_credential, struct err *err);
