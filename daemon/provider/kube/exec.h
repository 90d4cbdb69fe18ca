/* SPDX-License-Identifier: Apache-2.0 */
/* exec.h - a command in a container, through the API server: its input, its output, its end
 *
 * What the command says and how it ended are told apart from what becomes of the connection: only
 * a status from the kubelet says that it ended. */
#pragma once

#include "target.h"

#define EXEC_ARGV_MAX 64
#define EXEC_URL_MAX (64u << 10) /* proxies and Go's servers take a megabyte; no command needs it */
/* Unsent input, beyond which no more is taken: a WebSocket's round trip at 100 MB/s is less. */
#define EXEC_UNSENT_MAX (256u << 10)

enum exec_channel { EXEC_STDIN, EXEC_STDOUT, EXEC_STDERR, EXEC_STATUS, EXEC_CHANNEL_MAX };

struct exec_end {
        enum outcome outcome; /* DONE: it ran, and ended with EXIT */
        int exit;
        bool unread; /* it ended before all of its input was sent, or without its end */
        const struct err *err;
};
struct exec_how {
        const json_t
                *ask; /* {"pod": "NS/NAME", "container", "argv": [...]}; until exec_open returned */
        bool input;   /* stdin is open, until exec_close_input */
        void (*on_open)(void *arg);
        void (*on_output)(void *arg, enum exec_channel from, const uint8_t *data, size_t len);
        void (*on_room)(void *arg);                            /* exec_write takes again */
        void (*on_end)(void *arg, const struct exec_end *end); /* once, last; may free */
        void *arg;
};

struct exec;
/* -EINVAL: what is wrong with the ask. Nothing is called back before it returned. */
int exec_open(struct target *t, const struct exec_how *how, struct exec **ret, struct err *err);
struct exec *exec_free(struct exec *x); /* the command loses its connection, and mostly ends */
/* Takes all of it, also before on_open. False: no more until on_room. */
bool exec_write(struct exec *x, const void *data, size_t len);
void exec_close_input(struct exec *x); /* after what was written */
void exec_pause(struct exec *x, bool paused);
