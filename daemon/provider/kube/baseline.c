/* SPDX-License-Identifier: Apache-2.0 */
/* baseline.c - reads the answer of an apply; see baseline.h
 *
 * Field sets are shared and counted, so they are made on the loop; the thread only reads one.
 * What the thread works on is its own (a cancelled flow is gone at once, the thread is not), and
 * is handed over or freed on the loop. */
#include "baseline.h"

#include <stdlib.h>

struct reading {
        struct job job;
        struct ask *ask;
        struct baseline *to;
        struct projection *projection;
        struct buf text;
        uint8_t key[DIGEST_SIZE];
        bool secret;
        json_t *document;
        uint8_t digest[DIGEST_SIZE];
};

void baseline_deinit(struct baseline *b) {
        free(b->fields);
        fieldset_unref(b->projection);
        json_decref(b->document);
        *b = (struct baseline){ 0 };
}

void baseline_prepare(struct baseline *b, const char *type, struct scan_slice object,
                      const struct projection *stored) {
        baseline_deinit(b);
        b->fields = fieldset_of_answer(type, object);
        if (b->fields && fieldset_parse(b->fields, &b->projection, NULL) == 0)
                return;
        free(b->fields);
        b->fields = NULL;
        b->projection = fieldset_ref(stored);
}

void baseline_read(struct baseline *b, struct scan_slice object, const uint8_t *key) {
        if (!b->projection)
                return;
        b->document = project_restrict(b->projection, object, key);
        project_digest(b->projection, object, key, b->digest);
}

/* ---- in a thread */

static void reading_free(struct reading *r) {
        if (r->document)
                json_decref(r->document);
        fieldset_unref(r->projection);
        buf_wipe(&r->text);
        explicit_bzero(r->key, sizeof(r->key));
        free(r);
}

static void work(void *arg) {
        struct reading *r = arg;
        struct scan_slice object = scan_of(buf_str(&r->text), r->text.len);
        const uint8_t *key = r->secret ? r->key : NULL;

        r->document = project_restrict(r->projection, object, key);
        project_digest(r->projection, object, key, r->digest);
}

static void done(void *arg) {
        struct reading *r = arg;
        struct ask *a = r->ask;

        r->to->document = take_ptr(r->document);
        memcpy(r->to->digest, r->digest, DIGEST_SIZE);
        a->private = NULL;
        a->outcome = OUTCOME_DONE;
        reading_free(r);
        flow_answer(a);
}

static void dropped(void *arg) {
        reading_free(arg);
}

static int start(struct ask *a, struct err *err) {
        struct reading *r = a->private;

        r->job = (struct job){ .loop = a->loop,
                               .work = work,
                               .done = done,
                               .dropped = dropped,
                               .arg = r,
                               .name = "kube-baseline" };
        job_start(&r->job);
        return 0;
}

static void cancel(struct ask *a) {
        struct reading *r = take_ptr(a->private);

        if (r)
                job_cancel(&r->job);
}

static void clear(struct ask *a) {
}

static const struct ask_kind kind = { "baseline", start, cancel, clear };

void baseline_ask(struct ask *a, struct baseline *b, struct scan_slice object, const uint8_t *key) {
        struct reading *r = mem_new(struct reading);

        r->ask = a;
        r->to = b;
        r->projection = fieldset_ref(b->projection);
        buf_add(&r->text, object.text, object.len);
        r->secret = key != NULL;
        if (key)
                memcpy(r->key, key, DIGEST_SIZE);
        a->kind = &kind;
        a->private = r;
}
