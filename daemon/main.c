/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - mooringd: options, then the controller, until a signal */
#include "clock.h"
#include "controller.h"
#include "log.h"
#include "offline.h"
#include "release.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* jemalloc reads this. Documents come and go among what lives long; glibc kept half of its pages
 * for holes (48 MB with 5,000 objects, 31 here). Threads take turns rather than work together:
 * two arenas. What is free goes back after a second, on a thread of jemalloc's own. */
extern const char *malloc_conf;
const char *malloc_conf =
        "background_thread:true,narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0,lg_tcache_max:15";

/* Sealed values are opened in memory: no core of them, and no look from others of our uid. A core
 * that root forces (gcore) asks the filter, and finds that no mapping is to be in it: arenas are
 * wiped, but buffers of curl, OpenSSL and the heap keep what went through them for a while. */
static void harden(void) {
        const struct rlimit none = { 0, 0 };
        int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

        prctl(PR_SET_DUMPABLE, 0);
        setrlimit(RLIMIT_CORE, &none);
        if (fd >= 0 && write(fd, "0", 1) < 0)
                log_plain(LOG_WARNING, "core", "/proc/self/coredump_filter cannot be set");
        if (fd >= 0)
                close(fd);
        umask(0077);
        signal(SIGPIPE, SIG_IGN);
}

static int serve(struct options *o, char **argv) {
        struct controller *c = NULL;
        struct err err = { 0 };
        bool replaced = false;
        int r;

        release_begin(o, argv);
        r = controller_new(o, &c, &err);
        if (r < 0) {
                log_plain(LOG_ERR, "start", "cannot start: %s", err_text(&err));
                if (r == -EWOULDBLOCK) /* another daemon serves: this says nothing of the release */
                        release_not_served(o);
                release_hand_back(argv, err_text(&err));
                return 1;
        }
        r = controller_run(c, &replaced);
        controller_free(c);
        if (!replaced) {
                if (r == 0)
                        release_settled(o);
                return r;
        }
        release_hand_over(o, argv);
        return 1;
}

int main(int argc, char **argv) {
        cleanup_(options_deinit) struct options o = { 0 };
        struct err err = { 0 };
        int r;

        release_init();
        r = options_read(&o, argv, &err);
        if (r < 0) {
                fprintf(stderr, "mooringd: %s\n", err_text(&err));
                release_hand_back(argv, err_text(&err));
                return 2;
        }
        if (o.help) {
                printf("Usage: mooringd [OPTION]...\nKeeps an AI platform moored to its "
                       "model.\n\n");
                opt_help(options_table, stdout);
                return 0;
        }
        if (o.version) {
                printf("mooringd %s\n", MOORING_VERSION);
                return 0;
        }
        harden();
        log_set_level(options_log_level(&o));
        if (offline_wanted(&o))
                return offline_run(&o);
        options_warn(&o);
        return serve(&o, argv);
}
