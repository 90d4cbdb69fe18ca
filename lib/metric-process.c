/* SPDX-License-Identifier: Apache-2.0 */
/* metric-process.c - this process, under the names that Prometheus' own libraries give these
 *
 * Read from /proc when asked: five small reads and one listing, some 50 us. What cannot be read is
 * left as it was. */
#include "metric.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct metric cpu = { .name = "process_cpu_seconds_total",
                             .help = "CPU time that the daemon used, user and system, without its "
                                     "workers",
                             .type = METRIC_COUNTER };
static struct metric resident = {
        .name = "process_resident_memory_bytes",
        .help = "Memory of the daemon that is in RAM, without its workers",
        .type = METRIC_GAUGE
};
static struct metric virtual_size = { .name = "process_virtual_memory_bytes",
                                      .help = "Address space of the daemon",
                                      .type = METRIC_GAUGE };
static struct metric open_fds = { .name = "process_open_fds",
                                  .help = "Descriptors that are open",
                                  .type = METRIC_GAUGE };
static struct metric max_fds = { .name = "process_max_fds",
                                 .help = "Descriptors that may be open",
                                 .type = METRIC_GAUGE };
static struct metric start_time = { .name = "process_start_time_seconds",
                                    .help = "When the daemon started, in Unix time",
                                    .type = METRIC_GAUGE };

static double seconds(const struct timeval *t) {
        return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static void read_cpu(void) {
        struct rusage used;

        if (getrusage(RUSAGE_SELF, &used) == 0)
                metric_set(&cpu, NULL, seconds(&used.ru_utime) + seconds(&used.ru_stime));
}

static void read_memory(void) {
        unsigned long long size, in_ram;
        FILE *f = fopen("/proc/self/statm", "re");
        double page = (double)sysconf(_SC_PAGESIZE);

        if (f && fscanf(f, "%llu %llu", &size, &in_ram) == 2) {
                metric_set(&virtual_size, NULL, (double)size * page);
                metric_set(&resident, NULL, (double)in_ram * page);
        }
        if (f)
                fclose(f);
}

static void read_descriptors(void) {
        struct rlimit limit;
        DIR *d = opendir("/proc/self/fd");
        size_t n = 0;

        if (!d)
                return;
        for (const struct dirent *e; (e = readdir(d));)
                n += e->d_name[0] != '.';
        closedir(d);
        metric_set(&open_fds, NULL, (double)n - 1); /* without the listing's own */
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
                metric_set(&max_fds, NULL, (double)limit.rlim_cur);
}

/* The kernel tells it in ticks since the boot; taken once, so that a clock that is set moves it not
 * at every scrape. */
static void read_start(void) {
        static double start;
        struct timespec now, up;
        unsigned long long ticks = 0;
        FILE *f;

        if (!start && (f = fopen("/proc/self/stat", "re"))) {
                /* The second field is the name, in brackets: ours has no blank. */
                if (fscanf(f,
                           "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                           "%*s %*s %*s %*s %llu",
                           &ticks) != 1)
                        ticks = 0;
                fclose(f);
                clock_gettime(CLOCK_REALTIME, &now);
                clock_gettime(CLOCK_BOOTTIME, &up);
                start = (double)now.tv_sec - (double)up.tv_sec +
                        (double)(now.tv_nsec - up.tv_nsec) / 1e9 +
                        (double)ticks / (double)sysconf(_SC_CLK_TCK);
        }
        metric_set(&start_time, NULL, start);
}

void metric_process(void) {
        read_cpu();
        read_memory();
        read_descriptors();
        read_start();
}
