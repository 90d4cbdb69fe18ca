/* SPDX-License-Identifier: Apache-2.0 */
/* command-storage.c - a storage of an application becomes larger
 *
 * The claim follows with the next plan; whether its class can grow the server says then. Smaller
 * only by force: that is the way back where the server refused, and it takes nothing from a volume,
 * for no server lets a claim ask for less than it has. */
#include "command-internal.h"

#include <errno.h>

int command_application_storage(struct tx *tx, struct command *c, struct err *err) {
        struct command_application *set = command_of(c, command_application);
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        cleanup_(json_freep) json_t *wanted = NULL;
        const struct q_application_row *row;
        const struct q_model_row *model;
        struct application_row a;
        int r = lookup_live_model(tx, set->model, &model, err);

        if (r >= 0)
                r = lookup_live_application(tx, model, set->application, &row, err);
        if (r >= 0)
                r = lookup_meta(tx, row, &meta, err);
        if (r >= 0)
                r = bundle_read_storage(set->size, &wanted, err);
        if (r < 0)
                return r;
        if (json_get(wanted, "class") || !json_get(wanted, "size"))
                return err_set(err, -EINVAL,
                               "storage %s: wants a size, as 20G; its class cannot change",
                               set->storage);
        a = (struct application_row){ tx, c, row->id, model->id, row->name, meta };
        r = application_row_storage(&a, set->storage, wanted, set->force, (struct bundle_place){},
                                    err);
        if (r > 0)
                tx_mark(tx, MARK_APPLICATION, row->id);
        return r < 0 ? r : 0;
}
