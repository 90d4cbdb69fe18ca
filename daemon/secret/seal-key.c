/* SPDX-License-Identifier: Apache-2.0 */
/* seal-key.c - the key file: where it is, who may read it, and the first one
 *
 * A file from systemd's credential folder is taken as it is: systemd decides who reads it (by an
 * ACL, which shows as a group bit). Ours must be readable by its owner only. A new one is
 * written beside and linked into place, so that a crash leaves none or a whole one. */
#include "seal-key.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CREDENTIAL "mooring-key"
#define FILE_MAX (SEAL_KEY_SIZE * SEAL_KEYS_MAX)

static char *credential_path(void) {
        const char *dir = getenv("CREDENTIALS_DIRECTORY");
        char *path;

        if (!dir || !*dir)
                return NULL;
        path = str_format("%s/" CREDENTIAL, dir);
        if (access(path, F_OK) == 0)
                return path;
        free(path);
        return NULL;
}

static int check_file(int fd, const char *path, bool credential, size_t *ret_size,
                      struct err *err) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return err_set(err, -errno, "key file %s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return err_set(err, -EINVAL, "key file %s is not a file", path);
        if (!credential && (st.st_mode & 077))
                return err_set(err, -EPERM, "key file %s can be read by others: chmod 600 %s", path,
                               path);
        if (!credential && st.st_uid != geteuid() && st.st_uid != 0)
                return err_set(err, -EPERM, "key file %s belongs to uid %u", path, st.st_uid);
        if (st.st_size == 0 || st.st_size > FILE_MAX || st.st_size % SEAL_KEY_SIZE)
                return err_set(err, -EINVAL,
                               "key file %s has %lld bytes: it holds one to %d keys of %d random "
                               "bytes each",
                               path, (long long)st.st_size, SEAL_KEYS_MAX, SEAL_KEY_SIZE);
        *ret_size = st.st_size;
        return 0;
}

int seal_key_read(const char *path, bool credential, struct secret_text *ret, struct err *err) {
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        size_t size = 0;
        int r;

        if (fd < 0)
                return err_set(err, -errno, "key file %s: %s", path, strerror(errno));
        r = check_file(fd, path, credential, &size, err);
        if (r < 0)
                return r;
        ret->data = arena_alloc(size + 1); /* read straight into the arena */
        ret->len = size;
        if (pread(fd, ret->data, size, 0) == (ssize_t)size)
                return 0;
        secret_text_free(ret);
        return err_set(err, -EIO, "key file %s cannot be read whole", path);
}

static int write_part(const char *part, const struct secret_text *key) {
        cleanup_(closep) int fd = -1;
        int r;

        unlink(part);
        fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = file_write_all(fd, key->data, key->len);
        if (r < 0)
                return r;
        return fsync(fd) < 0 ? -errno : 0;
}

static int write_new(const char *path, const char *part, const struct secret_text *key) {
        int r = write_part(part, key);

        if (r < 0)
                return r;
        return link(part, path) < 0 ? -errno : file_sync_folder_of(path);
}

/* A file system that copies on writing, and the disk itself, may have it elsewhere still. */
static int wipe_file(int fd) {
        static const char zeros[FILE_MAX];

        return pwrite(fd, zeros, sizeof(zeros), 0) < 0 || fsync(fd) < 0 ? -errno : 0;
}

int seal_key_replace(const char *path, const struct secret_text *keys, bool wipe, struct err *err) {
        cleanup_(freep) char *part = str_format("%s.new", path);
        cleanup_(closep) int before = open(path, O_WRONLY | O_CLOEXEC);
        int r = before < 0 ? -errno : write_part(part, keys);

        if (r >= 0)
                r = rename(part, path) < 0 ? -errno : file_sync_folder_of(path);
        if (r >= 0 && wipe)
                r = wipe_file(before);
        return r < 0 ? err_set(err, r, "key file %s cannot be written: %s", path, strerror(-r)) : 0;
}

static int make_file(const char *path, struct secret_text *ret, struct err *err) {
        cleanup_(secret_text_free) struct secret_text key = {};
        cleanup_(freep) char *part = str_format("%s.new", path);
        int r;

        key.data = arena_alloc(SEAL_KEY_SIZE + 1);
        key.len = SEAL_KEY_SIZE;
        digest_random(key.data, SEAL_KEY_SIZE);
        r = write_new(path, part, &key);
        unlink(part);
        if (r < 0)
                return err_set(err, r, "key file %s cannot be made: %s", path, strerror(-r));
        *ret = key;
        key = (struct secret_text){};
        return 0;
}

char *seal_key_path(const struct seal_options *o, bool *ret_credential) {
        char *path = credential_path();

        *ret_credential = path != NULL;
        if (path)
                return path;
        return o->key_file ? str_dup(o->key_file) : str_format("%s/key", o->state_dir);
}

int seal_key_load(const struct seal_options *o, struct secret_text *ret, char **ret_made,
                  struct err *err) {
        bool credential;
        cleanup_(freep) char *path = seal_key_path(o, &credential);
        int r;

        if (credential)
                return seal_key_read(path, true, ret, err);
        if (access(path, F_OK) == 0 || errno != ENOENT)
                return seal_key_read(path, false, ret, err);
        if (o->must_exist)
                return err_set(
                        err, -ENOKEY,
                        "the key file %s is missing, and the state holds values sealed with "
                        "it: put it back from its backup, or name it with --key-file; nothing "
                        "else opens them",
                        path);
        r = make_file(path, ret, err);
        if (r == 0)
                *ret_made = take_ptr(path);
        return r;
}
