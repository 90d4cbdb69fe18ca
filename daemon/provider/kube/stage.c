/* SPDX-License-Identifier: Apache-2.0 */
/* stage.c - see stage.h
 *
 * StatefulSet: `partition`, so that only ordinals from there on get the new template.
 *
 * Deployment: one pod above the number, none below, and `minReadySeconds` of 68 years: the
 * controller makes one pod of the new template, never takes it for available, and so takes no old
 * one away. Pausing the rollout once that pod is there would be a race with the controller, which
 * may have gone on by then; and a Deployment that is paused from the start makes no pod at all. A
 * document that allows no pod above the number (a volume that only one can have) gets one below.
 * The progress deadline has to be longer still: the largest number stands for none. */
#include "stage.h"

#include <stdint.h>

#define NEVER_AVAILABLE (INT32_MAX - 1)
#define NO_DEADLINE INT32_MAX

static json_t *member(json_t *object, const char *name) {
        json_t *value = json_object_get(object, name);

        if (json_is_object(value))
                return value;
        json_object_set_new(object, name, json_object());
        return json_object_get(object, name);
}

static void put_int(json_t *object, const char *name, int64_t n) {
        json_object_set_new(object, name, json_integer(n));
}

static void hold_stateful_set(json_t *spec, const json_t *hold) {
        json_t *strategy = member(spec, "updateStrategy");
        int64_t pods = json_get_int(spec, "replicas", json_get_int(hold, "scale", 1));

        if (!str_eq(json_get_str(strategy, "type", "RollingUpdate"), "RollingUpdate"))
                return;
        json_object_set_new(strategy, "type", json_string("RollingUpdate"));
        put_int(member(strategy, "rollingUpdate"), "partition",
                MAX_OF(pods - json_get_int(hold, "updated", 1), 0));
}

static bool is_none(const json_t *value) {
        return (json_is_integer(value) && json_integer_value(value) == 0) ||
               str_eq(json_string_value(value), "0%");
}

static void hold_deployment(json_t *spec, const json_t *hold) {
        json_t *strategy, *rolling;
        bool surge;

        if (str_eq(json_get_str(hold, "stage", ""), "stop")) {
                json_object_set_new(spec, "paused", json_true());
                return;
        }
        strategy = member(spec, "strategy");
        if (!str_eq(json_get_str(strategy, "type", "RollingUpdate"), "RollingUpdate"))
                return;
        json_object_set_new(strategy, "type", json_string("RollingUpdate"));
        rolling = member(strategy, "rollingUpdate");
        surge = !is_none(json_get(rolling, "maxSurge"));
        put_int(rolling, "maxSurge", surge);
        put_int(rolling, "maxUnavailable", !surge);
        put_int(spec, "minReadySeconds", NEVER_AVAILABLE);
        put_int(spec, "progressDeadlineSeconds", NO_DEADLINE);
}

void stage_hold(json_t *wanted, const json_t *hold) {
        const char *kind = json_get_str(wanted, "kind", "");
        json_t *spec = json_object_get(wanted, "spec");

        if (!json_is_object(spec) || !str_starts(json_get_str(wanted, "apiVersion", ""), "apps/"))
                return;
        if (str_eq(kind, "StatefulSet"))
                hold_stateful_set(spec, hold);
        else if (str_eq(kind, "Deployment"))
                hold_deployment(spec, hold);
}
