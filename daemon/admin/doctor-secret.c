/* SPDX-License-Identifier: Apache-2.0 */
/* doctor-secret.c - secrets that people added and that expire; see doctor.h */
#include "doctor.h"

#include "queries.gen.h"

#include <stdlib.h>

#define SOON_MS (DOCTOR_ENDS_DAYS * 86400000ll)

int doctor_secrets_read(struct tx *tx, int64_t now, json_t *to, struct err *err) {
        struct q_user_secret_expiring_row *rows;
        size_t n;
        int r = q_user_secret_expiring(
                tx, &(struct q_user_secret_expiring_in){ .until_at = now + SOON_MS }, &rows, &n,
                err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                json_array_append_new(to, json_pack("{s:s, s:s, s:I}", "model", rows[i].model,
                                                    "name", rows[i].name, "ends",
                                                    (json_int_t)rows[i].expire_at));
        return r < 0 ? r : 0;
}

void doctor_secret_expires(struct doctor *d) {
        const json_t *s;
        size_t i;

        json_array_foreach(json_get(d->facts, "secrets"), i, s) {
                const char *model = json_get_str(s, "model", ""),
                           *name = json_get_str(s, "name", "");
                cleanup_(freep) char *subject = str_format("%s: secret %s", model, name);
                cleanup_(freep) char *next = str_format(
                        "mooringctl update-secret %s KEY#file=PATH --expire TIME --model %s", name,
                        model);

                doctor_ends(d, DOCTOR_SUBJECT(subject, 0, next), "it", json_get_int(s, "ends", 0));
        }
}
