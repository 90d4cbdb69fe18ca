/* SPDX-License-Identifier: Apache-2.0 */
/* backup-create.c - one backup of the running controller; see backup.h
 *
 * The copy of model.db lies open beside it for as long as it is sealed, as readable as that one.
 * The key file is looked at before and after: one that is replaced in between may open only a part
 * of what was copied, so the copy is made again. */
#include "backup.h"

#include "archive.h"
#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPIES_MAX 3 /* a rotation of the key replaces its file twice */

/* Whose content is compared: the file's time and number change with each replacement. */
static struct stat key_state(const char *path) {
        struct stat st = {};

        if (path && stat(path, &st) < 0)
                st = (struct stat){};
        return st;
}

static bool is_same(const struct stat *a, const struct stat *b) {
        return a->st_ino == b->st_ino && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
               a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int copy_store(const struct backup_source *s, const char *copy, const char *key_file,
                      struct err *err) {
        for (int i = 0; i < COPIES_MAX; i++) {
                struct stat before = key_state(key_file), after;
                int r;

                unlink(copy);
                r = store_backup(s->store, copy, err);
                if (r < 0)
                        return r;
                after = key_state(key_file);
                if (is_same(&before, &after))
                        return 0;
        }
        return err_set(err, -EAGAIN, "the key is being rotated: try again when that is over");
}

static int add_all(struct archive_writer *w, const char *state_dir, const char *copy,
                   const char *key_file, struct err *err) {
        cleanup_(freep) char *charms = str_format("%s/charms", state_dir);
        cleanup_(freep) char *resources = str_format("%s/resources", state_dir);
        int r = archive_add(w, copy, "model.db", err);

        if (r == 0 && key_file)
                r = archive_add(w, key_file, "key", err);
        if (r == 0)
                r = archive_add(w, charms, "charms", err);
        return r < 0 ? r : archive_add(w, resources, "resources", err);
}

static json_t *info_of(const struct backup_source *s, int64_t made, bool with_key) {
        return json_pack("{s:s, s:s, s:s, s:o, s:b}", "controller", s->controller, "name", s->name,
                         "version", MOORING_VERSION, "made", json_stamp(made, true), "key",
                         with_key);
}

int backup_create(const struct backup_source *s, const char *path, const struct secret_text *key,
                  json_t **ret, struct err *err) {
        const char *state_dir = s->seal.state_dir;
        cleanup_(freep) char *copy = str_format("%s/backup.part", state_dir);
        bool credential;
        cleanup_(freep) char *key_file = seal_where(&s->seal, &credential);
        bool with_key = !credential && !s->seal.key_file;
        int64_t made = clock_wall();
        cleanup_(json_freep) json_t *info = info_of(s, made, with_key);
        struct archive_writer *w = NULL;
        int r = archive_writer_new(path, key, info, &w, err);

        if (r == 0)
                r = copy_store(s, copy, with_key ? key_file : NULL, err);
        if (r == 0)
                r = add_all(w, state_dir, copy, with_key ? key_file : NULL, err);
        if (r == 0)
                r = archive_end(w, err);
        unlink(copy);
        if (r == 0)
                *ret = json_pack("{s:s, s:o, s:I, s:b}", "file", path, "made",
                                 json_stamp(made, true), "size", (json_int_t)archive_size(w), "key",
                                 with_key);
        archive_writer_free(w);
        return r;
}
