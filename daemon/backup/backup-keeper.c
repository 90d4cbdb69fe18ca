/* SPDX-License-Identifier: Apache-2.0 */
/* backup-keeper.c - one backup or verification at a time; see backup-keeper.h
 *
 * What the verifying process says, and the key that it is given, go through files in memory: no
 * pipe can fill up, and nothing is read before it has ended. */
#include "backup-keeper.h"

#include "backup-internal.h"
#include "clock.h"
#include "log.h"
#include "queries.gen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARGS_MAX 24          /* of the process that verifies: those below, and verify_args */
#define SAID_MAX (64u << 10) /* a verification tells a dozen numbers, or one error */

static void remember_done(struct store_call *c, int r, const struct err *err);

/* ---- the end of either */

static void end(struct backup_keeper *k, int r, json_t *found, const struct err *err) {
        backup_keeper_fn *done = k->done;

        k->busy = false;
        secret_text_free(&k->key);
        free(take_ptr(k->path));
        free(take_ptr(k->program));
        done(k->arg, r, found, err);
}

static int remember_run(struct tx *tx, struct store_call *c, struct err *err) {
        const struct backup_keeper *k = c->arg;
        cleanup_(freep) char *text = json_text(k->found);

        return w_setting_set(
                tx,
                &(struct w_setting_set_in){ .name = k->verifying ? BACKUP_VERIFIED : BACKUP_MADE,
                                            .value = text },
                err);
}

/* Both are remembered with when that was. */
static void remember(struct backup_keeper *k, json_t *found) {
        if (k->forgotten)
                return end(k, 0, found, NULL);
        json_object_set_new(found, "at", json_integer(clock_wall()));
        k->found = found;
        k->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "backup",
                                       .name = "backup",
                                       .run = remember_run,
                                       .done = remember_done,
                                       .arg = k };
        store_submit(k->options.store, &k->call);
}

static void remember_done(struct store_call *c, int r, const struct err *err) {
        struct backup_keeper *k = c->arg;
        json_t *found = take_ptr(k->found);

        if (r < 0) {
                json_decref(found);
                return end(k, r, NULL, err);
        }
        log_plain(LOG_NOTICE, "backup", "%s is %s", json_get_str(found, "file", ""),
                  k->verifying ? "a backup that can be restored" : "made");
        if (!k->verifying)
                backup_keeper_changed(k);
        end(k, 0, found, NULL);
}

/* ---- making one */

static void create_work(void *arg) {
        struct backup_keeper *k = arg;
        const struct backup_keeper_options *o = &k->options;
        struct backup_source source = {
                .store = o->store, .seal = o->seal, .controller = o->controller, .name = o->name
        };

        k->result = 0;
        if (!k->key.data)
                k->result = backup_key_read(o->key_file, o->seal.state_dir, &k->key, &k->err);
        if (k->result >= 0 && k->folder && mkdir(k->folder, 0700) < 0 && errno != EEXIST)
                k->result = err_set(&k->err, -errno, "%s: %s", k->folder, strerror(errno));
        if (k->result >= 0)
                k->result = backup_create(&source, k->path, &k->key, &k->found, &k->err);
}

static void create_done(void *arg) {
        struct backup_keeper *k = arg;

        free(take_ptr(k->folder));
        if (k->result < 0)
                return end(k, k->result, NULL, &k->err);
        remember(k, take_ptr(k->found));
}

static void dropped(void *arg) {
        struct backup_keeper *k = arg;

        json_decref(take_ptr(k->found));
}

/* mooring-NAME-20261122T164512Z.backup: by name in the order of their times. */
static char *new_path(const struct backup_keeper *k, const char *folder) {
        char stamp[CLOCK_TEXT_MAX], *to = stamp;

        clock_iso(clock_wall(), false, stamp);
        for (const char *from = stamp; *from; from++)
                if (*from != '-' && *from != ':')
                        *to++ = *from;
        *to = '\0';
        return str_format("%s/mooring-%s-%s" BACKUP_SUFFIX, folder, k->options.name, stamp);
}

static int begin(struct backup_keeper *k, const struct backup_ask *ask, bool verifying,
                 struct err *err) {
        int r = 0;

        if (k->busy)
                return err_set(err, -EBUSY, "a backup is being %s: try again when that is over",
                               k->verifying ? "verified" : "made");
        if (ask->path && ask->path[0] != '/')
                return err_set(err, -EINVAL, "path: must be absolute, is \"%s\"", ask->path);
        if (ask->folder && ask->folder[0] != '/')
                return err_set(err, -EINVAL, "folder: must be absolute, is \"%s\"", ask->folder);
        if (ask->key)
                r = backup_key_take(ask->key, ask->key_len, &k->key, err);
        if (r < 0)
                return r;
        k->busy = true;
        k->verifying = verifying;
        k->forgotten = ask->forgotten;
        k->done = ask->done;
        k->arg = ask->arg;
        k->err = (struct err){};
        return 0;
}

char *backup_keeper_folder(const struct backup_keeper *k) {
        const char *folder = k->options.folder;

        return folder && *folder ? str_dup(folder)
                                 : str_format("%s/controller-backups", k->options.seal.state_dir);
}

int backup_keeper_create(struct backup_keeper *k, const struct backup_ask *ask, struct err *err) {
        int r = begin(k, ask, false, err);

        if (r < 0)
                return r;
        if (!ask->path)
                k->folder = ask->folder ? str_dup(ask->folder) : backup_keeper_folder(k);
        k->path = ask->path ? str_dup(ask->path) : new_path(k, k->folder);
        k->job = (struct job){ .loop = k->options.loop,
                               .work = create_work,
                               .done = create_done,
                               .dropped = dropped,
                               .arg = k,
                               .name = "backup" };
        job_start(&k->job);
        return 0;
}

/* ---- verifying one */

static void stop_child(struct backup_keeper *k) {
        timer_cancel(&k->deadline);
        k->child = child_free(k->child);
        closep(&k->said);
        k->said = -1;
}

static int read_said(const struct backup_keeper *k, json_t **ret, struct err *err) {
        cleanup_(freep) char *text = mem_alloc(SAID_MAX);
        ssize_t n = pread(k->said, text, SAID_MAX, 0);
        const char *failed;
        int r = n <= 0 ? -EIO : json_parse(text, (size_t)n, ret, NULL);

        if (r < 0)
                return err_set(err, -EIO, "the process that verifies said nothing: see the log");
        failed = json_get_str(*ret, "error", NULL);
        if (!failed)
                return 0;
        r = err_set(err, (int)json_get_int(*ret, "code", -EIO), "%s", failed);
        json_decref(*ret);
        *ret = NULL;
        return r;
}

static void on_exited(void *arg, int status, int signum) {
        struct backup_keeper *k = arg;
        struct err err = { 0 };
        json_t *found = NULL;
        int r = signum ? err_set(&err, -EIO, "the process that verifies was ended by signal %d",
                                 signum)
                       : read_said(k, &found, &err);

        stop_child(k);
        if (r < 0)
                return end(k, r, NULL, &err);
        remember(k, found);
}

static void on_deadline(void *arg) {
        struct backup_keeper *k = arg;
        struct err err = { 0 };

        stop_child(k);
        end(k, err_set(&err, -ETIMEDOUT, "%s could not be verified in two hours", k->path), NULL,
            &err);
}

static int memory_file(const char *name, const void *data, size_t len, int *ret, struct err *err) {
        int fd = memfd_create(name, MFD_CLOEXEC);

        if (fd < 0 || (len && pwrite(fd, data, len, 0) != (ssize_t)len)) {
                err_set(err, -errno, "%s: %s", name, strerror(errno));
                closep(&fd);
                return err->code;
        }
        *ret = fd;
        return 0;
}

static void add_arguments(const char *argv[ARGS_MAX], const char *const *more) {
        size_t n = 0;

        while (argv[n])
                n++;
        for (size_t i = 0; more && more[i] && n + 1 < ARGS_MAX; i++)
                argv[n++] = more[i];
        argv[n] = NULL;
}

static int start_child(struct backup_keeper *k, struct err *err) {
        const struct backup_keeper_options *o = &k->options;
        const char *credentials = getenv("CREDENTIALS_DIRECTORY");
        cleanup_(freep) char *variable =
                str_format("CREDENTIALS_DIRECTORY=%s", credentials ? credentials : "");
        const char *argv[ARGS_MAX] = { "mooringd",
                                       "--config",
                                       "/dev/null",
                                       "--log-level",
                                       "error",
                                       "--state-dir",
                                       o->seal.state_dir,
                                       "--verify",
                                       k->path,
                                       "--backup-key-file",
                                       k->key.data   ? "-"
                                       : o->key_file ? o->key_file
                                                     : "",
                                       o->seal.key_file ? "--key-file" : NULL,
                                       o->seal.key_file,
                                       NULL };
        const char *env[] = { variable, NULL };
        cleanup_(closep) int in = -1;
        int fds[] = { -1, -1, STDERR_FILENO };
        struct child_spec spec = { .program = k->program ? k->program : "/proc/self/exe",
                                   .argv = argv,
                                   .env = env,
                                   .fds = fds,
                                   .nfds = ARRAY_SIZE(fds),
                                   .uid = (uid_t)-1,
                                   .gid = (gid_t)-1,
                                   .session = true,
                                   .name = "backup verify",
                                   .exited = on_exited,
                                   .arg = k };
        int r = memory_file("backup key", k->key.data, k->key.len, &in, err);

        add_arguments(argv, o->verify_args);
        if (r >= 0)
                r = memory_file("backup verify", NULL, 0, &k->said, err);
        fds[0] = in;
        fds[1] = k->said;
        return r < 0 ? r : child_start(o->loop, &spec, &k->child, err);
}

int backup_keeper_verify(struct backup_keeper *k, const struct backup_ask *ask, struct err *err) {
        int r = begin(k, ask, true, err);

        if (r < 0)
                return r;
        k->path = str_dup(ask->path);
        k->program = ask->program ? str_dup(ask->program) : NULL;
        r = start_child(k, err);
        if (r >= 0) {
                timer_after(&k->deadline, BACKUP_VERIFY_MS);
                return 0;
        }
        stop_child(k);
        k->busy = false;
        secret_text_free(&k->key);
        free(take_ptr(k->path));
        free(take_ptr(k->program));
        return r;
}

/* ---- */

struct backup_keeper *backup_keeper_new(const struct backup_keeper_options *o) {
        struct backup_keeper *k = mem_new(struct backup_keeper);

        k->options = *o;
        k->said = -1;
        timer_init(&k->deadline, o->loop, "backup verify", on_deadline, k);
        backup_schedule_init(k);
        return k;
}

void backup_keeper_stop(struct backup_keeper *k) {
        if (!k)
                return;
        stop_child(k);
        backup_schedule_stop(k);
        if (k->job.busy)
                job_cancel(&k->job);
}

struct backup_keeper *backup_keeper_free(struct backup_keeper *k) {
        if (!k)
                return NULL;
        secret_text_free(&k->key);
        free(k->path);
        free(k->program);
        free(k->folder);
        json_decref(k->found);
        backup_schedule_deinit(k);
        free(k);
        return NULL;
}
