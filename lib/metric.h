/* SPDX-License-Identifier: Apache-2.0 */
/* metric.h - counters, gauges and histograms, printed in Prometheus' text format
 *
 * A metric is a static object that links itself on first use; one thread (the loop) writes them.
 * Values of its labels come as LABELS("a", "b"), one for each name; a metric without labels takes
 * NULL. Each set of values is a child and a series of its own, so both have limits: what others
 * choose (who wrote, what a type is called) must not fill our memory, nor Prometheus'. */
#pragma once

#include "buf.h"
#include "map.h"

#define METRIC_LABELS_MAX 3
/* Label sets of one metric, unless it says less; further ones count under "other" in all labels:
 * 100 kB of text for the fullest metric. */
#define METRIC_CHILDREN_MAX 1024
#define METRIC_VALUE_MAX 128 /* bytes of one value, as of a field manager; longer ones are cut */

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_label {
        const char *name;
        size_t max; /* values of its own, further ones are "other"; 0: only METRIC_CHILDREN_MAX */
        struct map own; /* private: these, by name */
};

struct metric {
        const char *name; /* "mooring_repairs_total" */
        const char *help;
        enum metric_type type;
        const double *bounds; /* METRIC_HISTOGRAM, rising, ended by 0 */
        struct metric_label labels[METRIC_LABELS_MAX];
        struct metric *next; /* private from here */
        struct metric_child *children;
        struct map index; /* of the children by their values: their place, from 1 on */
        size_t count, room;
        bool linked;
};

#define LABELS(...) ((const char *const[METRIC_LABELS_MAX]){ __VA_ARGS__ })

void metric_add(struct metric *m, const char *const *labels, double by);
void metric_set(struct metric *m, const char *const *labels, double to);
void metric_observe(struct metric *m, const char *const *labels, double value);
/* 0 when never touched; of a histogram the sum. */
double metric_value(const struct metric *m, const char *const *labels);
/* Forgets all children: gauges that are gathered anew, whose subjects may be gone. */
void metric_clear(struct metric *m);
void metric_print(struct buf *out); /* every linked metric, by name */
void metric_reset(void);            /* frees all children: tests, and the end of main */

/* metric-process.c: the gauges that every Prometheus client library has (process_cpu_seconds_total
 * and the like), read from /proc now. */
void metric_process(void);
