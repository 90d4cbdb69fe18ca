/* SPDX-License-Identifier: Apache-2.0 */
/* reviews.c - see reviews.h */
#include "reviews.h"

void reviews_answer(const struct kind *kind, const json_t *object, struct reply *reply) {
        json_t *out = json_deep_copy(object), *status;

        json_object_set_new(out, "kind", json_string(kind->kind));
        json_object_set_new(out, "apiVersion", json_string(kind->api_version));
        if (str_eq(kind->kind, "SelfSubjectAccessReview"))
                status = json_pack("{s:b}", "allowed", 1);
        else if (str_eq(kind->kind, "SelfSubjectRulesReview"))
                status = json_pack("{s:[{s:[s],s:[s],s:[s]}],s:[{s:[s],s:[s]}],s:b}",
                                   "resourceRules", "verbs", "*", "apiGroups", "*", "resources",
                                   "*", "nonResourceRules", "verbs", "*", "nonResourceURLs", "*",
                                   "incomplete", 0);
        else
                status = json_pack("{s:{s:s,s:[s,s]}}", "userInfo", "username", "mooring-sim",
                                   "groups", "system:masters", "system:authenticated");
        json_object_set_new(out, "status", status);
        reply_ok(reply, 201, out);
}
