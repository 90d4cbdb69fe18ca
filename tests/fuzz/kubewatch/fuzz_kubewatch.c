/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_kubewatch.c - objects as a watch brings them: from the stream to a digest, a tree, a unit
 *
 * The stream is cut as watch.c cuts it; each object goes through what is done with every event.
 * No value of a Secret may come
 * out: where the input holds the word "hunter2" under a Secret's data, no result holds it. */
#include "answer.h"
#include "discovery.h"
#include "fieldset.h"
#include "jsplit.h"
#include "normalise.h"
#include "readiness.h"
#include "units.h"

#include <stdlib.h>

#define ITEM_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const char *type, const json_t *tree) {
        struct readiness_verdict v;
        struct units_pod u;

        readiness_judge(type, tree, 0, &v);
        if ((v.ready == READY_YES) != (v.reason == NULL))
                abort();
        free(v.reason);
        units_read(tree, &u);
        if (!u.status || !u.agent || !u.message)
                abort();
        units_clear(&u);
}

static int on_event(void *arg, const char *text, size_t len, struct err *err) {
        static const uint8_t key[DIGEST_SIZE] = "key";
        static const char *const types[] = { "Pod", "Deployment.apps", "StatefulSet.apps",
                                             "Job.batch", "X.y" };
        struct scan_slice object = scan_get(scan_of(text, len), "object");
        cleanup_(json_freep) json_t *tree = normalise_found("Secret", object, key);
        cleanup_(json_freep) json_t *others = fieldset_others(object);
        cleanup_(freep) char *fields = fieldset_of_answer("ConfigMap", object);
        cleanup_(freep) char *hidden = json_text(json_get(tree, "data"));
        struct discovery_table *table = discovery_table_new();
        struct answer a = { .type = "Secret", .status = 422, .body = object, .retry_after_ms = -1 };
        struct answer_meaning m;
        struct err why = { 0 };

        if (strstr(hidden, ":\"hunter2"))
                abort();
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                judge(types[i], tree);
        discovery_read(table, object, NULL, NULL);
        discovery_read_old(table, object, NULL);
        discovery_table_free(table);
        answer_read(&a, &m, &why);
        if (m.outcome == OUTCOME_DONE || !why.text[0])
                abort();
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup_(freep) char *copy = mem_dup(data, size);
        struct jsplit s;

        jsplit_init(&s, JSPLIT_VALUES, ITEM_MAX, on_event, NULL);
        jsplit_feed(&s, copy, size, NULL);
        jsplit_deinit(&s);
        return 0;
}
