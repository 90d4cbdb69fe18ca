/* SPDX-License-Identifier: Apache-2.0 */
/* offline.c - mooringd --verify FILE and --restore FILE: no daemon, no loop that runs, no socket
 *
 * The daemon starts the first as a process of its own (backup-keeper.c), mooringctl the second. */
#include "offline.h"

#include "backup.h"
#include "charm-host.h"
#include "release.h"

#include <stdlib.h>

bool offline_wanted(const struct options *o) {
        return o->verify || o->restore;
}

/* As a start would: where no worker can be had, that is told. The host only says how. */
static int verify(const struct options *o, struct backup_restore *b, json_t **ret,
                  struct err *err) {
        static const char *const none[] = { NULL };
        struct charm_host_options options = { .state_dir = o->state_dir,
                                              .charm_dirs = none,
                                              .worker = release_worker(),
                                              .user = o->charm_user,
                                              .sandbox = o->sandbox };
        struct charm_host *host = NULL;
        struct loop *loop = NULL;
        struct err why = { 0 };
        int r = loop_new(&loop, err);

        if (r < 0)
                return r;
        if (release_open(o, &why) >= 0)
                charm_host_new(loop, &options, &host, &why);
        b->worker = host ? charm_host_spec(host) : NULL;
        r = backup_verify(b, ret, err);
        if (r >= 0 && !host)
                json_object_set_new(*ret, "no-workers", json_words(err_text(&why)));
        charm_host_free(host);
        loop_free(loop);
        return r;
}

static int run(const struct options *o, json_t **ret, struct err *err) {
        cleanup_(secret_text_free) struct secret_text key = {};
        struct backup_restore b = { .path = o->verify ? o->verify : o->restore,
                                    .state_dir = o->state_dir,
                                    .key_file = o->key_file,
                                    .key = &key,
                                    .force = o->force };
        int r = backup_key_read(o->backup_key_file, o->state_dir, &key, err);

        if (r < 0)
                return r;
        return o->verify ? verify(o, &b, ret, err) : backup_restore(&b, ret, err);
}

int offline_run(const struct options *o) {
        cleanup_(json_freep) json_t *found = NULL;
        cleanup_(freep) char *text = NULL;
        struct err err = { 0 };
        int r = run(o, &found, &err);

        if (r < 0)
                found = json_pack("{s:o, s:i}", "error", json_words(err_text(&err)), "code", r);
        text = json_text(found);
        puts(text);
        return r < 0;
}
