/* SPDX-License-Identifier: Apache-2.0 */
/* backup-key.c - the key of backups: a passphrase or random bytes in a file apart; see backup.h */
#include "backup.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CREDENTIAL "mooring-backup-key"

char *backup_key_path(const char *file, bool *ret_credential) {
        const char *dir = getenv("CREDENTIALS_DIRECTORY");
        cleanup_(freep) char *path = dir && *dir ? str_format("%s/" CREDENTIAL, dir) : NULL;

        *ret_credential = path && access(path, F_OK) == 0;
        if (*ret_credential)
                return take_ptr(path);
        return file && *file ? str_dup(file) : NULL;
}

int backup_key_take(const void *bytes, size_t len, struct secret_text *ret, struct err *err) {
        len -= len && ((const char *)bytes)[len - 1] == '\n';
        if (len < BACKUP_KEY_MIN)
                return err_set(err, -EINVAL,
                               "the key of backups has %zu bytes: it needs %d at least (openssl "
                               "rand -base64 32)",
                               len, BACKUP_KEY_MIN);
        secret_text_set(ret, bytes, len);
        return 0;
}

/* The real folder of PATH is DIR, or below it. */
static bool is_within(const char *path, const char *dir) {
        cleanup_(freep) char *real = realpath(path, NULL);
        cleanup_(freep) char *folder = dir ? realpath(dir, NULL) : NULL;

        return real && folder && str_starts(real, folder) && real[strlen(folder)] == '/';
}

static int check_file(int fd, const char *path, bool credential, const char *state_dir,
                      struct err *err) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return err_set(err, -EINVAL, "%s, the key of backups, is not a file", path);
        if (!credential && (st.st_mode & 077))
                return err_set(err, -EPERM,
                               "%s, the key of backups, can be read by others: chmod 600 %s", path,
                               path);
        if (is_within(path, state_dir))
                return err_set(err, -EPERM,
                               "%s, the key of backups, lies in the state folder: what is lost "
                               "with it would be lost with its backups; keep it elsewhere",
                               path);
        return 0;
}

int backup_key_read(const char *file, const char *state_dir, struct secret_text *ret,
                    struct err *err) {
        bool credential, standard = file && str_eq(file, "-");
        cleanup_(freep) char *path =
                standard ? str_dup("standard input") : backup_key_path(file, &credential);
        cleanup_(closep) int fd = -1;
        cleanup_(secret_text_free) struct secret_text text = {};
        size_t n;
        int r = 0;

        if (!path)
                return err_set(err, -ENOKEY,
                               "no key for backups: set backup-key-file (a file with a passphrase "
                               "or random bytes, apart from the state folder), or give "
                               "--passphrase-file");
        fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return err_set(err, -errno, "%s, the key of backups: %s", path, strerror(errno));
        if (!standard)
                r = check_file(fd, path, credential, state_dir, err);
        if (r < 0)
                return r;
        text.data = arena_alloc(BACKUP_KEY_MAX + 1);
        text.len = BACKUP_KEY_MAX;
        r = file_read_all(fd, text.data, BACKUP_KEY_MAX, &n);
        if (r == -E2BIG)
                return err_set(err, r, "%s, the key of backups, has %d bytes or more", path,
                               BACKUP_KEY_MAX);
        if (r < 0)
                return err_set(err, r, "%s, the key of backups: %s", path, strerror(-r));
        return backup_key_take(text.data, n, ret, err);
}
