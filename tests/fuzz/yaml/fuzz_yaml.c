/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_yaml.c - YAML text: errors have a message, documents lie in order inside the text, and
 * what yaml_write makes of a tree reads back as the same tree */
#include "yaml.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_back(const json_t *root, enum yaml_schema schema) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        cleanup_(buf_free) struct buf out = BUF_INIT;

        yaml_write(root, &out);
        if (yaml_parse(buf_str(&out), out.len, "out", schema, &s, NULL) < 0 || s.count != 1)
                abort();
        /* The Kubernetes schema has whole numbers where a real has nothing behind its point. */
        if (schema == YAML_CORE && !json_equal(root, s.documents[0].root))
                abort();
}

static void check(const uint8_t *data, size_t size, enum yaml_schema schema) {
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        struct err e = { 0 };
        size_t at = 0;

        if (yaml_parse((const char *)data, size, "f.yaml", schema, &s, &e) < 0) {
                if (!str_starts(e.text, "f.yaml"))
                        abort();
                return;
        }
        for (size_t i = 0; i < s.count; i++) {
                const struct yaml_document *d = &s.documents[i];

                if (!d->root || d->start < at || d->end < d->start || d->end > size || d->line < 1)
                        abort();
                at = d->end;
                check_back(d->root, schema);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        check(data, size, YAML_KUBERNETES);
        check(data, size, YAML_CORE);
        return 0;
}
