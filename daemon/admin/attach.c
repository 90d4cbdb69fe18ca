/* SPDX-License-Identifier: Apache-2.0 */
/* attach.c - attach-resource: another image for a resource, or a file whose text is kept in
 * <state>/resources/<sha256>
 *
 * The text is written, synced and renamed in a thread before the row names it: a row never names
 * a file that is not there. A file that no row names is harmless and is not looked for. */
#include "admin-internal.h"
#include "routes.h"

#include "command.h"
#include "digest.h"
#include "file.h"
#include "previewing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT(member) offsetof(struct attach_body, member)

const struct json_field attach_fields[] = {
        { "resource", JSON_FIELD_STRING, AT(resource), JSON_REQUIRED, 1, 63, NULL },
        { "image", JSON_FIELD_STRING, AT(image), JSON_NULL_OK, 1, 500, NULL },
        { "text", JSON_FIELD_STRING, AT(text), JSON_NULL_OK, 0, 0, NULL },
        {}
};

struct attaching {
        struct command_application command;
        struct job job;
        struct request *request;
        char sha256[DIGEST_HEX_SIZE];
        char *folder, *path;
        struct err err;
        int result;
};

static void release(struct command *c) {
        struct attaching *a = container_of(container_of(c, struct command_application, head),
                                           struct attaching, command);

        free(a->folder);
        free(a->path);
        free(a);
}

static int keep_file(const struct attaching *a, const char *text) {
        cleanup_(freep) char *fresh = str_format("%s.new", a->path);
        cleanup_(closep) int fd = -1;
        int r;

        if (access(a->path, R_OK) == 0)
                return 0;
        if (mkdir(a->folder, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = file_write_all(fd, text, strlen(text));
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (r >= 0 && rename(fresh, a->path) < 0)
                r = -errno;
        if (r < 0) {
                unlink(fresh);
                return r;
        }
        return file_sync_folder_of(a->path);
}

static void work(void *arg) {
        struct attaching *a = arg;
        const struct attach_body *b = a->request->data;

        a->command.value = digest_sha256_hex(b->text, strlen(b->text), a->sha256);
        a->path = str_format("%s/%s", a->folder, a->sha256);
        a->result = keep_file(a, b->text);
        if (a->result < 0)
                err_set(&a->err, a->result, "%s: %s", a->path, strerror(-a->result));
}

static void submit(struct request *q, struct attaching *a) {
        previewing_command(q, &a->command.head, a->command.model, a->command.application, release);
}

static void done(void *arg) {
        struct attaching *a = arg;
        struct request *q = a->request;

        if (a->result < 0) {
                request_fail(q, a->result, &a->err);
                release(&a->command.head);
        } else if (q->gone) { /* nobody would hear of it */
                release(&a->command.head);
        } else {
                submit(q, a);
        }
        request_unref(q);
}

void attach_resource(struct request *q) {
        const struct attach_body *b = q->data;
        struct attaching *a;
        struct err err = { 0 };

        if (b->image && b->text) {
                err_set(&err, -EINVAL, "a resource is an image or a file's text, not both");
                return request_fail(q, -EINVAL, &err);
        }
        a = mem_new(struct attaching);
        a->command =
                (struct command_application){ .head = { .run = command_application_attach_resource,
                                                        .dry_run =
                                                                request_query_bool(q, "dry-run") },
                                              .model = request_param(q, 0),
                                              .application = request_param(q, 1),
                                              .resource = b->resource,
                                              .value = b->image };
        if (!b->text)
                return submit(q, a);
        a->folder = str_format("%s/resources", q->admin->options.state_dir);
        a->request = request_ref(q);
        a->job = (struct job){ .loop = q->admin->options.loop,
                               .work = work,
                               .done = done,
                               .arg = a,
                               .name = "attach-resource" };
        job_start(&a->job);
}
