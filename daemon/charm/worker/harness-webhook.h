/* SPDX-License-Identifier: Apache-2.0 */
/* harness-webhook.h - webhooks that keep their own pods from starting */
#pragma once

#include "plan.h"

/* -EDEADLK: a webhook of P asks about the pods of P that serve it. */
int harness_webhook_check(const struct plan *p, struct err *err);
