/* SPDX-License-Identifier: Apache-2.0 */
/* test_stage.c - what of a workload reaches only some of its pods */
#include "json.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define CANARY "{\"stage\":\"canary\",\"scale\":3}"
#define DEPLOYMENT "\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\""
#define SET "\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\""

static const struct {
        const char *wanted, *hold, *spec; /* that it has then */
} rows[] = {
        { "{" SET ",\"spec\":{\"replicas\":5}}", CANARY,
          "{\"replicas\":5,\"updateStrategy\":{\"rollingUpdate\":{\"partition\":4},\"type\":"
          "\"RollingUpdate\"}}" },
        { "{" SET ",\"spec\":{}}", CANARY,
          "{\"updateStrategy\":{\"rollingUpdate\":{\"partition\":2},\"type\":\"RollingUpdate\"}}" },
        { "{" SET ",\"spec\":{\"replicas\":0}}", CANARY,
          "{\"replicas\":0,\"updateStrategy\":{\"rollingUpdate\":{\"partition\":0},\"type\":"
          "\"RollingUpdate\"}}" },
        { "{" SET ",\"spec\":{\"replicas\":5}}", "{\"stage\":\"stop\",\"updated\":3}",
          "{\"replicas\":5,\"updateStrategy\":{\"rollingUpdate\":{\"partition\":2},\"type\":"
          "\"RollingUpdate\"}}" },
        { "{" SET ",\"spec\":{\"updateStrategy\":{\"type\":\"OnDelete\"}}}", CANARY,
          "{\"updateStrategy\":{\"type\":\"OnDelete\"}}" },
        { "{" DEPLOYMENT ",\"spec\":{\"minReadySeconds\":5,\"strategy\":{\"rollingUpdate\":{"
          "\"maxSurge\":\"50%\"}}}}",
          CANARY,
          "{\"minReadySeconds\":2147483646,\"progressDeadlineSeconds\":2147483647,\"strategy\":{"
          "\"rollingUpdate\":{\"maxSurge\":1,\"maxUnavailable\":0},\"type\":\"RollingUpdate\"}}" },
        { "{" DEPLOYMENT ",\"spec\":{\"strategy\":{\"rollingUpdate\":{\"maxSurge\":0}}}}", CANARY,
          "{\"minReadySeconds\":2147483646,\"progressDeadlineSeconds\":2147483647,\"strategy\":{"
          "\"rollingUpdate\":{\"maxSurge\":0,\"maxUnavailable\":1},\"type\":\"RollingUpdate\"}}" },
        { "{" DEPLOYMENT ",\"spec\":{\"strategy\":{\"type\":\"Recreate\"}}}", CANARY,
          "{\"strategy\":{\"type\":\"Recreate\"}}" },
        { "{" DEPLOYMENT ",\"spec\":{\"replicas\":3}}", "{\"stage\":\"stop\",\"updated\":2}",
          "{\"paused\":true,\"replicas\":3}" },
        { "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"spec\":{}}", CANARY, "{}" },
};

static json_t *parsed(const char *text) {
        struct err err = { 0 };
        json_t *j = NULL;

        if (json_parse(text, strlen(text), &j, &err) < 0)
                fail_msg("%s: %s", text, err_text(&err));
        return j;
}

static void test_rows(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                cleanup_(json_freep) json_t *wanted = parsed(rows[i].wanted);
                cleanup_(json_freep) json_t *hold = parsed(rows[i].hold);
                cleanup_(json_freep) json_t *spec = parsed(rows[i].spec);

                stage_hold(wanted, hold);
                if (!json_equal(json_get(wanted, "spec"), spec)) {
                        cleanup_(freep) char *found = json_text(json_get(wanted, "spec"));

                        fail_msg("%s becomes %s", rows[i].wanted, found);
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
