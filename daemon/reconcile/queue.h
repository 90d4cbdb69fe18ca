/* SPDX-License-Identifier: Apache-2.0 */
/* queue.h - the keyed work queue: what is dirty, once each, in order of urgency, with a back-off
 * of its own
 *
 * A key is (kind, id). Adding a key that waits raises its urgency at most; adding one that is
 * being worked on makes it run once more after. The handler owns a key from its call to
 * queue_done. Level-triggered: an add carries no work. */
#pragma once

#include "list.h"
#include "loop.h"
#include "map.h"

enum queue_priority {
        QUEUE_DRIFT,  /* deletion and drift before ... */
        QUEUE_CHANGE, /* ... what a person or a charm changed, before ... */
        QUEUE_FIRST,  /* ... first convergence, before ... */
        QUEUE_AUDIT,  /* ... looking again at what is in place */
        QUEUE_PRIORITY_MAX
};

#define QUEUE_BACKOFF_FIRST_MS 500
#define QUEUE_BACKOFF_MAX_MS 60000 /* what keeps failing is tried once a minute */

struct queue;
struct queue_key {
        int kind;
        int64_t id;
};
/* Called from the loop, one at a time, while fewer than the kind's limit are being worked on. */
typedef void queue_handler(void *arg, struct queue_key key);
/* A key was taken that was ready for so long; or failed (WAITED_US -1). For metrics. */
typedef void queue_tell(int kind, int64_t waited_us);

int queue_new(struct loop *l, queue_handler *handler, void *arg, struct queue **ret);
void queue_tell_to(struct queue *q, queue_tell *tell);
struct queue *queue_free(struct queue *q);
/* At most N keys of KIND are taken at once. Kinds are small numbers below QUEUE_KINDS_MAX. */
#define QUEUE_KINDS_MAX 8
void queue_limit(struct queue *q, int kind, size_t n);
/* While drift is found (the last one so short a time ago) all that is less urgent begins one by
 * one: when nothing of its kind is out, or so long after the one before, so that what is slow holds
 * up nothing. The next drift would wait at the outside behind all that was sent before it, where no
 * order of ours counts: a thousand actions went a tenth slower than with 8 out at once, and repairs
 * beside them took half the time (bench actions). That something was seen does not count: most of
 * it is the echo of our own writes. */
#define QUEUE_DRIFT_MS 1000
#define QUEUE_DRIFT_STEP_MS 20
void queue_drift(struct queue *q, int kind);
/* The key stays taken but leaves its place to another: what is left to do for it (a save) does not
 * use what the limit protects. So many at most, because each holds its documents in memory; then
 * no other of the kind is taken. */
#define QUEUE_YIELDED_MAX 256
void queue_yield(struct queue *q, int kind, int64_t id);
void queue_add(struct queue *q, int kind, int64_t id, enum queue_priority p);
/* At the earliest at that time (clock_mono); an earlier queue_add wins. */
void queue_add_at(struct queue *q, int kind, int64_t id, enum queue_priority p, int64_t at);
/* What the key is made from was changed, by a commit: it runs at AT (0: now), whatever its back-off
 * is; when it is being worked on, once more after, also when that fails again. Only for what the
 * work itself does not commit when it fails: else it would run without a rest. */
void queue_change(struct queue *q, int kind, int64_t id, int64_t at);
/* As queue_add_at, but what failed does not come back before its back-off is over: for news that
 * come in numbers. */
void queue_touch(struct queue *q, int kind, int64_t id, enum queue_priority p, int64_t at);
/* The handler (or what it started) is through with the key. DONE: it went well, the back-off is
 * forgotten. REST: nothing was tried, the back-off stays. FAILED: again after the key's back-off,
 * which grows. */
void queue_done(struct queue *q, int kind, int64_t id);
void queue_rest(struct queue *q, int kind, int64_t id);
int64_t queue_failed(struct queue *q, int kind, int64_t id,
                     enum queue_priority p); /* when it will be tried, clock_mono */
/* As queue_failed, but not before AT (Retry-After). */
int64_t queue_failed_until(struct queue *q, int kind, int64_t id, enum queue_priority p,
                           int64_t at);
/* For `why` and status: when the key runs next (0: not waiting) and how often it failed in a
 * row. */
int64_t queue_next(const struct queue *q, int kind, int64_t id, int *ret_failures);
size_t queue_waiting(const struct queue *q); /* ready to run now */
size_t queue_busy(const struct queue *q);    /* being worked on */
/* For metrics: keys of KIND. */
struct queue_figures {
        size_t ready, busy, failing; /* failing: their last try went wrong */
        int64_t oldest_ms;           /* how long one has been ready */
};
void queue_figures(const struct queue *q, int kind, struct queue_figures *ret);
bool queue_idle(const struct queue *q); /* nothing ready and nothing being worked on */
