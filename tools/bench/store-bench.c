/* SPDX-License-Identifier: Apache-2.0 */
/* store-bench.c - acknowledged writes a second, in groups and one commit each, in the same run
 *
 *     store-bench [--rounds N] [--seconds S] [--clients N] [--sync-us N]
 *
 * Clients write one after the other, each waiting for its answer: a setting with a request id,
 * as a command of the command line does. Each sync is real, and delayed to at least --sync-us by
 * the VFS of the tests. The two ways alternate; printed are the medians, their ratio, and the
 * syncs that each write cost. Figures of the issue: at least 2,000 a second with 8 clients and 2
 * ms, p99 at most 20 ms. */
#include "queries.gen.h"
#include "store.h"
#include "vfs-test.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#define LATENCIES_MAX 2000000
#define ROUNDS_MAX 99

struct setting {
        int64_t rounds, seconds, clients, sync_us;
};

struct bench {
        struct loop *loop;
        struct store *store;
        int64_t ends_at; /* clock_mono */
        int running, failed;
        int64_t *latencies;
        size_t n;
};

struct client {
        struct store_call call;
        struct bench *bench;
        int64_t number, turn, started_us;
};

struct result {
        double per_second, p50, p99, syncs;
};

static int run_write(struct tx *tx, struct store_call *call, struct err *err) {
        struct client *c = call->arg;
        struct w_setting_set_in in = { .name = tx_format(tx, "bench.%lld", (long long)c->number),
                                       .value = tx_format(tx, "%lld", (long long)c->turn) };

        tx_mark(tx, MARK_APPLICATION, c->number);
        return w_setting_set(tx, &in, err);
}

static void submit(struct client *c);

static void on_done(struct store_call *call, int r, const struct err *err) {
        struct client *c = call->arg;
        struct bench *b = c->bench;

        if (r < 0) {
                fprintf(stderr, "store-bench: %s\n", err_text(err));
                b->failed++;
        }
        if (b->n < LATENCIES_MAX)
                b->latencies[b->n++] = clock_mono_us() - c->started_us;
        if (r >= 0 && clock_mono() < b->ends_at)
                submit(c);
        else if (--b->running == 0)
                loop_stop(b->loop, 0);
}

static void submit(struct client *c) {
        c->call = (struct store_call){
                .run = run_write, .done = on_done, .arg = c, .actor = "bench"
        };
        snprintf(c->call.request, sizeof(c->call.request), "bench-%lld-%lld-%lld",
                 (long long)c->bench->ends_at, (long long)c->number, (long long)c->turn++);
        c->started_us = clock_mono_us();
        store_submit(c->bench->store, &c->call);
}

static int compare(const void *a, const void *b) {
        int64_t x = *(const int64_t *)a;
        int64_t y = *(const int64_t *)b;

        return (x > y) - (x < y);
}

static int compare_doubles(const void *a, const void *b) {
        double x = *(const double *)a;
        double y = *(const double *)b;

        return (x > y) - (x < y);
}

static void measure(struct bench *b, const struct setting *o, struct result *ret) {
        cleanup_(freep) struct client *clients = mem_array(struct client, o->clients);
        int64_t start = clock_mono_us();
        int64_t syncs = vfs_test_syncs();
        double seconds;

        b->n = 0;
        b->ends_at = clock_mono() + o->seconds * 1000;
        b->running = o->clients;
        for (int64_t i = 0; i < o->clients; i++) {
                clients[i] = (struct client){ .bench = b, .number = i };
                submit(&clients[i]);
        }
        loop_run(b->loop);
        seconds = (clock_mono_us() - start) / 1e6;
        qsort(b->latencies, b->n, sizeof(*b->latencies), compare);
        *ret = (struct result){ .per_second = b->n / seconds,
                                .p50 = b->latencies[b->n / 2] / 1e3,
                                .p99 = b->latencies[b->n * 99 / 100] / 1e3,
                                .syncs = (double)(vfs_test_syncs() - syncs) / b->n };
}

static int one_way(struct bench *b, const struct setting *o, size_t group_max, struct result *ret) {
        char dir[] = "/var/tmp/store-bench-XXXXXX"; /* a disk: /tmp may be memory */
        cleanup_(freep) char *clean = NULL;
        struct store_options options = { .state_dir = dir, .group_max = group_max };
        struct err err = {};

        if (!mkdtemp(dir))
                return -errno;
        vfs_test_delay(0);
        if (loop_new(&b->loop, &err) < 0 || store_open(b->loop, &options, &b->store, &err) < 0) {
                fprintf(stderr, "store-bench: %s\n", err_text(&err));
                return err.code;
        }
        vfs_test_delay(o->sync_us);
        measure(b, o, ret);
        vfs_test_delay(0);
        b->store = store_close(b->store);
        b->loop = loop_free(b->loop);
        clean = str_format("rm -rf %s", dir);
        return system(clean) == 0 && !b->failed ? 0 : -EIO;
}

static double median(const struct result *r, size_t n, size_t offset) {
        double values[ROUNDS_MAX];

        for (size_t i = 0; i < n; i++)
                values[i] = *(const double *)((const char *)&r[i] + offset);
        qsort(values, n, sizeof(*values), compare_doubles);
        return values[n / 2];
}

#define MEDIAN(r, n, member) median(r, n, offsetof(struct result, member))

static void print(const char *name, const struct result *r, size_t n) {
        printf("%-16s %8.0f /s   p50 %6.2f ms   p99 %6.2f ms   %.2f syncs a write\n", name,
               MEDIAN(r, n, per_second), MEDIAN(r, n, p50), MEDIAN(r, n, p99), MEDIAN(r, n, syncs));
}

static bool read_setting(int argc, char **argv, struct setting *o) {
        static const struct option options[] = {
                { "rounds", required_argument, NULL, 0 },
                { "seconds", required_argument, NULL, 1 },
                { "clients", required_argument, NULL, 2 },
                { "sync-us", required_argument, NULL, 3 },
                {},
        };
        int64_t *places[] = { &o->rounds, &o->seconds, &o->clients, &o->sync_us };
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
                if (c > 3 || !str_to_int(optarg, places[c]) || *places[c] < (c == 3 ? 0 : 1))
                        return false;
        }
        return optind == argc && o->rounds <= ROUNDS_MAX;
}

int main(int argc, char **argv) {
        struct setting o = { .rounds = 5, .seconds = 2, .clients = 8, .sync_us = 2000 };
        struct result grouped[ROUNDS_MAX], single[ROUNDS_MAX];
        struct bench b = {};
        int r = 0;

        if (!read_setting(argc, argv, &o)) {
                fprintf(stderr, "usage: store-bench [--rounds N] [--seconds S] [--clients N] "
                                "[--sync-us N]\n");
                return 2;
        }
        log_set_level(LOG_WARNING);
        vfs_test_install();
        b.latencies = mem_array(int64_t, LATENCIES_MAX);
        for (int64_t i = 0; i < o.rounds && r == 0; i++) {
                r = one_way(&b, &o, 0, &grouped[i]);
                if (r == 0)
                        r = one_way(&b, &o, 1, &single[i]);
        }
        free(b.latencies);
        if (r < 0)
                return 1;
        printf("%lld clients, each sync at least %.1f ms, median of %lld rounds of %lld s\n",
               (long long)o.clients, o.sync_us / 1e3, (long long)o.rounds, (long long)o.seconds);
        print("grouped", grouped, o.rounds);
        print("one commit each", single, o.rounds);
        printf("ratio            %8.2f\n",
               MEDIAN(grouped, o.rounds, per_second) / MEDIAN(single, o.rounds, per_second));
        return 0;
}
