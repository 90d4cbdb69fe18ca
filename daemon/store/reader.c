/* SPDX-License-Identifier: Apache-2.0 */
/* reader.c - the read thread: what waits is read in one transaction, on a connection that cannot
 * write
 *
 * So a long listing holds up no write. A call sees all that was written before it came: the
 * transaction begins after its last call came. An error of the engine ends that read only. */
#include "store-private.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>

#define READS_AT_ONCE 8 /* handed back to the loop together: the first of them waits for the last */

static int begin_reads(struct store *s, struct err *err) {
        cache_follow(s->read_cache, s->write_cache);
        return s->engine->begin(s->read, err);
}

static void end_reads(struct store *s) {
        cache_rollback(s->read_cache);
        s->engine->rollback(s->read);
}

static int run_read(struct store *s, struct store_call *c) {
        struct tx_memory memory = {};
        struct tx tx = { .store = s,
                         .engine = s->engine,
                         .connection = s->read,
                         .cache = s->read_cache,
                         .memory = &memory,
                         .now = clock_wall() };
        int r = c->run(&tx, c, &c->err);

        if (tx.lost) {
                r = tx.lost;
                c->err = tx.lost_err;
        }
        tx_memory_free(&memory);
        return r;
}

/* After a loss the transaction may be gone: the rest gets one of its own. */
static void run_reads(struct store *s, struct list *calls) {
        bool begun = false;

        list_each(l, calls) {
                struct store_call *c = list_entry(l, struct store_call, link);

                c->result = begun ? 0 : begin_reads(s, &c->err);
                begun = c->result == 0;
                if (begun)
                        c->result = run_read(s, c);
                if (tx_is_loss(c->result)) {
                        end_reads(s);
                        begun = false;
                }
        }
        end_reads(s);
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
                run_reads(s, &taken);
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
