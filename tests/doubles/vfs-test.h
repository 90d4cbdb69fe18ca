/* SPDX-License-Identifier: Apache-2.0 */
/* vfs-test.h - a disk under SQLite that is slow, full, or loses its power; tests and benches only
 *
 * Becomes the default VFS of the process, so that the store under test needs no option for it. */
#pragma once

#include "base.h"

void vfs_test_install(void);       /* once; passes everything through until told otherwise */
void vfs_test_delay(int64_t us);   /* each sync takes at least this long */
void vfs_test_room(int64_t bytes); /* by how much files may still grow; -1: without limit */
int64_t vfs_test_syncs(void);      /* how many there were */

/* Remembers what was written since each file's last sync. */
void vfs_test_watch(bool on);
/* From now on nothing reaches the disk. */
void vfs_test_cut(void);
/* The power is back, nothing has the files open: of what was not synced, the part that SEED chooses
 * is there and the rest is not; SEED 0: nothing of it. */
void vfs_test_restore(unsigned seed);
