/* SPDX-License-Identifier: Apache-2.0 */
/* bulk.c - wants as many ConfigMaps as its options say */
#include "charm.gen.h"

static void plan(const struct charm_view *v, struct charm_plan *p) {
        int64_t count = charm_option_int(v, OPTION_COUNT);
        size_t size = (size_t)charm_option_int(v, OPTION_SIZE);
        char *text = charm_memory(p, size + 1);

        for (size_t i = 0; i < size; i++)
                text[i] = (char)('a' + i % 26);
        for (int64_t i = 0; i < count; i++) {
                const char *name =
                        charm_text(p, "%s-%05lld", charm_application(v), (long long)i);

                charm_want(p, name, "configmap.yaml",
                           CHARM_HOLES({ "name", CHARM_TEXT, name }, { "text", CHARM_TEXT, text }));
        }
}

CHARM(.plan = plan);
