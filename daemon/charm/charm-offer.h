/* SPDX-License-Identifier: Apache-2.0 */
/* charm-offer.h - inside the charm host: the charms on offer in its directories */
#pragma once

#include "charm-host.h"

struct charm_offers {
        char **dirs; /* NULL-terminated, earlier ones win */
        struct charm_offer *list;
        uint64_t *stamps; /* of each folder's files, beside LIST */
        size_t count, room, stamp_room;
        uint64_t print; /* of what is in LIST: another one, other offers */
};

void charm_offer_init(struct charm_offers *o, const char *const *dirs);
void charm_offer_deinit(struct charm_offers *o);
int charm_offer_scan(struct charm_offers *o, struct err *err);
/* The charm in FOLDER, whether that is on offer or not; what is refused of one that is, is refused
 * of this too. Cleared by the caller. */
int charm_offer_read(const char *folder, struct charm_offer *ret, struct err *err);
void charm_offer_clear(struct charm_offer *f);
int charm_offer_find(const struct charm_offers *o, const char *name, const char *channel,
                     int64_t revision, const struct charm_offer **ret, struct err *err);
