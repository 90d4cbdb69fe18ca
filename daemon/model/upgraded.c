/* SPDX-License-Identifier: Apache-2.0 */
/* upgraded.c - see upgraded.h: one setting, which the migration writes and the confirmation takes
 * away */
#include "upgraded.h"

#include "queries.gen.h"

#include <stdlib.h>

int upgraded_read(struct tx *tx, json_t **ret, struct err *err) {
        struct q_setting_get_row *row;
        size_t n;
        int r = q_setting_get(tx, &(struct q_setting_get_in){ .name = STORE_UPGRADE }, &row, &n,
                              err);

        *ret = NULL;
        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        return json_parse(row->value, strlen(row->value), ret, err);
}

int upgraded_end(struct tx *tx, struct err *err) {
        return w_setting_delete(tx, &(struct w_setting_delete_in){ .name = STORE_UPGRADE }, err);
}

/* A start writes nothing that is so already. */
int upgraded_note_release(struct tx *tx, struct err *err) {
        struct q_setting_get_row *row;
        size_t n;
        int r = q_setting_get(tx, &(struct q_setting_get_in){ .name = STORE_RELEASE }, &row, &n,
                              err);

        if (r < 0 || (n && str_eq(row->value, MOORING_VERSION)))
                return r < 0 ? r : 0;
        r = w_setting_set(
                tx, &(struct w_setting_set_in){ .name = STORE_RELEASE, .value = MOORING_VERSION },
                err);
        return r < 0 ? r : 0;
}
