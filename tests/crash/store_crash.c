/* SPDX-License-Identifier: Apache-2.0 */
/* store_crash.c - a writer that is killed at random instants: every acknowledged write is there
 *
 *     store_crash [ROUNDS [SEED]]
 *
 * Each round starts this program again as the writer. For each write that is acknowledged it
 * sends one record down a pipe; the parent kills it -9 after a random number of records and a
 * random while, opens the store itself, and looks for all that was acknowledged in this and all
 * earlier rounds. No id may come twice, and a request that was answered is answered the same
 * again. kill -9 says nothing about power cuts: tests/unit/store/test_store_disk.c does. */
#include "queries.gen.h"
#include "store.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 30
#define CLIENTS 8           /* calls in flight: so that groups are torn, not single writes */
#define RECORDS_MAX 400     /* of a round before the kill */
#define KILL_WITHIN_US 3000 /* after the last of them */
#define ROUND_DEADLINE_S 60 /* a writer that says nothing for so long hangs */

struct record {
        int64_t id;
        char request[24];
};

struct client {
        struct store_call call;
        struct store *store;
        int number, turn, round, pipe;
};

/* ---- the writer */

static void submit(struct client *c);

static int run_write(struct tx *tx, struct store_call *call, struct err *err) {
        int64_t id = tx_id(tx, "leftover");
        struct w_leftover_insert_in in = { .id = id,
                                           .model = "crash",
                                           .application = "a",
                                           .type = "t",
                                           .path = call->request,
                                           .why = "w",
                                           .at = tx_now(tx) };

        tx_answer(call, &id, sizeof(id));
        return w_leftover_insert(tx, &in, err);
}

static void on_done(struct store_call *call, int r, const struct err *err) {
        struct client *c = call->arg;
        struct record record = {};

        if (r < 0) {
                fprintf(stderr, "writer: %s\n", err_text(err));
                _exit(1);
        }
        memcpy(&record.id, call->answer, sizeof(record.id));
        str_copy(record.request, sizeof(record.request), call->request);
        if (write(c->pipe, &record, sizeof(record)) != sizeof(record))
                _exit(1);
        submit(c);
}

static void submit(struct client *c) {
        c->call = (struct store_call){
                .run = run_write, .done = on_done, .arg = c, .actor = "crash"
        };
        snprintf(c->call.request, sizeof(c->call.request), "%d-%d-%d", c->round, c->number,
                 c->turn++);
        store_submit(c->store, &c->call);
}

static int write_for_ever(const char *dir, int round, int pipe_fd) {
        static struct client clients[CLIENTS];
        struct store_options o = { .state_dir = dir };
        struct loop *l = NULL;
        struct store *s = NULL;
        struct err err = {};

        log_set_level(LOG_ERR);
        if (loop_new(&l, &err) < 0 || store_open(l, &o, &s, &err) < 0) {
                fprintf(stderr, "writer: %s\n", err_text(&err));
                return 1;
        }
        for (int i = 0; i < CLIENTS; i++) {
                clients[i] =
                        (struct client){ .store = s, .number = i, .round = round, .pipe = pipe_fd };
                submit(&clients[i]);
        }
        return loop_run(l);
}

/* ---- the parent */

struct history {
        struct record *records;
        size_t n, room;
};

static pid_t start_writer(const char *self, const char *dir, int round, int *ret_fd) {
        cleanup_(freep) char *number = str_format("%d", round);
        cleanup_(freep) char *fd = NULL;
        int ends[2];
        pid_t pid;

        if (pipe(ends) < 0)
                return -1;
        fd = str_format("%d", ends[1]);
        pid = fork();
        if (pid == 0) {
                close(ends[0]);
                execl(self, self, "--write", dir, number, fd, (char *)NULL);
                _exit(127);
        }
        close(ends[1]);
        *ret_fd = ends[0];
        return pid;
}

static bool read_record(int fd, struct record *ret) {
        size_t got = 0;

        while (got < sizeof(*ret)) {
                ssize_t n = read(fd, (char *)ret + got, sizeof(*ret) - got);

                if (n <= 0)
                        return false;
                got += n;
        }
        return true;
}

static void keep(struct history *h, const struct record *r) {
        h->records = mem_grow(h->records, &h->room, h->n + 1, sizeof(*r));
        h->records[h->n++] = *r;
}

/* How many records came in this round, or -1: the writer ended by itself. */
static int one_round(const char *self, const char *dir, int round, struct history *h) {
        int wanted = rand() % RECORDS_MAX;
        struct timespec pause = { .tv_nsec = rand() % KILL_WITHIN_US * 1000 };
        size_t before = h->n;
        struct record r;
        int status, fd = -1;
        pid_t pid = start_writer(self, dir, round, &fd);

        if (pid < 0)
                return -1;
        alarm(ROUND_DEADLINE_S);
        for (int i = 0; i < wanted && read_record(fd, &r); i++)
                keep(h, &r);
        nanosleep(&pause, NULL);
        kill(pid, SIGKILL);
        while (read_record(fd, &r)) /* acknowledged, and still in the pipe */
                keep(h, &r);
        alarm(0);
        close(fd);
        if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
                return -1;
        return h->n - before;
}

struct check {
        const struct history *history;
        size_t missing, changed;
        int64_t rows, unacknowledged;
};

static int count_rows(struct tx *tx, struct check *k, struct err *err) {
        struct q_leftover_list_in in = { .max = 1000 };
        struct q_leftover_row *rows;
        size_t n;
        int r;

        do {
                r = q_leftover_list(tx, &in, &rows, &n, err);
                if (r < 0)
                        return r;
                if (n)
                        in.after = rows[n - 1].id;
                k->rows += n;
        } while (n > 0);
        return 0;
}

static int run_check(struct tx *tx, struct store_call *c, struct err *err) {
        struct check *k = c->arg;

        for (size_t i = 0; i < k->history->n; i++) {
                const struct record *want = &k->history->records[i];
                struct q_leftover_list_in in = { .after = want->id - 1, .max = 1 };
                struct q_request_get_in request = { .name = want->request };
                struct q_request_get_row *answer;
                struct q_leftover_row *row;
                size_t n;
                int r = q_leftover_list(tx, &in, &row, &n, err);

                if (r < 0)
                        return r;
                if (n == 0 || row->id != want->id || !str_eq(row->path, want->request))
                        k->missing++;
                r = q_request_get(tx, &request, &answer, &n, err);
                if (r < 0)
                        return r;
                if (n == 0 || answer->answer_len != sizeof(int64_t) ||
                    memcmp(answer->answer, &want->id, sizeof(int64_t)) != 0)
                        k->changed++;
        }
        return count_rows(tx, k, err);
}

static int compare_ids(const void *a, const void *b) {
        const struct record *x = a;
        const struct record *y = b;

        return (x->id > y->id) - (x->id < y->id);
}

static size_t ids_twice(const struct history *h) {
        cleanup_(freep) struct record *sorted = mem_dup(h->records, h->n * sizeof(*sorted));
        size_t n = 0;

        qsort(sorted, h->n, sizeof(*sorted), compare_ids);
        for (size_t i = 1; i < h->n; i++)
                n += sorted[i].id == sorted[i - 1].id;
        return n;
}

static int look(const char *dir, struct check *k, struct err *err) {
        struct store_options o = { .state_dir = dir };
        struct store_call call = { .run = run_check, .arg = k };
        struct store *s = NULL;
        struct loop *l = NULL;
        int r = loop_new(&l, err);

        if (r == 0)
                r = store_open(l, &o, &s, err);
        if (r == 0)
                r = store_now(s, &call, err);
        store_close(s);
        loop_free(l);
        return r;
}

static int run_rounds(const char *self, const char *dir, int rounds) {
        struct history h = {};
        int bad = 0;

        for (int i = 0; i < rounds && !bad; i++) {
                struct check k = { .history = &h };
                struct err err = {};
                int n = one_round(self, dir, i, &h);
                int r = n < 0 ? -1 : look(dir, &k, &err);

                bad = r < 0 || k.missing || k.changed || ids_twice(&h);
                if (bad)
                        printf("round %d: %d acknowledged, %zu missing, %zu answered otherwise, "
                               "%zu "
                               "ids twice %s\n",
                               i, n, k.missing, k.changed, ids_twice(&h), err.text);
                if (i == rounds - 1 && !bad)
                        printf("%d kills: %zu writes acknowledged, all there; %lld rows\n", rounds,
                               h.n, (long long)k.rows);
        }
        free(h.records);
        return bad;
}

static int64_t number_of(const char *text, int64_t otherwise) {
        int64_t n;

        return text && str_to_int(text, &n) ? n : otherwise;
}

int main(int argc, char **argv) {
        char dir[] = "/tmp/store-crash-XXXXXX";
        cleanup_(freep) char *clean = NULL;
        int rounds = number_of(argv[1], ROUNDS);
        unsigned seed = number_of(argc > 2 ? argv[2] : NULL, clock_wall());
        int r;

        if (argc == 5 && str_eq(argv[1], "--write"))
                return write_for_ever(argv[2], number_of(argv[3], 0), number_of(argv[4], -1));
        log_set_level(LOG_ERR);
        if (!mkdtemp(dir) || rounds < 1)
                return 2;
        printf("seed %u\n", seed);
        srand(seed);
        r = run_rounds("/proc/self/exe", dir, rounds);
        clean = str_format("rm -rf %s", dir);
        if (r == 0 && system(clean) != 0)
                return 1;
        return r;
}
