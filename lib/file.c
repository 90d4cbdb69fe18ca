/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - see file.h */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int file_write_all(int fd, const void *data, size_t len) {
        const char *p = data;

        while (len) {
                ssize_t n = write(fd, p, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                len -= (size_t)n;
        }
        return 0;
}

int file_read_all(int fd, void *data, size_t max, size_t *ret) {
        size_t at = 0;

        while (at < max) {
                ssize_t n = read(fd, (char *)data + at, max - at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0) {
                        *ret = at;
                        return 0;
                }
                at += (size_t)n;
        }
        return -E2BIG;
}

int file_sync_folder_of(const char *path) {
        cleanup_(freep) char *folder = str_dup(path);
        cleanup_(closep) int fd = -1;
        char *slash = strrchr(folder, '/');

        if (slash)
                slash[slash == folder] = '\0';
        fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}
