/* SPDX-License-Identifier: Apache-2.0 */
/* reader.c - the read thread: each read in a transaction of its own, on a connection that cannot
 * write
 *
 * So a long listing holds up no write. An error of the engine ends that read only. */
#include "store-private.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>

#define READS_AT_ONCE 8 /* handed back to the loop together: the first of them waits for the last */

static int run_read(struct store *s, struct store_call *c) {
        struct tx_memory memory = {};
        struct tx tx = { .store = s,
                         .engine = s->engine,
                         .connection = s->read,
                         .cache = s->read_cache,
                         .memory = &memory,
                         .now = clock_wall() };
        int r;

        cache_follow(s->read_cache, s->write_cache);
        r = s->engine->begin(s->read, &c->err);
        if (r == 0)
                r = c->run(&tx, c, &c->err);
        s->engine->rollback(s->read);
        if (tx.lost) {
                r = tx.lost;
                c->err = tx.lost_err;
        }
        tx_memory_free(&memory);
        return r;
}

static size_t take_reads(struct store *s, struct list *to) {
        struct list *l;
        size_t n = 0;

        while (n < READS_AT_ONCE && (l = list_pop(&s->reads))) {
                list_append(to, l);
                n++;
        }
        return n;
}

void *reader_thread(void *arg) {
        struct store *s = arg;

        pthread_setname_np(pthread_self(), "store-read");
        pthread_mutex_lock(&s->lock);
        for (;;) {
                struct list taken = LIST_INIT(taken);
                struct batch *b;

                while (list_empty(&s->reads) && !s->closing)
                        pthread_cond_wait(&s->wake_reader, &s->lock);
                if (take_reads(s, &taken) == 0)
                        break;
                pthread_mutex_unlock(&s->lock);
                list_each(l, &taken) {
                        struct store_call *c = list_entry(l, struct store_call, link);

                        c->result = run_read(s, c);
                }
                b = batch_new();
                pthread_mutex_lock(&s->lock);
                list_each(l, &taken) {
                        struct store_call *c = list_entry(l, struct store_call, link);

                        list_unlink(l);
                        batch_end_call(s, b, c, c->result);
                }
                batch_send(s, b);
        }
        pthread_mutex_unlock(&s->lock);
        return NULL;
}
