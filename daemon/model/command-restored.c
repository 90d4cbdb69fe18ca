/* SPDX-License-Identifier: Apache-2.0 */
/* command-restored.c - confirm-restore: a controller that was restored may write again */
#include "command-internal.h"

#include "restored.h"

#include <errno.h>

#define PAGE 500

static int mark_models(struct tx *tx, struct err *err) {
        struct q_model_list_in in = { .max = PAGE };
        struct q_model_row *rows;
        size_t n = PAGE;

        while (n == PAGE) {
                int r = q_model_list(tx, &in, &rows, &n, err);

                if (r < 0)
                        return r;
                for (size_t i = 0; i < n; i++) {
                        in.after = rows[i].id;
                        tx_mark(tx, MARK_MODEL, rows[i].id);
                }
        }
        return 0;
}

int command_restored_confirm(struct tx *tx, struct command *c, struct err *err) {
        cleanup_(json_freep) json_t *restored = NULL;
        int r = restored_read(tx, &restored, err);

        c->is_stop = true;
        if (r < 0 || !restored)
                return r;
        command_change(c, "confirm-restore", NULL,
                       "go on from the backup of %s: what differs outside is put right",
                       json_get_str(restored, "made", "?"));
        command_record(c, NULL, "restored", json_incref(restored), NULL);
        r = restored_end(tx, err);
        return r < 0 ? r : mark_models(tx, err);
}
