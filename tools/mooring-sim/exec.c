/* SPDX-License-Identifier: Apache-2.0 */
/* exec.c - see exec.h
 *
 * Channel 0 is what the command reads, 1 and 2 what it prints, 3 how it ended, as a Status; 255
 * ends what it reads (v5). It is told its pod by SIM_NAMESPACE, SIM_POD and SIM_CONTAINER. A client
 * that goes takes the pipes with it, and the command learns of that as any program does. */
#include "exec.h"

#include "store.h"
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 256
#define READ_SIZE 32768 /* as a kubelet */

extern char **environ;

enum { CHANNEL_IN, CHANNEL_OUT, CHANNEL_ERR, CHANNEL_STATUS, CHANNEL_CLOSE = 255 };

struct output {
        struct poller poller;
        struct exec *exec;
        uint8_t channel;
};

struct exec {
        struct upgraded upgraded;
        struct poller input, ended; /* ENDED: a pidfd */
        struct output out, err;
        struct buf to_input; /* not yet written */
        bool in, close_input, told;
        char *program, *environment[4];
        char *argv[ARGUMENTS_MAX + 2];
        size_t argc;
        pid_t pid;
        int status;
};

static struct exec *exec_of(struct upgraded *u) {
        return container_of(u, struct exec, upgraded);
}

/* --- rules */

static char *program_of(const struct sim *sim, const json_t *pod) {
        list_each(e, (struct list *)&sim->execs) {
                const struct forward *f = list_entry(e, struct forward, entry);

                if (!fnmatch(f->namespace, store_namespace(pod), 0) &&
                    !fnmatch(f->pattern, store_name(pod), 0))
                        return str_dup(f->address);
        }
        return NULL;
}

/* --- the end */

static void close_poller(struct poller *p) {
        loop_remove(p);
        if (p->fd >= 0)
                close(p->fd);
        p->fd = -1;
}

static void stream_free(struct upgraded *u) {
        struct exec *x = exec_of(u);

        upgrade_deinit(u);
        close_poller(&x->input);
        close_poller(&x->out.poller);
        close_poller(&x->err.poller);
        close_poller(&x->ended);
        if (x->pid > 0) {
                kill(x->pid, SIGTERM);
                waitpid(x->pid, NULL, WNOHANG); /* else it is reaped when we end */
        }
        for (size_t i = 0; i < ARRAY_SIZE(x->environment); i++)
                free(x->environment[i]);
        for (size_t i = 0; i < x->argc; i++)
                free(x->argv[i]);
        free(x->program);
        buf_free(&x->to_input);
        free(x);
}

static void tell(struct exec *x, json_t *status) {
        char *text = json_text(status);

        upgrade_queue(&x->upgraded, CHANNEL_STATUS, text, strlen(text));
        x->upgraded.ending = x->told = true;
        free(text);
        json_decref(status);
}

static void tell_failure(struct exec *x, const char *why) {
        tell(x, json_pack("{s:{},s:s,s:s,s:s,s:{s:[{s:s}]},s:i}", "metadata", "status", "Failure",
                          "message", why, "reason", "InternalError", "details", "causes", "message",
                          why, "code", 500));
}

static void tell_exit(struct exec *x) {
        int code = WIFEXITED(x->status) ? WEXITSTATUS(x->status) : 128 + WTERMSIG(x->status);
        cleanup_(freep) char *text = str_format("%d", code);
        cleanup_(freep) char *why =
                str_format("command terminated with non-zero exit code: exit status %d", code);

        if (code == 0)
                tell(x, json_pack("{s:{},s:s}", "metadata", "status", "Success"));
        else
                tell(x, json_pack("{s:{},s:s,s:s,s:s,s:{s:[{s:s,s:s}]}}", "metadata", "status",
                                  "Failure", "message", why, "reason", "NonZeroExitCode", "details",
                                  "causes", "reason", "ExitCode", "message", text));
}

/* --- its pipes */

static void message(struct upgraded *u, const uint8_t *data, size_t size) {
        struct exec *x = exec_of(u);

        if (data[0] == CHANNEL_IN)
                buf_add(&x->to_input, data + 1, size - 1);
        else if (data[0] == CHANNEL_CLOSE && size > 1 && data[1] == CHANNEL_IN)
                x->close_input = true;
}

static void write_input(struct exec *x) {
        while (x->input.fd >= 0 && x->to_input.len) {
                ssize_t n = write(x->input.fd, x->to_input.data, x->to_input.len);

                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                if (n < 0)
                        close_poller(&x->input);
                buf_skip(&x->to_input, n < 0 ? x->to_input.len : (size_t)n);
        }
        if (x->close_input)
                close_poller(&x->input);
        if (x->input.fd < 0)
                buf_clear(&x->to_input);
}

static void read_output(struct output *o) {
        char data[READ_SIZE];

        while (o->poller.fd >= 0 && !upgrade_full(&o->exec->upgraded)) {
                ssize_t n = read(o->poller.fd, data, sizeof(data));

                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                if (n <= 0)
                        close_poller(&o->poller);
                else
                        upgrade_queue(&o->exec->upgraded, o->channel, data, (size_t)n);
        }
}

/* A pipe that nobody waits for is not polled: its other end's going would wake us for ever. */
static void wait_for(struct exec *x, struct poller *p, bool wanted) {
        if (p->fd >= 0 && wanted)
                loop_add(x->upgraded.sim, p);
        else
                loop_remove(p);
}

static void settle(struct upgraded *u) {
        struct exec *x = exec_of(u);
        bool quiet;

        write_input(x);
        read_output(&x->out);
        read_output(&x->err);
        quiet = x->out.poller.fd < 0 && x->err.poller.fd < 0 && x->pid == 0;
        if (quiet && !x->told)
                tell_exit(x);
        if (!upgrade_send(u)) {
                stream_free(u);
                return;
        }
        upgrade_wait(u, x->to_input.len < UPGRADE_BACKLOG);
        wait_for(x, &x->input, x->to_input.len);
        wait_for(x, &x->out.poller, !upgrade_full(u));
        wait_for(x, &x->err.poller, !upgrade_full(u));
}

static void on_input(struct poller *poller, short events) {
        settle(&container_of(poller, struct exec, input)->upgraded);
}

static void on_output(struct poller *poller, short events) {
        settle(&container_of(poller, struct output, poller)->exec->upgraded);
}

static void on_ended(struct poller *poller, short events) {
        struct exec *x = container_of(poller, struct exec, ended);

        if (waitpid(x->pid, &x->status, WNOHANG) != x->pid)
                return;
        x->pid = 0;
        close_poller(&x->ended);
        settle(&x->upgraded);
}

/* --- its begin */

static int spawn(struct exec *x, int in, int out, int err) {
        posix_spawn_file_actions_t files;
        posix_spawnattr_t how;
        sigset_t plain, none;
        char *environment[1024];
        size_t n = 0;
        int r;

        for (char **e = environ; *e && n < ARRAY_SIZE(environment) - 4; e++)
                environment[n++] = *e;
        for (size_t i = 0; x->environment[i]; i++)
                environment[n++] = x->environment[i];
        environment[n] = NULL;
        sigemptyset(&none);
        sigemptyset(&plain);
        sigaddset(&plain, SIGPIPE);
        posix_spawnattr_init(&how);
        posix_spawnattr_setsigdefault(&how, &plain);
        posix_spawnattr_setsigmask(&how, &none);
        posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_adddup2(&files, in, 0);
        posix_spawn_file_actions_adddup2(&files, out, 1);
        posix_spawn_file_actions_adddup2(&files, err, 2);
        r = posix_spawnp(&x->pid, x->argv[0], &files, &how, x->argv, environment);
        posix_spawn_file_actions_destroy(&files);
        posix_spawnattr_destroy(&how);
        return r;
}

/* Ours ends do not wait, theirs do. */
static void make_pipe(int ret[2], int ours) {
        if (pipe2(ret, O_CLOEXEC) < 0)
                abort(); /* a test tool without descriptors is of no use */
        fcntl(ret[ours], F_SETFL, O_NONBLOCK);
}

static void run(struct exec *x) {
        int in[2] = { open("/dev/null", O_RDONLY | O_CLOEXEC), -1 }, out[2], err[2], r;

        if (x->in) {
                close(in[0]);
                make_pipe(in, 1);
        }
        make_pipe(out, 0);
        make_pipe(err, 0);
        r = spawn(x, in[0], out[1], err[1]);
        close(in[0]);
        close(out[1]);
        close(err[1]);
        x->input.fd = in[1];
        x->out.poller.fd = out[0];
        x->err.poller.fd = err[0];
        if (r) {
                cleanup_(freep) char *why = str_format(
                        "exec: \"%s\": %s", x->argv[0],
                        r == ENOENT ? "executable file not found in $PATH" : strerror(r));

                x->pid = 0;
                tell_failure(x, why);
                return;
        }
        x->ended.fd = (int)syscall(SYS_pidfd_open, x->pid, 0);
        x->ended.events = POLLIN;
        loop_add(x->upgraded.sim, &x->ended);
}

static void begin(struct upgraded *u) {
        struct exec *x = exec_of(u);

        /* As a kubelet's: it opens all channels by a message without content. */
        for (uint8_t channel = CHANNEL_OUT; channel <= CHANNEL_STATUS; channel++)
                upgrade_queue(u, channel, "", 0);
        if (x->program)
                run(x);
        else
                tell_failure(x, "the simulator's pods run nothing: no `ctl exec` for this one");
}

/* --- the request */

static enum MHD_Result add_argument(void *arg, enum MHD_ValueKind kind, const char *key,
                                    const char *value) {
        struct exec *x = arg;

        if (str_eq(key, "command") && value && x->argc < ARGUMENTS_MAX)
                x->argv[x->argc++] = str_dup(value);
        return MHD_YES;
}

static bool is_true(const struct request *q, const char *name) {
        const char *value = request_query(q, name);

        return str_eq(value, "true") || str_eq(value, "1");
}

/* The container that is meant; NULL: REPLY says what is wrong with it. */
static const char *container_of_pod(const json_t *pod, const struct request *q,
                                    struct reply *reply) {
        const json_t *list = json_dig(pod, "spec", "containers", NULL), *item;
        const char *wanted = request_query(q, "container");
        cleanup_(buf_free) struct buf names = BUF_INIT;
        size_t i;

        json_array_foreach((json_t *)list, i, item) {
                const char *name = json_get_str(item, "name", "");

                if (str_eq(name, wanted) || (!wanted && json_array_size(list) == 1))
                        return name;
                buf_printf(&names, "%s%s", i ? " " : "", name);
        }
        if (wanted)
                reply_bad_request(reply, "container %s is not valid for pod %s", wanted, q->name);
        else
                reply_bad_request(reply,
                                  "a container name must be specified for pod %s, choose one of: "
                                  "[%s]",
                                  q->name, buf_str(&names));
        return NULL;
}

static bool check(const json_t *pod, const struct request *q, struct reply *reply) {
        if (!is_true(q, "stdin") && !is_true(q, "stdout") && !is_true(q, "stderr")) {
                reply_bad_request(reply, "you must specify at least 1 of stdin, stdout, stderr");
                return false;
        }
        if (!json_get_str(json_get(pod, "spec"), "nodeName", NULL)) {
                reply_bad_request(reply, "pod %s does not have a host assigned", q->name);
                return false;
        }
        return true;
}

bool exec_start(struct sim *sim, struct MHD_Connection *connection, const struct request *q,
                struct reply *reply) {
        static const char *const protocols[] = { "v5.channel.k8s.io", "v4.channel.k8s.io", NULL };
        const json_t *pod = store_get(q->kind, q->namespace, q->name);
        const char *container = container_of_pod(pod, q, reply), *protocol;
        struct exec *x;

        if (!container || !check(pod, q, reply))
                return false;
        protocol = upgrade_protocol(connection, protocols, reply);
        if (!protocol)
                return false;
        x = mem_new(struct exec);
        x->upgraded.begin = begin;
        x->upgraded.message = message;
        x->upgraded.settle = settle;
        x->upgraded.free = stream_free;
        x->input = (struct poller){ .fd = -1, .events = POLLOUT, .ready = on_input };
        x->ended = (struct poller){ .fd = -1, .ready = on_ended };
        x->out = (struct output){ { .fd = -1, .events = POLLIN, .ready = on_output },
                                  x,
                                  CHANNEL_OUT };
        x->err = (struct output){ { .fd = -1, .events = POLLIN, .ready = on_output },
                                  x,
                                  CHANNEL_ERR };
        x->in = is_true(q, "stdin");
        x->program = program_of(sim, pod);
        if (x->program && !str_eq(x->program, "-"))
                x->argv[x->argc++] = str_dup(x->program);
        MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_argument, x);
        x->environment[0] = str_format("SIM_NAMESPACE=%s", q->namespace);
        x->environment[1] = str_format("SIM_POD=%s", q->name);
        x->environment[2] = str_format("SIM_CONTAINER=%s", container);
        return upgrade_start(sim, connection, &x->upgraded, protocol, reply);
}
