/* SPDX-License-Identifier: Apache-2.0 */
/* doctor-data.c - checks of what holds data: claims that somebody deleted under their users, what
 * is gone, and the volumes behind them, which may be there still; see doctor.h */
#include "doctor.h"

#include <stdlib.h>

/* The volume in PHASE whose claim is, or was, PATH ("mlflow/data-0") of MODEL; NULL: none was
 * found. */
static const json_t *volume_of(const struct doctor *d, const char *model, const char *path,
                               const char *phase) {
        const char *slash = strchr(path, '/');
        const json_t *t, *m, *v;
        const char *target = "";
        size_t i;

        json_array_foreach(json_dig(d->facts, "loop", "models", NULL), i, m)
                if (str_eq(json_get_str(m, "name", ""), model))
                        target = json_get_str(m, "target", "");
        json_array_foreach(doctor_targets(d), i, t) {
                size_t k;

                if (!slash || !str_eq(json_get_str(t, "name", ""), target))
                        continue;
                json_array_foreach(json_get(doctor_asked(d, t), "volumes"), k, v)
                        if (str_eq(json_get_str(v, "claim", ""), slash + 1) &&
                            str_eq(json_get_str(v, "scope", ""), model) &&
                            str_eq(json_get_str(v, "phase", ""), phase))
                                return v;
        }
        return NULL;
}

static char *subject_of(const json_t *of) {
        return str_format("%s/%s", json_get_str(of, "model", ""), json_get_str(of, "name", ""));
}

static char *why_next(const json_t *of) {
        return str_format("mooringctl why %s --model %s", json_get_str(of, "name", ""),
                          json_get_str(of, "model", ""));
}

void doctor_data_leaving(struct doctor *d) {
        const json_t *l;
        size_t i;

        json_array_foreach(json_dig(d->facts, "loop", "leaving", NULL), i, l) {
                const char *path = json_get_str(l, "path", "");
                const json_t *v = volume_of(d, json_get_str(l, "model", ""), path, "Bound");
                const char *volume = json_get_str(v, "volume", "");
                bool goes = v && str_eq(json_get_str(v, "policy", ""), "Delete");
                cleanup_(freep) char *subject = subject_of(l);
                cleanup_(freep) char *next = goes ? doctor_keep_volume(volume) : why_next(l);

                doctor_find(d, DOCTOR_ERROR,
                            DOCTOR_SUBJECT(subject, json_get_int(l, "since", 0), next),
                            "%s %s: %s; when the last pod that uses it ends it is gone%s%s%s: "
                            "restart nothing, make a backup",
                            json_get_str(l, "type", ""), path, json_get_str(l, "why", ""),
                            !v     ? ", with what it holds"
                            : goes ? ", with all that is in its volume "
                                   : ", and its volume ",
                            volume, !v || goes ? "" : " stays");
        }
}

/* Of an application: what is lost, and where it may be found still. */
static void judge_lost(struct doctor *d, const json_t *a) {
        const json_t *v = volume_of(d, json_get_str(a, "model", ""),
                                    json_get_str(a, "lost-path", ""), "Released");
        const char *volume = json_get_str(v, "volume", "");
        cleanup_(freep) char *subject = subject_of(a);
        cleanup_(freep) char *next = why_next(a);

        doctor_find(d, DOCTOR_ERROR, DOCTOR_SUBJECT(subject, json_get_int(a, "since", 0), next),
                    "%s%s%s%s", json_get_str(a, "lost", ""), v ? "; its volume " : "", volume,
                    v ? " is still there, Released, with what was in it" : "");
}

static void judge_kept(struct doctor *d) {
        const json_t *kept;
        size_t i;

        json_array_foreach(json_dig(d->facts, "loop", "kept", NULL), i, kept) {
                cleanup_(freep) char *subject = subject_of(kept);
                cleanup_(freep) char *next = str_format("mooringctl storage --model %s",
                                                        json_get_str(kept, "model", ""));

                doctor_find(d, DOCTOR_ERROR, DOCTOR_SUBJECT(subject, 0, next), "%s",
                            json_get_str(kept, "lost", ""));
        }
}

void doctor_data_lost(struct doctor *d) {
        const json_t *a;
        size_t i;

        json_array_foreach(json_dig(d->facts, "loop", "applications", NULL), i, a)
                if (json_get_str(a, "lost", "")[0])
                        judge_lost(d, a);
        judge_kept(d);
}
