/* SPDX-License-Identifier: Apache-2.0 */
/* metric.c - counters, gauges and histograms; see metric.h
 *
 * Children are searched one after the other: a metric has a handful of them. */
#include "metric.h"

#include <math.h>
#include <stdlib.h>

#define BOUNDS_MAX 32 /* buckets of a histogram; Prometheus' own default has 11 */

struct metric_child {
        char *label;  /* NULL: the metric has none */
        double value; /* of a histogram the sum */
        uint64_t count;
        uint64_t buckets[BOUNDS_MAX];
};

static struct metric *all; /* sorted by name */

static void link_metric(struct metric *m) {
        struct metric **at = &all;

        if (m->linked)
                return;
        while (*at && strcmp((*at)->name, m->name) < 0)
                at = &(*at)->next;
        m->next = *at;
        *at = m;
        m->linked = true;
}

static struct metric_child *find_child(const struct metric *m, const char *label) {
        for (size_t i = 0; i < m->count; i++)
                if (str_eq(m->children[i].label, label))
                        return &m->children[i];
        return NULL;
}

static struct metric_child *child_of(struct metric *m, const char *label) {
        struct metric_child *c;

        link_metric(m);
        label = m->label ? (label ? label : "") : NULL;
        c = find_child(m, label);
        if (!c && label && m->count >= METRIC_CHILDREN_MAX - 1) {
                label = "other";
                c = find_child(m, label);
        }
        if (c)
                return c;
        m->children = mem_grow(m->children, &m->room, m->count + 1, sizeof(*m->children));
        c = &m->children[m->count++];
        c->label = str_dup(label);
        return c;
}

void metric_add(struct metric *m, const char *label, double by) {
        child_of(m, label)->value += by;
}

void metric_set(struct metric *m, const char *label, double to) {
        child_of(m, label)->value = to;
}

void metric_observe(struct metric *m, const char *label, double value) {
        struct metric_child *c = child_of(m, label);

        c->value += value;
        c->count++;
        for (size_t i = 0; i < BOUNDS_MAX && m->bounds && m->bounds[i]; i++)
                if (value <= m->bounds[i])
                        c->buckets[i]++;
}

double metric_value(const struct metric *m, const char *label) {
        const struct metric_child *c = find_child(m, m->label ? (label ? label : "") : NULL);

        return c ? c->value : 0;
}

/* Prometheus reads %g, "+Inf" and "NaN"; whole numbers in full. */
static void print_number(struct buf *out, double d) {
        if (isnan(d))
                buf_puts(out, "NaN");
        else if (isinf(d))
                buf_puts(out, d > 0 ? "+Inf" : "-Inf");
        else if (d == floor(d) && fabs(d) < 1e15)
                buf_printf(out, "%.0f", d);
        else
                buf_printf(out, "%.9g", d);
}

static void print_escaped(struct buf *out, const char *s, bool quotes) {
        for (; *s; s++) {
                if (*s == '\n')
                        buf_puts(out, "\\n");
                else if (*s == '\\' || (*s == '"' && quotes))
                        buf_printf(out, "\\%c", *s);
                else
                        buf_putc(out, *s);
        }
}

/* "name_suffix{label="x",le="0.5"} " */
static void print_head(struct buf *out, const struct metric *m, const struct metric_child *c,
                       const char *suffix, const char *le) {
        buf_printf(out, "%s%s", m->name, suffix);
        if (c->label || le)
                buf_putc(out, '{');
        if (c->label) {
                buf_printf(out, "%s=\"", m->label);
                print_escaped(out, c->label, true);
                buf_putc(out, '"');
        }
        if (le)
                buf_printf(out, "%sle=\"%s\"", c->label ? "," : "", le);
        if (c->label || le)
                buf_putc(out, '}');
        buf_putc(out, ' ');
}

static void print_histogram(struct buf *out, const struct metric *m, const struct metric_child *c) {
        for (size_t i = 0; i < BOUNDS_MAX && m->bounds && m->bounds[i]; i++) {
                cleanup_(buf_free) struct buf le = BUF_INIT;

                print_number(&le, m->bounds[i]);
                print_head(out, m, c, "_bucket", buf_str(&le));
                buf_printf(out, "%llu\n", (unsigned long long)c->buckets[i]);
        }
        print_head(out, m, c, "_bucket", "+Inf");
        buf_printf(out, "%llu\n", (unsigned long long)c->count);
        print_head(out, m, c, "_sum", NULL);
        print_number(out, c->value);
        buf_putc(out, '\n');
        print_head(out, m, c, "_count", NULL);
        buf_printf(out, "%llu\n", (unsigned long long)c->count);
}

static void print_metric(struct buf *out, const struct metric *m) {
        static const char *const types[] = { "counter", "gauge", "histogram" };

        buf_printf(out, "# HELP %s ", m->name);
        print_escaped(out, m->help, false);
        buf_printf(out, "\n# TYPE %s %s\n", m->name, types[m->type]);
        for (size_t i = 0; i < m->count; i++) {
                const struct metric_child *c = &m->children[i];

                if (m->type == METRIC_HISTOGRAM) {
                        print_histogram(out, m, c);
                        continue;
                }
                print_head(out, m, c, "", NULL);
                print_number(out, c->value);
                buf_putc(out, '\n');
        }
}

void metric_print(struct buf *out) {
        for (const struct metric *m = all; m; m = m->next)
                print_metric(out, m);
}

void metric_reset(void) {
        while (all) {
                struct metric *m = all;

                all = m->next;
                for (size_t i = 0; i < m->count; i++)
                        free(m->children[i].label);
                free(m->children);
                m->children = NULL;
                m->count = m->room = 0;
                m->linked = false;
                m->next = NULL;
        }
}
