/* SPDX-License-Identifier: Apache-2.0 */
/* body.c - the body of an apply as an ask of a flow; see body.h
 *
 * The thread holds the trees by references of its own (jansson counts them atomically) and
 * writes into memory of its own: a cancelled flow is gone at once, the thread is not. A Secret
 * never comes here, for the values in it belong to the flow. */
#include "body.h"

#include <stdlib.h>

struct making {
        struct job job;
        struct ask *ask;
        struct buf *to, body;
        json_t *wanted, *marks;
        char *type, *path, *version;
        int r;
        struct err err;
};

bool body_is_large(const struct body_wish *w) {
        return w->size > BODY_INLINE_MAX && !str_eq(w->type, "Secret");
}

static void making_free(struct making *m) {
        json_decref(m->wanted);
        json_decref(m->marks);
        free(m->type);
        free(m->path);
        free(m->version);
        buf_wipe(&m->body);
        free(m);
}

static void work(void *arg) {
        struct making *m = arg;

        m->r = normalise_body(m->wanted, m->type, m->path, m->marks, m->version, NULL, &m->body,
                              &m->err);
}

static void done(void *arg) {
        struct making *m = arg;
        struct ask *a = m->ask;

        a->private = NULL;
        a->outcome = m->r < 0 ? OUTCOME_REFUSED : OUTCOME_DONE;
        a->err = m->err;
        buf_wipe(m->to);
        *m->to = m->body;
        m->body = (struct buf)BUF_INIT;
        making_free(m);
        flow_answer(a);
}

static void dropped(void *arg) {
        making_free(arg);
}

static int start(struct ask *a, struct err *err) {
        struct making *m = a->private;

        m->job = (struct job){ .loop = a->loop,
                               .work = work,
                               .done = done,
                               .dropped = dropped,
                               .arg = m,
                               .name = "kube-body" };
        job_start(&m->job);
        return 0;
}

static void cancel(struct ask *a) {
        struct making *m = take_ptr(a->private);

        if (m)
                job_cancel(&m->job);
}

static void clear(struct ask *a) {
}

static const struct ask_kind kind = { "body", start, cancel, clear };

void body_ask(struct ask *a, const struct body_wish *w) {
        struct making *m = mem_new(struct making);

        m->ask = a;
        m->to = w->body;
        m->wanted = json_incref((json_t *)w->wanted);
        m->marks = json_incref((json_t *)w->marks);
        m->type = str_dup(w->type);
        m->path = str_dup(w->path);
        m->version = str_dup(w->version);
        a->kind = &kind;
        a->private = m;
}
