/* SPDX-License-Identifier: Apache-2.0 */
/* restored.c - see restored.h: one setting, which the restore writes and confirm-restore takes
 * away */
#include "restored.h"

#include "queries.gen.h"

#include <stdlib.h>

#define SETTING "restored"

int restored_begin(struct tx *tx, const json_t *backup, struct err *err) {
        json_t *j = json_pack("{s:s, s:s, s:I}", "file", json_get_str(backup, "file", ""), "made",
                              json_get_str(backup, "made", ""), "at", (json_int_t)tx_now(tx));
        cleanup_(freep) char *text = json_text(j);
        int r;

        json_decref(j);
        r = w_setting_set(tx, &(struct w_setting_set_in){ .name = SETTING, .value = text }, err);
        return r < 0 ? r : 0;
}

int restored_read(struct tx *tx, json_t **ret, struct err *err) {
        struct q_setting_get_row *row;
        size_t n;
        int r = q_setting_get(tx, &(struct q_setting_get_in){ .name = SETTING }, &row, &n, err);

        *ret = NULL;
        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        return json_parse(row->value, strlen(row->value), ret, err);
}

int restored_end(struct tx *tx, struct err *err) {
        return w_setting_delete(tx, &(struct w_setting_delete_in){ .name = SETTING }, err);
}

int restored_why(struct tx *tx, const char **ret, int64_t *ret_at, struct err *err) {
        cleanup_(json_freep) json_t *j = NULL;
        int r = restored_read(tx, &j, err);

        *ret = NULL;
        if (r < 0 || !j)
                return r;
        *ret = tx_format(tx,
                         "restored from the backup of %s: look at `mooringctl plan`, then "
                         "`mooringctl confirm-restore`",
                         json_get_str(j, "made", "?"));
        *ret_at = json_get_int(j, "at", 0);
        return 0;
}
