/* SPDX-License-Identifier: Apache-2.0 */
/* bench.c - see bench.h */
#include "bench.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ARGS_MAX 16

char *bench_read(const char *path) {
        cleanup_(buf_free) struct buf text = BUF_INIT;

        assert_int_equal(cli_read_file(path, 1 << 20, &text, NULL), 0);
        return buf_take(&text);
}

/* Runs the command with stdout and stderr in files. */
int bench_run(struct bench *b, char **ret_out, char **ret_err, const char *first, ...) {
        char *argv[ARGS_MAX + 1] = { (char[]){ "mooringctl" } };
        int argc = 1, saved[2] = { dup(1), dup(2) }, code;
        va_list ap;

        va_start(ap, first);
        for (const char *a = first; a && argc < ARGS_MAX; a = va_arg(ap, const char *))
                argv[argc++] = str_dup(a);
        va_end(ap);
        fflush(NULL);
        dup2(open(b->out, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600), 1);
        dup2(open(b->err, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600), 2);
        {
                char *copy[ARGS_MAX + 1];

                memcpy(copy, argv, sizeof(copy));
                code = cli_run(argc, copy);
        }
        fflush(NULL);
        for (int i = 0; i < 2; i++) {
                dup2(saved[i], i + 1);
                close(saved[i]);
        }
        for (int i = 1; i < argc; i++)
                free(argv[i]);
        if (ret_out)
                *ret_out = bench_read(b->out);
        if (ret_err)
                *ret_err = bench_read(b->err);
        return code;
}

void bench_note(struct server_call *c, void *arg) {
        struct bench *b = arg;
        char *asked = str_format("%s %s%s%s %.*s", c->method, c->path, c->query[0] ? "?" : "",
                                 c->query, (int)c->body_len, c->body ? c->body : "");

        free(b->asked);
        b->asked = asked;
}

void bench_models(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "{\"models\":[{\"name\":\"m\"}]}");
}

void bench_changed(struct server_call *c, void *arg) {
        bench_note(c, arg);
        server_reply(c, 200, NULL,
                     "{\"changes\":[{\"change\":\"x\",\"text\":\"did it\"}],\"notes\":[]}");
}

void bench_hold(struct server_call *c, void *arg) {
        server_hold(c);
}

void bench_nothing_to_do(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "{\"changes\":[],\"notes\":[],\"plan\":[]}");
}

int bench_set_up(void **state) {
        struct bench *b = mem_new(struct bench);
        struct server_config config = { 0 };

        str_copy(b->dir, sizeof(b->dir), "/tmp/mooringctl-XXXXXX");
        assert_non_null(mkdtemp(b->dir));
        b->socket = str_format("%s/s", b->dir);
        b->out = str_format("%s/out", b->dir);
        b->err = str_format("%s/err", b->dir);
        config.unix_path = b->socket;
        b->server = server_new(&config);
        server_route(b->server, "GET", "/v1/models", bench_models, b);
        setenv("MOORING_SOCKET", b->socket, 1);
        setenv("XDG_CONFIG_HOME", b->dir, 1);
        unsetenv("MOORING_MODEL");
        *state = b;
        return 0;
}

int bench_tear_down(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *folder = str_format("%s/mooring", b->dir);
        cleanup_(freep) char *model = str_format("%s/model", folder);

        server_free(b->server);
        unlink(b->socket);
        unlink(b->out);
        unlink(b->err);
        unlink(model);
        rmdir(folder);
        rmdir(b->dir);
        free(b->socket);
        free(b->out);
        free(b->err);
        free(b->asked);
        free(b);
        return 0;
}
