/* SPDX-License-Identifier: Apache-2.0 */
/* charm-dir-trust.c - who could put another module where a charm lies: charm_dir_trusted, see
 * charm-dir.h
 *
 * A module runs in a sandbox, but its plan is applied with the daemon's credentials: whoever may
 * write a charm rules every cluster. So the folder, all in it and every folder above must belong
 * to root or the daemon's user, and nobody else may write there. The group's bits also stand for
 * what an access list grants (its mask), so one check covers both. */
#include "charm-dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_owner(const struct stat *st, const char *path, uid_t uid, bool above,
                       struct err *err) {
        if (st->st_uid != 0 && st->st_uid != uid)
                return err_set(err, -EPERM,
                               "%s belongs to user %u, neither to root nor to the daemon's user",
                               path, (unsigned)st->st_uid);
        if (S_ISLNK(st->st_mode) || !(st->st_mode & 022))
                return 0;
        /* In a sticky folder others cannot rename what is ours; in the charm's own folder they
         * could still add. */
        if (above && (st->st_mode & S_ISVTX))
                return 0;
        return err_set(err, -EPERM, "others can write to %s (mode %04o): chmod go-w %s", path,
                       (unsigned)(st->st_mode & 07777), path);
}

static int check_below(int fd, const char *path, uid_t uid, int depth, struct err *err);

static int check_entry(int fd, const char *path, const char *base, uid_t uid, int depth,
                       struct err *err) {
        cleanup_(freep) char *name = str_format("%s/%s", path, base);
        cleanup_(closep) int below = -1;
        struct stat st;
        int r;

        if (fstatat(fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : err_set(err, -EPERM, "%s cannot be looked at", name);
        r = check_owner(&st, name, uid, false, err);
        if (r < 0 || !S_ISDIR(st.st_mode))
                return r;
        if (depth >= CHARM_DIR_DEPTH_MAX)
                return 0; /* reading refuses what lies deeper */
        below = openat(fd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below < 0)
                return err_set(err, -EPERM, "%s cannot be opened", name);
        return check_below(below, name, uid, depth + 1, err);
}

static void closedirp(DIR **d) {
        if (*d)
                closedir(*d);
}

static int check_below(int fd, const char *path, uid_t uid, int depth, struct err *err) {
        cleanup_(closedirp) DIR *d = NULL;
        int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        struct dirent *e;

        d = copy < 0 ? NULL : fdopendir(copy);
        if (!d) {
                closep(&copy);
                return err_set(err, -EPERM, "%s cannot be listed", path);
        }
        while (r >= 0 && (e = readdir(d)))
                if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
                        r = check_entry(fd, path, e->d_name, uid, depth, err);
        return r;
}

/* Every folder above, from the parent up to the root. */
static int check_above(char *path, uid_t uid, struct err *err) {
        struct stat st;
        int r = 0;

        while (r >= 0 && path[0] == '/' && path[1]) {
                char *slash = strrchr(path, '/');

                slash[slash == path ? 1 : 0] = '\0';
                if (stat(path, &st) < 0)
                        return err_set(err, -EPERM, "%s cannot be looked at", path);
                r = check_owner(&st, path, uid, true, err);
        }
        return r;
}

int charm_dir_trusted(const char *path, uid_t uid, struct err *err) {
        cleanup_(freep) char *real = realpath(path, NULL);
        cleanup_(closep) int fd = -1;
        struct stat st;
        int r;

        if (!real || stat(real, &st) < 0) {
                r = -errno;
                return err_set(err, r, "%s: %s", path, strerror(-r));
        }
        r = check_owner(&st, real, uid, false, err);
        if (r < 0)
                return r;
        fd = open(real, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
                r = -errno;
                return err_set(err, r, "%s: %s", path, strerror(-r));
        }
        r = check_below(fd, real, uid, 0, err);
        return r < 0 ? r : check_above(real, uid, err);
}
