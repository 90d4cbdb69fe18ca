/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - opens and closes the store, and takes calls from the loop; see store.h
 *
 * The state folder is 0700 and ours; <state>/lock is locked while a daemon has it and holds its
 * pid. Calls that cannot be taken end like any other, from the loop and never from within
 * store_submit. */
#include "store-private.h"

#include "queries.gen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the folder */

static int open_folder(const char *dir, struct err *err) {
        struct stat st;

        if (mkdir(dir, 0700) < 0 && errno != EEXIST)
                return err_set(err, -errno, "state folder %s: %s", dir, strerror(errno));
        if (stat(dir, &st) < 0)
                return err_set(err, -errno, "state folder %s: %s", dir, strerror(errno));
        if (!S_ISDIR(st.st_mode))
                return err_set(err, -ENOTDIR, "state folder %s is not a folder", dir);
        if (st.st_uid != geteuid())
                return err_set(err, -EPERM, "state folder %s belongs to uid %u: start as that user",
                               dir, st.st_uid);
        if ((st.st_mode & 077) && chmod(dir, 0700) < 0)
                return err_set(err, -errno, "state folder %s: %s", dir, strerror(errno));
        return 0;
}

static int lock_folder(const char *dir, int *ret_fd, struct err *err) {
        cleanup_(freep) char *path = str_format("%s/lock", dir);
        cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        char pid[32] = "";

        if (fd < 0)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK)
                        return err_set(err, -errno, "%s: %s", path, strerror(errno));
                if (pread(fd, pid, sizeof(pid) - 1, 0) < 0)
                        pid[0] = '\0';
                pid[strcspn(pid, "\n")] = '\0';
                return err_set(err, -EWOULDBLOCK, "the state folder %s is in use by process %s",
                               dir, pid[0] ? pid : "(unknown)");
        }
        snprintf(pid, sizeof(pid), "%d\n", getpid());
        if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, strlen(pid), 0) < 0)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        *ret_fd = fd;
        fd = -1;
        return 0;
}

static bool is_empty(const char *dir, const char *name) {
        cleanup_(freep) char *path = str_format("%s/%s", dir, name);
        struct stat st;

        return stat(path, &st) < 0 ? errno == ENOENT : S_ISREG(st.st_mode) && st.st_size == 0;
}

/* Both are made after model.db had its schema: without it the folder lost its rows, and a blank
 * controller in their place would say that nothing was ever deployed. */
static int check_whole(const char *dir, struct err *err) {
        if (!is_empty(dir, "model.db") || (is_empty(dir, "cache.db") && is_empty(dir, "charms")))
                return 0;
        return err_set(err, -ENODATA,
                       "%s/model.db is missing or empty, and the folder was in use (cache.db or "
                       "charms/ is there): put it back from its backup; to begin with nothing, "
                       "name an empty folder with --state-dir",
                       dir);
}

/* ---- opening */

static void init_condition(pthread_cond_t *c) {
        pthread_condattr_t a;

        pthread_condattr_init(&a);
        pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
        pthread_cond_init(c, &a);
        pthread_condattr_destroy(&a);
}

static struct store *new_store(struct loop *l, const struct store_options *o) {
        struct store *s = mem_new(struct store);

        s->loop = l;
        s->options = *o;
        s->state_dir = str_dup(o->state_dir);
        s->engine = o->engine ? o->engine : &store_engine_sqlite;
        s->lock_fd = -1;
        pthread_mutex_init(&s->lock, NULL);
        init_condition(&s->wake);
        init_condition(&s->wake_reader);
        init_condition(&s->ended);
        for (int i = 0; i < STORE_LANE_MAX; i++)
                list_init(&s->lanes[i]);
        list_init(&s->reads);
        list_init(&s->finished);
        s->mailbox = batch_mailbox_new(s);
        return s;
}

static struct store *free_store(struct store *s) {
        batch_mailbox_close(s);
        if (s->read)
                s->engine->close(s->read);
        if (s->write)
                s->engine->close(s->write); /* last: it may fold the log into the file */
        cache_close(s->read_cache);
        cache_close(s->write_cache);
        closep(&s->lock_fd);
        pthread_mutex_destroy(&s->lock);
        pthread_cond_destroy(&s->wake);
        pthread_cond_destroy(&s->wake_reader);
        pthread_cond_destroy(&s->ended);
        free(s->state_dir);
        free(s);
        return NULL;
}

static void free_storep(struct store **s) {
        if (*s)
                free_store(*s);
}

static int read_generation(struct store *s, struct err *err) {
        struct q_counter_get_in in = { .name = "generation" };
        struct q_counter_get_row *row;
        struct tx_memory memory = {};
        struct tx tx = {
                .store = s, .engine = s->engine, .connection = s->write, .memory = &memory
        };
        size_t n = 0;
        int r = q_counter_get(&tx, &in, &row, &n, err);

        if (r == 0 && n > 0)
                atomic_store(&s->generation, row->value);
        tx_memory_free(&memory);
        return r;
}

static int open_files(struct store *s, struct err *err) {
        int r = s->engine->open(s->state_dir, true, &s->write, err);

        if (r == 0)
                r = schema_open(s, err);
        if (r == 0)
                r = s->engine->open(s->state_dir, false, &s->read, err);
        if (r == 0)
                r = cache_open(s->state_dir, true, &s->write_cache, err);
        if (r == 0)
                r = cache_open(s->state_dir, false, &s->read_cache, err);
        if (r == 0)
                r = read_generation(s, err);
        return r;
}

/* Signals are the loop's. */
static int start_threads(struct store *s, struct err *err) {
        sigset_t all, before;
        int r;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&s->writer, NULL, writer_thread, s);
        if (r == 0) {
                r = pthread_create(&s->reader, NULL, reader_thread, s);
                if (r != 0) {
                        pthread_mutex_lock(&s->lock);
                        s->closing = true;
                        pthread_cond_signal(&s->wake);
                        pthread_mutex_unlock(&s->lock);
                        pthread_join(s->writer, NULL);
                }
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r != 0)
                return err_set(err, -r, "the store's threads: %s", strerror(r));
        s->running = true;
        return 0;
}

int store_open(struct loop *l, const struct store_options *o, struct store **ret, struct err *err) {
        cleanup_(free_storep) struct store *s = new_store(l, o);
        int r = open_folder(s->state_dir, err);

        if (r == 0)
                r = lock_folder(s->state_dir, &s->lock_fd, err);
        if (r == 0)
                r = check_whole(s->state_dir, err);
        if (r == 0)
                r = open_files(s, err);
        if (r == 0)
                r = start_threads(s, err);
        if (r < 0)
                return r;
        *ret = take_ptr(s);
        return 0;
}

struct store *store_close(struct store *s) {
        if (!s)
                return NULL;
        pthread_mutex_lock(&s->lock);
        s->closing = true;
        pthread_cond_broadcast(&s->wake);
        pthread_cond_broadcast(&s->wake_reader);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->writer, NULL);
        pthread_join(s->reader, NULL);
        batch_deliver_all(s);
        return free_store(s);
}

/* ---- calls. Lock held in these two. */

static int refusal(struct store *s, const struct store_call *c, bool reading, struct err *err) {
        if (s->closing)
                return err_set(err, -ESHUTDOWN, "the store is closing");
        if (reading)
                return 0;
        if (s->readonly)
                return err_set(err, -EROFS, "%s", s->why);
        if (s->waiting >= STORE_QUEUE_MAX)
                return err_set(err, -EBUSY, "%zu writes wait already: try again", s->waiting);
        return 0;
}

static void take(struct store *s, struct store_call *c, bool reading) {
        int r = refusal(s, c, reading, &c->err);

        if (r < 0) {
                struct batch *b = batch_new();

                batch_end_call(s, b, c, r);
                batch_send(s, b);
        } else if (reading) {
                list_append(&s->reads, &c->link);
                pthread_cond_signal(&s->wake_reader);
        } else {
                list_append(&s->lanes[c->lane], &c->link);
                s->waiting++;
                s->commands += c->lane == STORE_COMMAND;
                if (writer_takes_note(s, c))
                        pthread_cond_signal(&s->wake);
        }
}

static void clear_private(struct store_call *c) {
        list_init(&c->link);
        c->answer = NULL;
        c->answer_len = 0;
        c->err = (struct err){};
        c->now = c->finished = false;
}

void store_submit(struct store *s, struct store_call *c) {
        clear_private(c);
        atomic_fetch_add(&s->unanswered, 1);
        pthread_mutex_lock(&s->lock);
        take(s, c, false);
        pthread_mutex_unlock(&s->lock);
}

void store_read(struct store *s, struct store_call *c) {
        clear_private(c);
        atomic_fetch_add(&s->unanswered, 1);
        pthread_mutex_lock(&s->lock);
        take(s, c, true);
        pthread_mutex_unlock(&s->lock);
}

int store_now(struct store *s, struct store_call *c, struct err *err) {
        clear_private(c);
        c->now = true;
        pthread_mutex_lock(&s->lock);
        take(s, c, false);
        while (!c->finished)
                pthread_cond_wait(&s->ended, &s->lock);
        pthread_mutex_unlock(&s->lock);
        if (c->result < 0 && err)
                *err = c->err;
        return c->result;
}

/* ---- asking */

int64_t store_generation(struct store *s) {
        return atomic_load(&s->generation);
}

size_t store_waiting(struct store *s) {
        size_t n;

        pthread_mutex_lock(&s->lock);
        n = s->waiting;
        pthread_mutex_unlock(&s->lock);
        return n;
}

size_t store_unanswered(struct store *s) {
        return atomic_load(&s->unanswered);
}

bool store_is_readonly(struct store *s) {
        bool readonly;

        pthread_mutex_lock(&s->lock);
        readonly = s->readonly;
        pthread_mutex_unlock(&s->lock);
        return readonly;
}

int store_backup(struct store *s, const char *path, struct err *err) {
        return s->engine->backup(s->state_dir, path, err);
}

void store_schema(struct store *s, struct store_schema *ret) {
        *ret = s->schema;
}

int store_check(struct store *s, struct err *err) {
        return s->engine->check(s->state_dir, err);
}

void store_fault(struct store *s, enum store_fault what, int countdown) {
        atomic_store(&s->faults[what], countdown);
}

void store_on_commit(struct store *s, void (*fn)(void *arg, int64_t generation), void *arg) {
        pthread_mutex_lock(&s->lock);
        s->on_commit = fn;
        s->on_commit_arg = arg;
        pthread_mutex_unlock(&s->lock);
}
