/* SPDX-License-Identifier: Apache-2.0 */
/* files.c - files that actions keep in the state folder, below backups/MODEL/APPLICATION: which
 * there are, and deleting one; also of models and applications that are gone
 *
 * Nothing in the rows knows of them, so both are done in a thread, and a deletion has its row in
 * the audit when it is done: it must be possible on a disk that is full. */
#include "admin-internal.h"
#include "routes.h"
#include "stream-kept.h"

#include <errno.h>
#include <stdlib.h>

struct files {
        struct request *request;
        struct job job;
        char *below; /* "backups/MODEL", "backups/MODEL/APPLICATION/NAME" */
        json_t *list;
        struct err err;
        int result;
};

static void start(struct request *q, char *below, void (*work)(void *), void (*done)(void *)) {
        struct files *f = mem_new(struct files);

        *f = (struct files){ .request = request_ref(q), .below = below };
        f->job = (struct job){ .loop = q->admin->options.loop,
                               .work = work,
                               .done = done,
                               .arg = f,
                               .name = "files" };
        job_start(&f->job);
}

static void finish(struct files *f) {
        request_unref(f->request);
        free(f->below);
        json_decref(f->list);
        free(f);
}

/* ---- list */

static void list_work(void *arg) {
        struct files *f = arg;

        f->result =
                stream_kept_list(f->request->admin->options.state_dir, f->below, &f->list, &f->err);
}

static void list_done(void *arg) {
        struct files *f = arg;

        if (f->result < 0)
                request_fail(f->request, f->result, &f->err);
        else
                request_reply_long(f->request, json_pack("{s:o, s:b}", "files", take_ptr(f->list),
                                                         "more", f->result > 0));
        finish(f);
}

void files_list(struct request *q) {
        start(q, str_format("backups/%s", request_param(q, 0)), list_work, list_done);
}

/* ---- delete */

static void delete_work(void *arg) {
        struct files *f = arg;

        f->result = stream_kept_remove(f->request->admin->options.state_dir, f->below, &f->err);
}

/* In the transaction of the row in the audit. */
static int told(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        cleanup_(freep) char *text =
                str_format("delete file %s of %s", request_query(q, "file"), request_param(q, 1));

        *ret = json_pack("{s:[{s:s, s:s, s:s}]}", "changes", "change", "delete", "application",
                         request_param(q, 1), "text", text);
        return 0;
}

static void delete_done(void *arg) {
        struct files *f = arg;

        if (f->result < 0)
                request_fail(f->request, f->result, &f->err);
        else
                request_read(f->request, told, NULL);
        finish(f);
}

void files_delete(struct request *q) {
        const char *name = request_query(q, "file");
        struct err err;

        if (!name) {
                err_set(&err, -EINVAL, "file: which one is not said");
                return request_fail(q, -EINVAL, &err);
        }
        start(q, str_format("backups/%s/%s/%s", request_param(q, 0), request_param(q, 1), name),
              delete_work, delete_done);
}
