/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - files that are there whole, also after a power cut */
#pragma once

#include "base.h"

/* All of it, however many calls that takes. -errno, and errno says the same. */
int file_write_all(int fd, const void *data, size_t len);
/* Until its end, *RET bytes. -errno; -E2BIG: it has MAX or more. */
int file_read_all(int fd, void *data, size_t max, size_t *ret);
/* The entry of PATH in its folder is on disk. -errno. */
int file_sync_folder_of(const char *path);
