/* SPDX-License-Identifier: Apache-2.0 */
/* charm-follow.h - inside the charm host, --dev only: tells when something in the charm
 * directories changed */
#pragma once

#include "charm-offer.h"

struct charm_follow;
int charm_follow_start(struct loop *l, const struct charm_offers *offers,
                       void (*changed)(void *arg), void *arg, struct charm_follow **ret,
                       struct err *err);
/* After a scan: folders that are new are watched too. OFFERS is borrowed for the call. */
void charm_follow_update(struct charm_follow *f, const struct charm_offers *offers);
struct charm_follow *charm_follow_stop(struct charm_follow *f);
