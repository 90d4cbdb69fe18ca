/* SPDX-License-Identifier: Apache-2.0 */
/* charm-load.c - one worker that loads a module and ends; see charm-load.h */
#include "charm-load.h"

#include "frame.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ABOVE 16 /* where descriptors lie that are on their way to those numbers */

struct loading {
        const struct worker_spec *spec;
        int channel, folder, program;
        struct worker_words words;
};

static bool place(const struct loading *l) {
        int null = open("/dev/null", O_RDWR);
        int channel = fcntl(l->channel, F_DUPFD, ABOVE);
        int folder = fcntl(l->folder, F_DUPFD, ABOVE);
        int program = fcntl(l->program, F_DUPFD, ABOVE);

        if (null < 0 || channel < 0 || folder < 0 || program < 0)
                return false;
        for (int i = 0; i < WORKER_CHANNEL_FD; i++)
                if (dup2(null, i) < 0)
                        return false;
        return dup2(channel, WORKER_CHANNEL_FD) >= 0 && dup2(folder, WORKER_FOLDER_FD) >= 0 &&
               dup2(program, WORKER_PROGRAM_FD) >= 0 &&
               close_range(WORKER_PROGRAM_FD + 1, ~0u, 0) == 0;
}

/* After fork in a program with threads: system calls and nothing else. */
static _Noreturn void become(const struct loading *l) {
        const char *env[] = { NULL };

        if (!place(l) || !worker_become_user(l->spec))
                _exit(126);
        execve(l->words.path, (char *const *)l->words.argv, (char *const *)env);
        _exit(127);
}

/* The first thing that it says. */
static int listen_to(int fd, struct err *err) {
        struct frame_reader in;
        struct frame f = {};
        struct err why = {};
        int r;

        frame_reader_init(&in, ERR_TEXT_MAX * 4);
        r = frame_read(fd, &in, &f, &why);
        if (r < 0)
                err_set(err, -ENOEXEC, "the worker that loads it ended without a word: %s",
                        r == -EAGAIN ? "it took longer than 10 s" : "it crashed");
        else if (f.type == PLAN_FRAME_REFUSED)
                r = err_set(err, -ENOEXEC, "%.*s", (int)f.len, f.body);
        else if (f.type != PLAN_FRAME_READY)
                r = err_set(err, -EBADMSG, "the worker that loads it said something else");
        frame_reader_deinit(&in);
        return r < 0 ? -ENOEXEC : 0;
}

static int run(struct loading *l, int pair[2], struct err *err) {
        const struct timeval patience = { .tv_sec = CHARM_LOAD_MS / 1000 };
        pid_t pid;
        int r;

        l->channel = pair[1];
        pid = fork();
        if (pid == 0)
                become(l);
        closep(&pair[1]);
        if (pid < 0)
                return err_set(err, -errno, "no process: %s", strerror(errno));
        setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        r = listen_to(pair[0], err);
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return r;
}

int charm_load_try(const struct worker_spec *spec, struct err *err) {
        cleanup_(closep) int folder = open(spec->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cleanup_(closep) int program = open(spec->program, O_RDONLY | O_CLOEXEC);
        struct loading l = { .spec = spec, .folder = folder, .program = program };
        int pair[2], r;

        if (folder < 0 || program < 0)
                return err_set(err, -errno, "%s: %s", folder < 0 ? spec->folder : spec->program,
                               strerror(errno));
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return err_set(err, -errno, "no channel to a charm worker: %s", strerror(errno));
        worker_words(spec, "mooring-charm [load]", &l.words);
        r = run(&l, pair, err);
        closep(&pair[0]);
        closep(&pair[1]);
        return r;
}
