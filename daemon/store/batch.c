/* SPDX-License-Identifier: Apache-2.0 */
/* batch.c - the way back: calls that ended together, with the marks of their transaction, to the
 * loop
 *
 * A batch is delivered in order: what changed of read-only first, then each mark once, then each
 * call's done, for so long a turn of the loop as DELIVER_US says. The loop is posted to at most
 * once at a time, with a mailbox that outlives the store when the loop never runs again. */
#include "store-private.h"

#include "clock.h"

#include <stdlib.h>

#define LOOK_EVERY 64   /* marks between two looks at the clock */
#define DELIVER_US 1000 /* each done may start work of its own: together they hold no turn long */

/* Mailboxes whose store is gone while a post is still on its way; the post frees them. */
static struct mailbox *orphans;

struct batch *batch_new(void) {
        struct batch *b = mem_new(struct batch);

        list_init(&b->link);
        list_init(&b->calls);
        return b;
}

void batch_free(struct batch *b) {
        free(b->marks);
        free(b);
}

void batch_end_call(struct store *s, struct batch *b, struct store_call *c, int r) {
        c->result = r;
        if (c->now) {
                c->finished = true;
                pthread_cond_broadcast(&s->ended);
        } else {
                list_append(&b->calls, &c->link);
        }
}

static int compare_marks(const void *a, const void *b) {
        const struct tx_dirty *x = a;
        const struct tx_dirty *y = b;

        if (x->kind != y->kind)
                return x->kind < y->kind ? -1 : 1;
        return (x->id > y->id) - (x->id < y->id);
}

void batch_sort_marks(struct batch *b) {
        size_t n = 0;

        if (b->n_marks)
                qsort(b->marks, b->n_marks, sizeof(*b->marks), compare_marks);
        for (size_t i = 0; i < b->n_marks; i++)
                if (i == 0 || compare_marks(&b->marks[n - 1], &b->marks[i]) != 0)
                        b->marks[n++] = b->marks[i];
        b->n_marks = n;
}

/* Whether all are told; else the turn of the loop is over. */
static bool tell_marks(struct store *s, struct batch *b, int64_t until) {
        while (s->options.mark && b->told < b->n_marks) {
                const struct tx_dirty *m = &b->marks[b->told++];

                s->options.mark(s->options.arg, m->kind, m->id);
                if (b->told % LOOK_EVERY == 0 && clock_mono_us() >= until)
                        return b->told == b->n_marks;
        }
        return true;
}

static void tell_call(struct store_call *c) {
        char *answer = c->answer;
        struct err err = {};

        if (c->result < 0)
                err = c->err;
        c->done(c, c->result, &err); /* frees C */
        free(answer);
}

/* What a batch tells before its calls are done, once. */
static bool tell_head(struct store *s, struct batch *b, int64_t until) {
        store_note_batch(b);
        b->group_calls = b->shed = 0;
        if (b->tells && s->options.readonly)
                s->options.readonly(s->options.arg, b->readonly, b->why);
        b->tells = false;
        return tell_marks(s, b, until);
}

static struct batch *first_batch(struct store *s) {
        struct batch *b = NULL;

        pthread_mutex_lock(&s->lock);
        if (!list_empty(&s->finished))
                b = list_entry(s->finished.next, struct batch, link);
        pthread_mutex_unlock(&s->lock);
        return b;
}

/* Only the loop takes from the front: what was first stays first. NULL: none is left, or the turn
 * is over. */
static struct store_call *next_call(struct store *s, int64_t until) {
        struct batch *b;
        struct list *l;

        while ((b = first_batch(s))) {
                if (!tell_head(s, b, until))
                        return NULL;
                l = list_pop(&b->calls);
                if (list_empty(&b->calls)) {
                        pthread_mutex_lock(&s->lock);
                        list_unlink(&b->link);
                        pthread_mutex_unlock(&s->lock);
                        batch_free(b);
                }
                if (!l)
                        continue;
                atomic_fetch_sub(&s->unanswered, 1);
                return list_entry(l, struct store_call, link);
        }
        return NULL;
}

static void forget_orphan(struct mailbox *m) {
        struct mailbox **p = &orphans;

        while (*p != m)
                p = &(*p)->next_orphan;
        *p = m->next_orphan;
        free(m);
}

static void on_loop(void *arg);

static void post(struct store *s) {
        s->posted = true;
        loop_post(s->loop, "store", on_loop, s->mailbox);
}

/* Whether more is to come; then the loop is posted to, and with it the mailbox stays. */
static bool post_rest(struct store *s) {
        bool more;

        pthread_mutex_lock(&s->lock);
        more = !list_empty(&s->finished);
        if (more && !s->posted)
                post(s);
        pthread_mutex_unlock(&s->lock);
        return more;
}

static void on_loop(void *arg) {
        struct mailbox *m = arg;
        struct store *s = m->store;
        int64_t until = clock_mono_us() + DELIVER_US;
        struct store_call *c;
        bool more = true;

        if (!s) {
                forget_orphan(m);
                return;
        }
        pthread_mutex_lock(&s->lock);
        s->posted = false;
        pthread_mutex_unlock(&s->lock);
        /* Posted before the delivery: a done may close the store. */
        while (more && (c = next_call(s, until))) {
                more = post_rest(s);
                loop_doing(s->loop, c->name);
                tell_call(c);
                if (!more || !m->store || clock_mono_us() >= until)
                        return;
        }
        post_rest(s);
}

void batch_send(struct store *s, struct batch *b) {
        if (list_empty(&b->calls) && b->n_marks == 0 && !b->tells) {
                batch_free(b);
                return;
        }
        list_append(&s->finished, &b->link);
        if (!s->posted)
                post(s);
}

void batch_deliver_all(struct store *s) {
        struct store_call *c;

        while ((c = next_call(s, INT64_MAX)))
                tell_call(c);
}

struct mailbox *batch_mailbox_new(struct store *s) {
        struct mailbox *m = mem_new(struct mailbox);

        m->store = s;
        return m;
}

void batch_mailbox_close(struct store *s) {
        struct mailbox *m = s->mailbox;

        m->store = NULL;
        if (s->posted) {
                m->next_orphan = orphans;
                orphans = m;
        } else {
                free(m);
        }
        s->mailbox = NULL;
}
