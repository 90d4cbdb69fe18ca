/* SPDX-License-Identifier: Apache-2.0 */
/* doctor-issued.c - certificates that the daemon issues: one that is not renewed in time is a
 * fault, and a CA that somebody else signed is for a person to renew; see doctor.h */
#include "doctor.h"

#include "certificate.h"
#include "clock.h"
#include "queries.gen.h"

#include <stdlib.h>

#define LATE_MS 600000 /* a plan, or a cluster that does not answer, may take some minutes */

static int add_late(struct tx *tx, int64_t model, const char *name, json_t *to, struct err *err) {
        struct q_certificate_late_row *rows;
        size_t n;
        int r = q_certificate_late(tx,
                                   &(struct q_certificate_late_in){
                                           .model_id = model, .before = tx_now(tx) - LATE_MS },
                                   &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                json_array_append_new(to,
                                      json_pack("{s:s, s:s, s:s, s:I, s:I, s:o}", "model", name,
                                                "application", rows[i].name, "label", rows[i].label,
                                                "renew", (json_int_t)rows[i].renew_at, "ends",
                                                (json_int_t)rows[i].ends_at, "failed",
                                                json_words(rows[i].failed)));
        return r;
}

int doctor_issued_read(struct tx *tx, int64_t model, const char *name, json_t *facts,
                       struct err *err) {
        const struct q_authority_row *a;
        int r = add_late(tx, model, name, json_get(facts, "certificates"), err);

        if (r >= 0)
                r = authority_find(tx, model, "current", &a, err);
        if (r >= 0 && a && !a->renew_at)
                json_array_append_new(json_get(facts, "authorities"),
                                      json_pack("{s:s, s:o, s:I}", "model", name, "subject",
                                                json_words(a->subject), "ends",
                                                (json_int_t)a->ends_at));
        return r < 0 ? r : 0;
}

static void judge_late(struct doctor *d, const json_t *c) {
        const char *model = json_get_str(c, "model", ""), *why = json_get_str(c, "failed", "");
        int64_t ends = json_get_int(c, "ends", 0), renew = json_get_int(c, "renew", 0);
        cleanup_(freep) char *next = str_format("mooringctl certs --model %s", model);
        cleanup_(freep) char *subject =
                str_format("%s/%s: certificate %s", model, json_get_str(c, "application", ""),
                           json_get_str(c, "label", ""));
        char stamp[CLOCK_TEXT_MAX];

        doctor_find(d, DOCTOR_ERROR, DOCTOR_SUBJECT(subject, renew, next),
                    "should have been renewed, and %s %s%s%s", ends <= d->now ? "ended" : "ends at",
                    clock_iso(ends, false, stamp), why[0] ? ": " : "", why);
}

void doctor_issued(struct doctor *d) {
        const json_t *one;
        size_t i;

        json_array_foreach(json_get(d->facts, "certificates"), i, one)
                judge_late(d, one);
        json_array_foreach(json_get(d->facts, "authorities"), i, one) {
                const char *model = json_get_str(one, "model", "");
                cleanup_(freep) char *subject = str_format("model %s", model);
                cleanup_(freep) char *next = str_format("mooringctl ca-csr --model %s", model);

                doctor_ends(d, DOCTOR_SUBJECT(subject, 0, next), "the CA that you signed",
                            json_get_int(one, "ends", 0));
        }
}
