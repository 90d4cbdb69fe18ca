/* SPDX-License-Identifier: Apache-2.0 */
/* command-upgraded.c - upgrade-controller --confirm: nobody goes back to the release before */
#include "command-internal.h"

#include "upgraded.h"

int command_upgraded_confirm(struct tx *tx, struct command *c, struct err *err) {
        cleanup_(json_freep) json_t *upgrade = NULL;
        int r = upgraded_read(tx, &upgrade, err);

        c->is_stop = true;
        if (r < 0 || !upgrade)
                return r;
        command_change(c, "upgrade-confirm", NULL,
                       "stay with schema %lld: a release that knows less (as %s, with schema %lld) "
                       "is not started on this state any more",
                       (long long)json_get_int(upgrade, "to", 0),
                       json_get_str(upgrade, "release", "the one before"),
                       (long long)json_get_int(upgrade, "from", 0));
        command_record(c, NULL, "upgrade", json_incref(upgrade), NULL);
        return upgraded_end(tx, err);
}
