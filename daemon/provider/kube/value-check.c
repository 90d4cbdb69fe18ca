/* SPDX-License-Identifier: Apache-2.0 */
/* value-check.c - see value-check.h; what is compared is in secret-keep.c */
#include "value-check.h"

#include "secret-keep.h"

static bool has_values(const struct operation *o) {
        return str_eq(o->type, "Secret");
}

int value_check_keep(struct operation *o, const struct apply_request *request,
                     struct scan_slice object) {
        struct err why = { 0 };
        int r = has_values(o) ? secret_keep(request, object, &o->op->kept, &why) : 0;

        if (r < 0)
                return operation_end(o, OUTCOME_CONFLICT, 0, &why);
        if (r > 0)
                return operation_say(o, OUTCOME_NOT_YET,
                                     "the values that were in it before are taken over");
        return 0;
}

int value_check_compare(struct operation *o, const struct apply_request *request,
                        struct scan_slice object, bool ours) {
        json_t *revisions = NULL;

        if (ours && has_values(o))
                secret_keep_compare(request, object, &o->op->kept, &revisions);
        if (revisions)
                o->op->told = json_pack("{s:o}", "revisions", revisions);
        return operation_end(o, OUTCOME_DONE, 0, NULL);
}
