/* SPDX-License-Identifier: Apache-2.0 */
/* backup-restore.c - runs mooringd --restore and tells what it found; see backup-restore.h */
#include "backup-restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 24
#define SAID_MAX (64u << 10)

/* Installed beside each other; in the build tree. */
static char *find_program(const struct backup_options *o) {
        static const char *const beside[] = { "../sbin/mooringd", "../../daemon/mooringd" };
        char self[4096];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        char *slash;

        if (o->mooringd)
                return str_dup(o->mooringd);
        self[n < 0 ? 0 : n] = '\0';
        slash = strrchr(self, '/');
        for (size_t i = 0; slash && i < ARRAY_SIZE(beside); i++) {
                char *path = str_format("%.*s/%s", (int)(slash - self), self, beside[i]);

                if (access(path, X_OK) == 0)
                        return path;
                free(path);
        }
        return NULL;
}

static void put(char **args, size_t *n, const char *option, const char *value) {
        if (!value)
                return;
        args[(*n)++] = (char *)option;
        args[(*n)++] = (char *)value;
}

/* In the child. */
static _Noreturn void become(const char *program, const char *file, const struct backup_options *o,
                             int out) {
        char *args[ARGS_MAX] = { (char *)"mooringd", (char *)"--log-level", (char *)"error" };
        size_t n = 3;

        put(args, &n, "--config", o->config);
        put(args, &n, "--state-dir", o->state_dir);
        put(args, &n, "--backup-key-file", o->passphrase);
        put(args, &n, "--backup-s3-credentials-file", o->s3);
        put(args, &n, "--backup-azure-credentials-file", o->azure);
        put(args, &n, "--backup-ca-file", o->ca);
        put(args, &n, "--restore", file);
        if (o->force)
                args[n++] = (char *)"--force";
        if (dup2(out, STDOUT_FILENO) >= 0)
                execv(program, args);
        _exit(127);
}

static int run(const char *program, const char *file, const struct backup_options *o,
               struct buf *said, struct err *err) {
        cleanup_(closep) int from = -1;
        int fds[2], status = 0;
        ssize_t n;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return err_set(err, -errno, "a pipe: %s", strerror(errno));
        from = fds[0];
        pid = fork();
        if (pid == 0)
                become(program, file, o, fds[1]);
        close(fds[1]);
        if (pid < 0)
                return err_set(err, -errno, "%s: %s", program, strerror(errno));
        do {
                buf_reserve(said, SAID_MAX);
                n = read(from, said->data + said->len, SAID_MAX);
                said->len += n > 0 ? (size_t)n : 0;
        } while ((n > 0 && said->len < SAID_MAX) || (n < 0 && errno == EINTR));
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
                return err_set(err, -EIO, "%s could not be run, or said why not", program);
        return 0;
}

int backup_restore_run(struct cli *c) {
        const struct backup_options *o = c->options;
        cleanup_(freep) char *program = find_program(o);
        cleanup_(buf_free) struct buf said = BUF_INIT;
        cleanup_(json_freep) json_t *found = NULL;
        struct err err = { 0 };
        const char *lost;

        if (!cli_operand(c, 1))
                return cli_fail(CLI_USAGE, "backup restore FILE: which one is missing");
        if (!program)
                return cli_fail(CLI_FAILED, "no mooringd beside this program: name it with "
                                            "--mooringd");
        if (run(program, cli_operand(c, 1), o, &said, &err) < 0 ||
            json_parse(buf_str(&said), said.len, &found, &err) < 0)
                return cli_fail_err(&err);
        if (json_get_str(found, "error", NULL))
                return cli_fail(CLI_FAILED, "%s", json_get_str(found, "error", ""));
        if (cli_print(c, found))
                return CLI_DONE;
        backup_print_found(c, found);
        lost = json_get_str(found, "lost", NULL);
        if (lost)
                cli_say(c, "lost: %s", lost);
        if (json_get_str(found, "replaced", NULL))
                cli_say(c, "what was there is in %s", json_get_str(found, "replaced", ""));
        cli_say(c, "restored. Start mooringd: it writes nothing outside until you looked at "
                   "`mooringctl plan` and ran `mooringctl confirm-restore`");
        return CLI_DONE;
}
