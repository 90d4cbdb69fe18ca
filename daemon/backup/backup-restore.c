/* SPDX-License-Identifier: Apache-2.0 */
/* backup-restore.c - a backup into a state folder, or only into a folder aside; see backup.h
 *
 * Nothing of the folder is touched before all of the backup was looked at. Then what was there is
 * moved to replaced-STAMP, never deleted, and what was unpacked takes its place, model.db as the
 * last: a restore that breaks off in between leaves a folder that no daemon starts on, and is done
 * again. */
#include "backup.h"

#include "archive.h"
#include "clock.h"
#include "loop.h"
#include "queries.gen.h"
#include "restored.h"
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASIDE "restore.part"

/* What a backup brings, and what lies beside it that belongs to what was there. */
static const char *const brought[] = { "charms", "resources", "key", "model.db" };
static const char *const old[] = { "model.db",     "model.db-wal", "model.db-shm", "cache.db",
                                   "cache.db-wal", "cache.db-shm", "key",          "charms",
                                   "resources",    STORE_BEFORE,   UPGRADE_KEPT };

static bool is_there(const char *folder, const char *name) {
        cleanup_(freep) char *path = str_format("%s/%s", folder, name);

        return access(path, F_OK) == 0;
}

/* ---- what the folder holds */

struct present {
        struct store_call call;
        struct q_backup_counts_row counts;
};

static int count(struct tx *tx, struct store_call *call, struct err *err) {
        struct present *p = container_of(call, struct present, call);
        struct q_backup_counts_row *row;
        size_t n;
        int r = q_backup_counts(tx, &row, &n, err);

        if (r >= 0)
                p->counts = *row;
        return r < 0 ? r : 0;
}

static int read_present(const char *state_dir, struct present *p, struct err *err) {
        struct store_options options = { .state_dir = state_dir };
        struct loop *loop = NULL;
        struct store *store = NULL;
        int r = loop_new(&loop, err);

        if (r >= 0)
                r = store_open(loop, &options, &store, err);
        p->call = (struct store_call){ .lane = STORE_COMMAND, .actor = "restore", .run = count };
        if (r >= 0)
                r = store_now(store, &p->call, err);
        store_close(store);
        loop_free(loop);
        return r;
}

static char *lost_text(const struct present *p) {
        char stamp[CLOCK_TEXT_MAX];

        return str_format("%lld %s with %lld %s, and what was written up to %s",
                          (long long)p->counts.models, p->counts.models == 1 ? "model" : "models",
                          (long long)p->counts.applications,
                          p->counts.applications == 1 ? "application" : "applications",
                          p->counts.audit_at ? clock_iso(p->counts.audit_at, false, stamp) : "now");
}

/* *RET: what would be lost, or NULL: nothing. The caller's. */
static int check_free(const struct backup_restore *b, char **ret, struct err *err) {
        cleanup_(freep) char *text = NULL;
        struct present p = {};
        struct err why = {};
        int r;

        if (!is_there(b->state_dir, "model.db"))
                return 0;
        r = read_present(b->state_dir, &p, &why);
        if (r == -EWOULDBLOCK || r == -EPERM) {
                *err = why;
                return err_add(err, r, "stop it first");
        }
        if (r < 0)
                text = str_format("a model.db that cannot be read: %s", err_text(&why));
        else if (p.counts.models || p.counts.targets)
                text = lost_text(&p);
        if (!text || b->force) {
                *ret = take_ptr(text);
                return 0;
        }
        return err_set(err, -EEXIST,
                       "%s is in use, and nothing was changed: it holds %s. --force takes the "
                       "backup in its place",
                       b->state_dir, text);
}

/* ---- into its place */

static int lock(const char *state_dir, int *ret, struct err *err) {
        cleanup_(freep) char *path = str_format("%s/lock", state_dir);
        cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return err_set(err, -errno, "the state folder %s is in use: stop mooringd first",
                               state_dir);
        *ret = fd;
        fd = -1;
        return 0;
}

static int move(const char *from, const char *to, const char *name, struct err *err) {
        cleanup_(freep) char *source = str_format("%s/%s", from, name);
        cleanup_(freep) char *target = str_format("%s/%s", to, name);

        if (access(source, F_OK) < 0)
                return 0;
        return rename(source, target) < 0
                       ? err_set(err, -errno, "%s to %s: %s", source, target, strerror(errno))
                       : 0;
}

/* *RET: where it is now, NULL: there was nothing. The caller's. */
static int move_away(const char *state_dir, char **ret, struct err *err) {
        cleanup_(freep) char *folder = NULL;
        char stamp[CLOCK_TEXT_MAX];
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(old) && r == 0; i++) {
                if (!is_there(state_dir, old[i]))
                        continue;
                if (!folder) {
                        folder = str_format("%s/replaced-%s", state_dir,
                                            clock_iso(clock_wall(), true, stamp));
                        if (mkdir(folder, 0700) < 0)
                                return err_set(err, -errno, "%s: %s", folder, strerror(errno));
                }
                r = move(state_dir, folder, old[i], err);
        }
        *ret = take_ptr(folder);
        return r;
}

/* Of a restore by root: the daemon's user is who the folder belongs to. */
static int give_to_owner(const char *state_dir, struct err *err) {
        cleanup_(freep) char *root = str_dup(state_dir);
        char *const roots[] = { root, NULL };
        struct stat st;
        FTS *tree;
        FTSENT *e;
        int r = 0;

        if (geteuid() != 0 || stat(state_dir, &st) < 0 || st.st_uid == 0)
                return 0;
        tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        while (tree && (e = fts_read(tree)))
                if (e->fts_info != FTS_DP && lchown(e->fts_path, st.st_uid, st.st_gid) < 0)
                        r = err_set(err, -errno, "%s: %s", e->fts_path, strerror(errno));
        if (tree)
                fts_close(tree);
        return r;
}

static int take_place(const struct backup_restore *b, const char *aside, json_t *found,
                      struct err *err) {
        cleanup_(freep) char *replaced = NULL;
        cleanup_(closep) int fd = -1, folder = -1;
        int r = lock(b->state_dir, &fd, err);

        if (r == 0)
                r = move_away(b->state_dir, &replaced, err);
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(brought); i++)
                r = move(aside, b->state_dir, brought[i], err);
        if (r == 0)
                r = give_to_owner(b->state_dir, err);
        if (r == 0) {
                folder = open(b->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (folder < 0 || fsync(folder) < 0)
                        r = err_set(err, -errno, "%s: %s", b->state_dir, strerror(errno));
        }
        json_object_set_new(found, "replaced", replaced ? json_words(replaced) : json_null());
        return r;
}

/* ---- both */

static int unpack(const struct backup_restore *b, const char *aside,
                  int (*also)(struct tx *, const json_t *, struct err *), json_t **ret,
                  struct err *err) {
        struct backup_look look = { .path = b->path,
                                    .key = b->key,
                                    .aside = aside,
                                    .key_file = b->key_file,
                                    .worker = b->worker,
                                    .also = also };
        int r = archive_remove_folder(aside, err);

        return r < 0 ? r : backup_look(&look, ret, err);
}

int backup_verify(const struct backup_restore *b, json_t **ret, struct err *err) {
        cleanup_(freep) char *aside = str_format("%s/verify.part", b->state_dir);
        int r = unpack(b, aside, NULL, ret, err);

        archive_remove_folder(aside, NULL);
        return r;
}

int backup_restore(const struct backup_restore *b, json_t **ret, struct err *err) {
        cleanup_(freep) char *aside = str_format("%s/" ASIDE, b->state_dir);
        cleanup_(json_freep) json_t *found = NULL;
        cleanup_(freep) char *lost = NULL;
        int r;

        if (mkdir(b->state_dir, 0700) < 0 && errno != EEXIST)
                return err_set(err, -errno, "state folder %s: %s", b->state_dir, strerror(errno));
        r = check_free(b, &lost, err);
        if (r >= 0)
                r = unpack(b, aside, restored_begin, &found, err);
        if (r >= 0)
                r = take_place(b, aside, found, err);
        archive_remove_folder(aside, NULL);
        if (r < 0)
                return r;
        json_object_set_new(found, "lost", lost ? json_words(lost) : json_null());
        *ret = take_ptr(found);
        return 0;
}
