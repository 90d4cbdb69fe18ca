/* SPDX-License-Identifier: Apache-2.0 */
/* metric.c - counters, gauges and histograms; see metric.h */
#include "metric.h"

#include <math.h>
#include <stdlib.h>

#define OTHER "other"
#define BOUNDS_MAX 32 /* buckets of a histogram; Prometheus' own default has 11 */

struct metric_child {
        char *values[METRIC_LABELS_MAX]; /* as many as the metric has labels */
        double value;                    /* of a histogram the sum */
        uint64_t count;
        uint64_t *buckets; /* of a histogram */
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

static size_t label_count(const struct metric *m) {
        size_t n = 0;

        while (n < METRIC_LABELS_MAX && m->labels[n].name)
                n++;
        return n;
}

static size_t value_len(const char *value) {
        return value ? strnlen(value, METRIC_VALUE_MAX) : 0;
}

#define KEY_MAX (METRIC_LABELS_MAX * (METRIC_VALUE_MAX + 1))

/* The values one after the other, each with its end. */
static size_t join(const struct metric *m, const char *const *values, char key[KEY_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < label_count(m); i++) {
                size_t len = value_len(values[i]);

                memcpy(key + n, values[i] ? values[i] : "", len);
                key[n + len] = '\0';
                n += len + 1;
        }
        return n;
}

static struct metric_child *find_child(const struct metric *m, const char *const *values) {
        char key[KEY_MAX];
        size_t n = join(m, values, key);
        uintptr_t at = (uintptr_t)map_find_bytes(&m->index, key, n);

        return at ? &m->children[at - 1] : NULL;
}

/* VALUE, or "other" when the label has as many of its own as it may. */
static const char *admit(struct metric_label *l, const char *value) {
        size_t n = value_len(value);
        char *own;

        if (!l->max)
                return value;
        own = map_find_bytes(&l->own, value, n);
        if (own)
                return own;
        if (l->own.count == l->max)
                return OTHER;
        own = str_ndup(value, n);
        map_set_bytes(&l->own, value, n, own);
        return own;
}

static struct metric_child *new_child(struct metric *m, const char *const *values) {
        struct metric_child *c;
        char key[KEY_MAX];
        size_t n = join(m, values, key);

        m->children = mem_grow(m->children, &m->room, m->count + 1, sizeof(*m->children));
        c = &m->children[m->count++];
        map_set_bytes(&m->index, key, n, (void *)(uintptr_t)m->count);
        *c = (struct metric_child){ 0 };
        for (size_t i = 0; i < label_count(m); i++)
                c->values[i] = str_ndup(values[i] ? values[i] : "", value_len(values[i]));
        if (m->type == METRIC_HISTOGRAM)
                c->buckets = mem_alloc(BOUNDS_MAX * sizeof(*c->buckets));
        return c;
}

static struct metric_child *child_of(struct metric *m, const char *const *values) {
        const char *own[METRIC_LABELS_MAX] = { 0 };
        struct metric_child *c;

        link_metric(m);
        c = find_child(m, values);
        if (c)
                return c;
        for (size_t i = 0; i < label_count(m); i++)
                own[i] = m->count < METRIC_CHILDREN_MAX - 1
                                 ? admit(&m->labels[i], values[i] ? values[i] : "")
                                 : OTHER;
        c = find_child(m, own);
        return c ? c : new_child(m, own);
}

void metric_add(struct metric *m, const char *const *labels, double by) {
        child_of(m, labels)->value += by;
}

void metric_set(struct metric *m, const char *const *labels, double to) {
        child_of(m, labels)->value = to;
}

void metric_observe(struct metric *m, const char *const *labels, double value) {
        struct metric_child *c = child_of(m, labels);

        c->value += value;
        c->count++;
        for (size_t i = 0; i < BOUNDS_MAX && m->bounds && m->bounds[i]; i++)
                if (value <= m->bounds[i])
                        c->buckets[i]++;
}

double metric_value(const struct metric *m, const char *const *labels) {
        const struct metric_child *c = find_child(m, labels);

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
                buf_printf(out, "%.15g", d);
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
        size_t n = label_count(m);

        buf_printf(out, "%s%s", m->name, suffix);
        for (size_t i = 0; i < n; i++) {
                buf_printf(out, "%c%s=\"", i ? ',' : '{', m->labels[i].name);
                print_escaped(out, c->values[i], true);
                buf_putc(out, '"');
        }
        if (le)
                buf_printf(out, "%cle=\"%s\"", n ? ',' : '{', le);
        if (n || le)
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

void metric_clear(struct metric *m) {
        for (size_t i = 0; i < m->count; i++) {
                for (size_t k = 0; k < METRIC_LABELS_MAX; k++)
                        free(m->children[i].values[k]);
                free(m->children[i].buckets);
        }
        m->count = 0;
        map_free(&m->index);
        for (size_t k = 0; k < METRIC_LABELS_MAX; k++)
                map_free_with(&m->labels[k].own, free);
}

void metric_reset(void) {
        while (all) {
                struct metric *m = all;

                all = m->next;
                metric_clear(m);
                free(m->children);
                m->children = NULL;
                m->room = 0;
                m->linked = false;
                m->next = NULL;
        }
}
