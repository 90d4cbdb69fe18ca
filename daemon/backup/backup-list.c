/* SPDX-License-Identifier: Apache-2.0 */
/* backup-list.c - which backups there are, and what is remembered of them; see backup-keeper.h
 *
 * A file is told by its name and its first bytes: what is in it only its key shows. */
#include "backup-internal.h"

#include "clock.h"
#include "queries.gen.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALED "mooring sealed 1"

static bool is_sealed(int fd) {
        char head[sizeof(SEALED) - 1];

        return pread(fd, head, sizeof(head), 0) == sizeof(head) &&
               memcmp(head, SEALED, sizeof(head)) == 0;
}

static void add_file(int folder, const char *at, const char *name, json_t *list) {
        cleanup_(closep) int fd = -1;
        struct stat st;

        if (!str_ends(name, BACKUP_SUFFIX) || json_array_size(list) == BACKUP_LIST_MAX)
                return;
        fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return;
        json_array_append_new(list, json_pack("{s:o, s:o, s:I, s:b}", "file",
                                              json_sprintf("%s/%s", at, name), "made",
                                              json_stamp(st.st_mtim.tv_sec * 1000ll, false), "size",
                                              (json_int_t)st.st_size, "sealed", is_sealed(fd)));
}

/* The newest first: their names have their times. */
static void add_files(json_t *into, const char *folder) {
        json_t *list = json_array();
        struct dirent **entries = NULL;
        cleanup_(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int n = fd < 0 ? -1 : scandir(folder, &entries, NULL, alphasort);

        json_object_set_new(into, "backups", list);
        if (n < 0 && errno != ENOENT)
                json_object_set_new(into, "failed",
                                    json_sprintf("%s: %s", folder, strerror(errno)));
        while (n-- > 0) {
                add_file(fd, folder, entries[n]->d_name, list);
                free(entries[n]);
        }
        free(entries);
}

static int add_setting(struct tx *tx, const char *setting, const char *member, json_t *into,
                       struct err *err) {
        struct q_setting_get_row *row;
        json_t *value = NULL;
        size_t n;
        int r = q_setting_get(tx, &(struct q_setting_get_in){ .name = setting }, &row, &n, err);

        if (r >= 0 && n)
                r = json_parse(row->value, strlen(row->value), &value, err);
        if (r >= 0)
                json_object_set_new(into, member, value ? value : json_null());
        return r < 0 ? r : 0;
}

int64_t backup_keeper_max_age(const struct backup_keeper *k) {
        return k->options.max_age;
}

int backup_keeper_look_at_key(const struct backup_keeper *k, struct err *err) {
        cleanup_(secret_text_free) struct secret_text key = {};
        int r = backup_key_read(k->options.key_file, k->options.seal.state_dir, &key, err);

        return r == -ENOKEY ? 1 : r;
}

int backup_keeper_facts(struct tx *tx, json_t **ret, struct err *err) {
        json_t *j = json_object();
        int r = add_setting(tx, BACKUP_MADE, "made", j, err);

        if (r == 0)
                r = add_setting(tx, BACKUP_VERIFIED, "verified", j, err);
        if (r == 0)
                r = add_setting(tx, BACKUP_SCHEDULE, "schedule", j, err);
        if (r < 0)
                json_decref(j);
        else
                *ret = j;
        return r;
}

int backup_keeper_list(struct tx *tx, const struct backup_keeper *k, const char *folder,
                       json_t **ret, struct err *err) {
        int r = backup_keeper_facts(tx, ret, err);
        const char *said =
                r < 0 || folder ? folder : json_get_str(json_get(*ret, "schedule"), "folder", NULL);
        cleanup_(freep) char *where = said ? str_dup(said) : backup_keeper_folder(k);

        if (r < 0)
                return r;
        json_object_set_new(*ret, "max-age", json_integer(k->options.max_age));
        json_object_set_new(*ret, "folder", json_words(where));
        if (!place_named(where))
                add_files(*ret, where);
        return 0;
}

/* ---- a folder elsewhere */

struct listing {
        struct list link;
        struct place *place;
        json_t *list;
        backup_keeper_fn *done;
        void *arg;
};

static void add_object(json_t *into, const char *folder, const json_t *one) {
        const char *name = json_get_str(one, "file", "");
        cleanup_(freep) char *file = place_join(folder, name);
        char stamp[CLOCK_TEXT_MAX];
        bool known = backup_keeper_stamp(name, stamp);

        if (str_ends(name, BACKUP_SUFFIX) && json_array_size(into) < BACKUP_LIST_MAX)
                json_array_append_new(into, json_pack("{s:s, s:s*, s:O*}", "file", file, "made",
                                                      known ? stamp : NULL, "size",
                                                      json_get(one, "bytes")));
}

/* A store that cannot be read is told of, as a folder that cannot. */
static void listed(void *arg, int r, json_t *found, const struct err *err) {
        struct listing *l = arg;
        const char *folder = json_get_str(l->list, "folder", "");
        json_t *backups = json_array();

        for (size_t i = json_array_size(found); i-- > 0;)
                add_object(backups, folder, json_array_get(found, i));
        json_object_set_new(l->list, "backups", backups);
        if (r < 0)
                json_object_set_new(l->list, "failed", json_words(err_text(err)));
        json_decref(found);
        place_close(l->place);
        list_unlink(&l->link);
        l->done(l->arg, 0, l->list, NULL);
        free(l);
}

void backup_listings_stop(struct backup_keeper *k) {
        struct err err = { 0 };

        err_set(&err, -ESHUTDOWN, "the daemon stops");
        list_each(link, &k->listings)
                listed(list_entry(link, struct listing, link), err.code, NULL, &err);
}

void backup_keeper_list_place(struct backup_keeper *k, json_t *list, backup_keeper_fn *done,
                              void *arg) {
        cleanup_(freep) char *folder = place_join(json_get_str(list, "folder", ""), "");
        struct listing *l = mem_new(struct listing);
        struct err err = { 0 };
        int r;

        list_append(&k->listings, &l->link);
        l->list = list;
        l->done = done;
        l->arg = arg;
        r = place_open(k->options.loop, k->options.http, &k->options.place, folder, &l->place,
                       &err);
        if (r < 0)
                return listed(l, r, NULL, &err);
        place_list(l->place, "", listed, l);
}
