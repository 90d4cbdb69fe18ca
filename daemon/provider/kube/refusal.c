/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.c - see refusal.h */
#include "refusal.h"

#include "clock.h"
#include "identify.h"
#include "kinds.h"
#include "normalise.h"

#include <ctype.h>
#include <stdlib.h>

#define OLDER_MS 60000 /* the server's clock may be so much behind ours */

/* "deployment/mlflow-server", as the command line names it. */
static char *short_name(const struct operation *o) {
        size_t namespace_len;
        const char *name = identify_split(o->path, &namespace_len);
        char *text = str_format("%.*s/%s", (int)strcspn(o->type, "."), o->type, name);

        for (char *p = text; *p && *p != '/'; p++)
                *p = (char)tolower((unsigned char)*p);
        return text;
}

int refusal_foreign(struct operation *o, const char *application, struct scan_slice object) {
        struct scan_slice labels = scan_dig(object, "metadata", "labels", NULL);
        cleanup_(freep) char *name = short_name(o);
        cleanup_(freep) char *model = scan_dup(scan_get(labels, LABEL_MODEL));
        cleanup_(freep) char *controller = scan_dup(scan_get(labels, LABEL_CONTROLLER));

        if (controller && model && !str_eq(controller, o->target->controller))
                return operation_say(o, OUTCOME_CONFLICT,
                                     "%s exists and belongs to model %s of another controller "
                                     "(%s)%s%s%s",
                                     name, model, controller,
                                     application ? "; when that one is gone for good: "
                                                   "`mooringctl adopt "
                                                 : "",
                                     application ? application : "", application ? "`" : "");
        if (controller && model)
                return operation_say(o, OUTCOME_CONFLICT, "%s exists and belongs to model %s", name,
                                     model);
        /* A namespace belongs to a model, which is taken over: whoever shows this says so. */
        if (!application)
                return operation_say(o, OUTCOME_CONFLICT, "%s exists and is not ours", name);
        return operation_say(o, OUTCOME_CONFLICT,
                             "%s exists and is not ours: `mooringctl adopt %s %s`", name,
                             application, name);
}

bool refusal_is_older(const struct apply_request *r, const char *application,
                      struct scan_slice object) {
        const struct kind_row *row = kinds_find(r->type);
        cleanup_(freep) char *text = NULL;
        int64_t made;

        if (!r->first || r->flags & APPLY_ADOPT || !application || !r->since || !row ||
            !(row->flags & KIND_DATA) || row->flags & KIND_CLUSTER)
                return false;
        text = scan_dup(scan_dig(object, "metadata", "creationTimestamp", NULL));
        return text && clock_parse_iso(text, &made) && made < r->since - OLDER_MS;
}

int refusal_older(struct operation *o, const char *application, struct scan_slice object) {
        cleanup_(freep) char *name = short_name(o);
        cleanup_(freep) char *made =
                scan_dup(scan_dig(object, "metadata", "creationTimestamp", NULL));

        return operation_say(o, OUTCOME_CONFLICT,
                             "%s is of %s, before %s was deployed, and holds the data of an "
                             "earlier one: `mooringctl adopt %s %s` goes on with it; to begin "
                             "anew, delete it",
                             name, made ? made : "?", application, application, name);
}

int refusal_recreate(struct operation *o, const char *application, const struct err *why) {
        cleanup_(freep) char *name = short_name(o);

        return operation_say(o, OUTCOME_IMMUTABLE,
                             "needs recreate (`mooringctl recreate %s %s`): %s",
                             application ? application : "APPLICATION", name, err_text(why));
}

bool refusal_takes_claims(struct scan_slice object) {
        cleanup_(freep) char *when = scan_dup(scan_dig(
                object, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted", NULL));

        return str_eq(when, "Delete");
}

int refusal_claims(struct operation *o) {
        return operation_say(o, OUTCOME_IMMUTABLE,
                             "needs recreate, and its claims would go with it: "
                             "spec.persistentVolumeClaimRetentionPolicy.whenDeleted is Delete; "
                             "set it to Retain first");
}
