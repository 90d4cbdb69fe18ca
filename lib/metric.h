/* SPDX-License-Identifier: Apache-2.0 */
/* metric.h - counters, gauges and histograms, printed in Prometheus' text format
 *
 * A metric is a static object that links itself on first use; one thread (the loop) writes them.
 * Labels are a fixed, short list of values kept as children. */
#pragma once

#include "buf.h"

#define METRIC_CHILDREN_MAX 256 /* label sets of one metric; further ones count under "other" */

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
        const char *name; /* "mooring_repairs_total" */
        const char *help;
        enum metric_type type;
        const char *label;      /* name of its one label, or NULL */
        const double *bounds;   /* METRIC_HISTOGRAM, rising, ended by 0 */
        struct metric *next;    /* private from here */
        struct metric_child *children;
        size_t count, room;
        bool linked;
};

void metric_add(struct metric *m, const char *label, double by);
void metric_set(struct metric *m, const char *label, double to);
void metric_observe(struct metric *m, const char *label, double value);
double metric_value(const struct metric *m, const char *label); /* 0 when never touched */
void metric_print(struct buf *out); /* every linked metric, by name */
void metric_reset(void);            /* frees all children: tests, and the end of main */
