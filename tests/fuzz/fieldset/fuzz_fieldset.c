/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_fieldset.c - field sets and projections: a restriction has the digest of what it was made
 * of
 *
 * The input is a field set, a NUL, and an object. What parses must not read outside of its text;
 * the baseline that is stored must have the digest that the live object had, else there would be
 * drift for ever; and an object compared with its own baseline differs in nothing. */
#include "compare.h"
#include "fieldset.h"
#include "project.h"
#include "takeover.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct projection *p, struct scan_slice object) {
        cleanup_(json_freep) json_t *tree = scan_json(object);
        cleanup_(json_freep) json_t *baseline = NULL;
        cleanup_(json_freep) json_t *found = json_object();
        cleanup_(freep) char *text = NULL;
        cleanup_(freep) char *whole = NULL;
        uint8_t live[DIGEST_SIZE], stored[DIGEST_SIZE];
        struct drift_list list = { 0 };

        baseline = project_restrict(p, object, NULL);
        project_digest(p, object, NULL, live);
        if (!tree) /* not JSON: only that nothing bad happens */
                return;
        whole = json_text(tree);
        project_digest(p, scan_of(whole, strlen(whole)), NULL, stored);
        if (memcmp(live, stored, DIGEST_SIZE) != 0 && !memchr(object.text, '\\', object.len))
                abort();
        json_decref(baseline);
        baseline = project_restrict(p, scan_of(whole, strlen(whole)), NULL);
        text = json_text(baseline);
        project_digest(p, scan_of(text, strlen(text)), NULL, live);
        if (memcmp(live, stored, DIGEST_SIZE) != 0)
                abort();
        json_object_set(found, "object", tree);
        compare_fields(p, baseline, found, &list);
        if (list.count)
                abort();
        drift_list_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const uint8_t *nul = memchr(data, 0, size);
        size_t len = nul ? size - (size_t)(nul - data) - 1 : 0;
        cleanup_(freep) char *object = mem_dup(nul ? nul + 1 : data, len);
        cleanup_(freep) char *set = str_ndup((const char *)data, size);
        cleanup_(freep) char *patch = NULL;
        cleanup_(freep) char *whose = NULL, *folded = NULL;
        cleanup_(json_freep) json_t *tree = scan_json(scan_of(object, len));
        static const struct kept_field kept[] = { { "spec.ports[*].name", false } };
        struct projection *p = NULL;

        folded = takeover_fold(scan_of(object, len));
        if (fieldset_parse(set, &p, NULL) < 0)
                return 0;
        check(p, scan_of(object, len));
        patch = takeover_patch(&(struct takeover){ .stored = p,
                                                   .how = len % 2 ? TAKEOVER_ALL : TAKEOVER_LOST,
                                                   .baseline = tree,
                                                   .kept = kept,
                                                   .kept_count = ARRAY_SIZE(kept) },
                               scan_of(object, len), 0, &whose);
        fieldset_unref(p);
        return 0;
}
