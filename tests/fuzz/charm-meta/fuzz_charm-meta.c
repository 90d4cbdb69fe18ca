/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_charm-meta.c - charm.yaml: an error has a message that names the file; what was taken reads
 * back from its JSON as the same */
#include "charm-meta.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
        if (!holds)
                abort();
}

/* As the rows of table charm keep it. */
static void check_back(const struct charm_meta *m) {
        cleanup_(charm_meta_freep) struct charm_meta *again = NULL;
        cleanup_(freep) char *text = json_text(m->json);
        cleanup_(json_freep) json_t *j = NULL;

        must(json_parse(text, strlen(text), &j, NULL) == 0);
        must(charm_meta_from_json(j, &again, NULL) == 0);
        must(again->endpoint_count == m->endpoint_count);
        must(again->option_count == m->option_count);
        must(again->scale_max == m->scale_max && again->scale == m->scale);
        must(str_eq(again->name, m->name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup_(charm_meta_freep) struct charm_meta *m = NULL;
        struct err err = { 0 };

        if (charm_meta_parse((const char *)data, size, "charm.yaml", &m, &err) < 0) {
                must(!m && strstr(err.text, "charm.yaml"));
                return 0;
        }
        must(m->name && m->scale >= 0 && m->scale <= m->scale_max);
        for (size_t i = 0; i < m->option_count; i++)
                must(m->options[i].type < META_TYPE_MAX &&
                     (m->options[i].type != META_SECRET ||
                      !json_string_length(m->options[i].value)));
        check_back(m);
        return 0;
}
