/* SPDX-License-Identifier: Apache-2.0 */
/* offline.c - mooringd --verify FILE and --restore FILE: no daemon, no loop that runs, no socket
 *
 * The daemon starts the first as a process of its own (backup-keeper.c), mooringctl the second. */
#include "offline.h"

#include "backup.h"

#include <stdlib.h>

bool offline_wanted(const struct options *o) {
        return o->verify || o->restore;
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
        return o->verify ? backup_verify(&b, ret, err) : backup_restore(&b, ret, err);
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
