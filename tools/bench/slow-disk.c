/* SPDX-License-Identifier: Apache-2.0 */
/* slow-disk.c - a mooringd whose syncs take BENCH_SYNC_US at least, by the VFS of the tests
 *
 * Linked into mooringd-slow-disk only, never installed: the daemon itself has no such option. */
#include "vfs-test.h"

#include <stdlib.h>

static void __attribute__((constructor)) slow_disk(void) {
        const char *us = getenv("BENCH_SYNC_US");
        int64_t delay = 0;

        if (!us || !str_to_int(us, &delay))
                return;
        vfs_test_install();
        vfs_test_delay(delay);
}
