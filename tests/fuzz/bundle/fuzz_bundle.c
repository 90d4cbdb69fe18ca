/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_bundle.c - bundles: what was taken is within the limits and refers only to what is there,
 * or there is a fault; every fault has a text */
#include "bundle.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
        if (!holds)
                abort();
}

static void check_faults(const struct faults *f) {
        must(f->count <= FAULTS_MAX);
        must(f->more == 0 || f->count == FAULTS_MAX);
        for (size_t i = 0; i < f->count; i++)
                must(f->items[i].text && f->items[i].text[0]);
}

static void check_application(const struct bundle_application *a, bool faulty) {
        must(a->name && a->at.file);
        must(a->charm || faulty);
        must(a->scale >= -1 && a->trust >= -1 && a->trust <= 1 && a->revision >= -1);
        must(!a->constraints || json_is_object(a->constraints));
        for (size_t i = 0; i < a->options.count; i++)
                must(a->options.items[i].value && !json_is_null(a->options.items[i].value));
        for (size_t i = 0; i < a->resources.count; i++)
                must(json_is_string(a->resources.items[i].value));
        for (size_t i = 0; i < a->storage.count; i++)
                must(json_is_object(a->storage.items[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t half = size / 2;
        struct bundle_source sources[] = {
                { "b.yaml", (const char *)data, size },
                { "o.yaml", (const char *)data + half, size - half },
        };

        for (size_t n = 1; n <= 2; n++) {
                cleanup_(bundle_freep) struct bundle *b = bundle_parse(sources, n, NULL);
                bool faulty = b->faults.count > 0;

                check_faults(&b->faults);
                check_faults(&b->notes);
                must(b->application_count <= BUNDLE_APPLICATIONS_MAX || faulty);
                must(b->relation_count <= BUNDLE_RELATIONS_MAX || faulty);
                for (size_t i = 0; i < b->application_count; i++)
                        check_application(&b->applications[i], faulty);
                for (size_t i = 0; i < b->relation_count; i++)
                        for (int k = 0; k < 2; k++)
                                must(faulty ||
                                     bundle_find(b, b->relations[i].sides[k].application));
        }
        return 0;
}
