/* SPDX-License-Identifier: Apache-2.0 */
/* die.c - a mooringd that kills itself after a committed transaction
 *
 * Linked into mooringd-crash only, never installed. store_open is wrapped by the linker:
 * MOORING_DIE_AFTER=N is the number of commits after which the process is gone, in the store's
 * thread, before anybody hears of the commit; MOORING_COMMITS=FILE gets the number of commits so
 * far, to know how many there are. */
#include "store.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

int __real_store_open(struct loop *l, const struct store_options *o, struct store **ret,
                      struct err *err);
int __wrap_store_open(struct loop *l, const struct store_options *o, struct store **ret,
                      struct err *err);

static atomic_llong commits;

/* Always as long as before, so that a reader finds this number and nothing else at all times. */
static void write_count(const char *path, long long n) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0)
                return;
        dprintf(fd, "%-20lld\n", n);
        close(fd);
}

static void on_commit(void *arg, int64_t generation) {
        const char *limit = getenv("MOORING_DIE_AFTER");
        const char *path = getenv("MOORING_COMMITS");
        long long n = atomic_fetch_add(&commits, 1) + 1;

        if (path)
                write_count(path, n);
        if (limit && n >= strtoll(limit, NULL, 10))
                kill(getpid(), SIGKILL);
}

int __wrap_store_open(struct loop *l, const struct store_options *o, struct store **ret,
                      struct err *err) {
        int r = __real_store_open(l, o, ret, err);

        if (r >= 0)
                store_on_commit(*ret, on_commit, NULL);
        return r;
}
