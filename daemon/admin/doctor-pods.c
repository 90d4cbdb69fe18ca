/* SPDX-License-Identifier: Apache-2.0 */
/* doctor-pods.c - checks of pods that do not run, with what the cluster says of it; see doctor.h */
#include "doctor.h"

#include "provider.h"

#include <stdlib.h>

#define PATIENCE_MS 120000 /* a registry that hiccups, a node that is added: until then a warning */

static void judge_pods(struct doctor *d, const char *trouble) {
        const json_t *p;
        size_t i;

        json_array_foreach(json_dig(d->facts, "loop", "pods", NULL), i, p) {
                const char *model = json_get_str(p, "model", "");
                int64_t since = json_get_int(p, "since", 0);
                cleanup_(freep) char *subject =
                        str_format("%s/%s/%lld", model, json_get_str(p, "name", ""),
                                   (long long)json_get_int(p, "number", 0));
                cleanup_(freep) char *next = str_format("kubectl -n %s describe pod %s", model,
                                                        json_get_str(p, "pod", ""));

                if (!str_eq(json_get_str(p, "trouble", ""), trouble))
                        continue;
                doctor_find(d, d->now - since > PATIENCE_MS ? DOCTOR_ERROR : DOCTOR_WARNING,
                            DOCTOR_SUBJECT(subject, since, next), "%s",
                            json_get_str(p, "message", ""));
        }
}

void doctor_image_pull(struct doctor *d) {
        judge_pods(d, UNIT_NO_IMAGE);
}

void doctor_pod_failing(struct doctor *d) {
        judge_pods(d, UNIT_DOES_NOT_RUN);
}
