/* SPDX-License-Identifier: Apache-2.0 */
/* store-metrics.c - what the store thread did, and how it stands, for metrics
 *
 * The store thread leaves its figures in the batch that goes back to the loop, which alone writes
 * metrics. */
#include "store-private.h"

#include "metric.h"

#include <sys/stat.h>

static const double commit_bounds[] = { 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                        0.1,    0.25,  0.5,    1,     2.5,  0 };
static const double group_bounds[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 0 };

static struct metric commits = { .name = "mooring_store_commits_total",
                                 .help = "Groups of writes that were committed",
                                 .type = METRIC_COUNTER };
static struct metric commit_time = { .name = "mooring_store_commit_seconds",
                                     .help = "From a group's being taken up until it was durable",
                                     .type = METRIC_HISTOGRAM,
                                     .bounds = commit_bounds };
static struct metric group_size = { .name = "mooring_store_group_size",
                                    .help = "Writes that were committed together",
                                    .type = METRIC_HISTOGRAM,
                                    .bounds = group_bounds };
static struct metric shed = { .name = "mooring_store_history_shed_total",
                              .help = "Lines of history (drift, status) that were not kept because "
                                      "the disk was full",
                              .type = METRIC_COUNTER };
static struct metric waiting = { .name = "mooring_store_calls_waiting",
                                 .help = "Writes that the store has not taken up",
                                 .type = METRIC_GAUGE };
static struct metric read_only = { .name = "mooring_store_read_only",
                                   .help = "1 while the state folder cannot be written: commands "
                                           "are refused and nothing is repaired",
                                   .type = METRIC_GAUGE };
static struct metric file_size = { .name = "mooring_store_file_bytes",
                                   .help = "Size of the store's files on disk",
                                   .type = METRIC_GAUGE,
                                   .labels = { { "file" } } };

void store_note_batch(const struct batch *b) {
        metric_add(&shed, NULL, (double)b->shed);
        if (!b->group_calls)
                return;
        metric_add(&commits, NULL, 1);
        metric_observe(&commit_time, NULL, (double)b->group_us / 1e6);
        metric_observe(&group_size, NULL, (double)b->group_calls);
}

static void measure(const struct store *s, const char *file) {
        cleanup_(freep) char *path = str_format("%s/%s", s->state_dir, file);
        struct stat st;

        metric_set(&file_size, LABELS(file), stat(path, &st) == 0 ? (double)st.st_size : 0);
}

void store_metrics(struct store *s) {
        static const char *const files[] = { "model.db", "model.db-wal", "cache.db",
                                             "cache.db-wal" };

        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                measure(s, files[i]);
        metric_set(&waiting, NULL, (double)store_waiting(s));
        metric_set(&read_only, NULL, store_is_readonly(s));
}
