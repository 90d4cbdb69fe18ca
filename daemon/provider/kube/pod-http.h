/* SPDX-License-Identifier: Apache-2.0 */
/* pod-http.h - one HTTP request to a port of a pod, as an ask of an action
 *
 *   {"pod": "NS/NAME", "port": 8080, "method": "POST", "path": "/reload",
 *    "headers": {"Authorization": "Bearer {{secret:...}}"}, "body": "...",
 *    "tls": {"ca": PEM, "name": "name in its certificate"}}
 *
 * answered by {"status", "body", "bytes", "truncated"}: DONE whatever the status. Without tls it is
 * plain HTTP inside the API server's pipe; without tls.name the authority is verified, and no name.
 */
#pragma once

#include "act.h"
#include "target.h"

#define POD_HTTP_MS 30000 /* without within_ms */

void pod_http_start(struct target *t, const struct act_request *r, struct op *op);
bool pod_http_secret(const char *pointer);
