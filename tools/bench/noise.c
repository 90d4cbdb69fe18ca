/* SPDX-License-Identifier: Apache-2.0 */
/* noise.c - how often this machine makes a short piece of work long: the floor of `handlers`
 *
 *      noise SECONDS LIMIT-MS
 *
 * Adds up for SECONDS of processor time in pieces of UNIT_MS with a pause after each, as a loop of
 * handlers does, and prints how many of them were at work for longer than LIMIT-MS by the clock of
 * the thread. A host that gives the processor to another machine, and one that makes it slow,
 * count as work in that clock: no program can tell them apart. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define UNIT_MS 2
#define PAUSE_US 500

static int64_t ran_us(void) {
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t add_up(int64_t n) {
        volatile int64_t sum = 0;
        int64_t began = ran_us();

        for (int64_t i = 0; i < n; i++)
                sum = sum + i;
        return ran_us() - began;
}

/* How many additions take UNIT_MS, by the quickest of some tries. */
static int64_t calibrate(void) {
        const int64_t n = 1000000;
        int64_t best = INT64_MAX;

        for (int i = 0; i < 20; i++) {
                int64_t took = add_up(n);

                best = took < best ? took : best;
        }
        return n * UNIT_MS * 1000 / (best > 0 ? best : 1);
}

int main(int argc, char **argv) {
        int64_t n = calibrate(), limit, end, longest = 0;
        int above = 0, units = 0;

        if (argc != 3) {
                fprintf(stderr, "noise SECONDS LIMIT-MS\n");
                return 2;
        }
        limit = (int64_t)(strtod(argv[2], NULL) * 1000);
        end = ran_us() + (int64_t)(strtod(argv[1], NULL) * 1e6);
        while (ran_us() < end) {
                int64_t took = add_up(n);

                units++;
                above += took > limit;
                longest = took > longest ? took : longest;
                nanosleep(&(struct timespec){ .tv_nsec = PAUSE_US * 1000L }, NULL);
        }
        printf("%d of %d %.1f\n", above, units, (double)longest / 1e3);
        return 0;
}
