/* SPDX-License-Identifier: Apache-2.0 */
/* exec.c - exec over a WebSocket: GET .../pods/P/exec?container=C&command=...
 *
 * Every message begins with its channel: 0 input, 1 output, 2 errors, 3 the end as a Status, 255
 * (v5.channel.k8s.io only) the end of a channel's input. v4 knows no end of input: a command that
 * reads to the end would wait for ever, so input needs v5, which API servers have from 1.30 on.
 *
 *      CONNECTING ──101──▶ OPEN ──Status──▶ ENDED ──close, or GRACE──▶ told
 *           \── refused ──────\── connection ends without a Status ──▶ told UNREACHABLE
 *
 * The Status comes last, but what a proxy between still holds of the output is waited for. */
#include "exec.h"

#include "identify.h"

#include "http.h"

#include <errno.h>
#include <stdlib.h>

#define OPEN_MS 30000          /* connect, TLS, upgrade, and the kubelet's start of the command */
#define PING_MS 30000          /* cloud load balancers forget idle flows after 4 minutes */
#define GRACE_MS 2000          /* from the Status to the close */
#define MESSAGE_MAX (1u << 20) /* a kubelet copies 32 KiB at once */
#define PIECE 32768            /* of input in one message: as kubectl */
#define STATUS_MAX 65536
#define CLOSE_CHANNEL 255
#define V5 "v5.channel.k8s.io"

struct exec {
        struct target *target;
        struct exec_how how;
        char *pod;
        struct websocket *websocket;
        struct buf input;  /* not yet with the WebSocket */
        struct buf status; /* channel 3 */
        bool open, closing, closed_input, full, told, v5;
        enum outcome outcome;
        int exit;
        struct err err;
        struct timer grace;
        struct later end, send;
};

/* ---- the end */

static void on_told(void *arg) {
        struct exec *x = arg;
        struct exec_end end = { x->outcome, x->exit, x->how.input && !x->closed_input, &x->err };

        x->websocket = websocket_free(x->websocket);
        x->how.on_end(x->how.arg, &end);
}

static void end_as(struct exec *x, enum outcome outcome, int code, const char *fmt, ...)
        printf_(4, 5);
static void end_as(struct exec *x, enum outcome outcome, int code, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        va_list ap;

        if (x->told)
                return;
        x->told = true;
        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        x->outcome = outcome;
        err_set(&x->err, code, "exec in pod %s: %s", x->pod, text);
        str_make_utf8(x->err.text);
        timer_cancel(&x->grace);
        later_run(&x->end);
}

/* The kubelet's words for a command that could not be begun. Neither says that it ran. */
static enum outcome of_refusal(long status, const char *message) {
        if (strstr(message, "executable file not found") ||
            strstr(message, "no such file or directory") || strstr(message, "permission denied"))
                return OUTCOME_REFUSED;
        if (status == 403 || status == 401)
                return OUTCOME_DENIED;
        if (status == 404)
                return OUTCOME_GONE;
        if (strstr(message, "container not found") || strstr(message, "does not have a host") ||
            strstr(message, "is not running") || strstr(message, "cannot exec in a stopped"))
                return OUTCOME_NOT_YET;
        return status >= 400 && status < 500 ? OUTCOME_REFUSED : OUTCOME_UNREACHABLE;
}

static bool read_exit(const json_t *status, int *ret) {
        const json_t *cause;
        int64_t code;
        size_t i;

        json_array_foreach(json_dig(status, "details", "causes", NULL), i, cause)
                if (str_eq(json_get_str(cause, "reason", ""), "ExitCode") &&
                    str_to_int(json_get_str(cause, "message", ""), &code) && code > 0 &&
                    code <= 255) {
                        *ret = (int)code;
                        return true;
                }
        return false;
}

static void read_status(struct exec *x) {
        cleanup_(json_freep) json_t *status = NULL;
        const char *message;

        if (json_parse(buf_str(&x->status), x->status.len, &status, NULL) < 0 ||
            !json_get_str(status, "status", NULL))
                return end_as(x, OUTCOME_UNREACHABLE, -EPROTO,
                              "what says how the command ended cannot be read");
        if (str_eq(json_get_str(status, "status", ""), "Success") || read_exit(status, &x->exit))
                return end_as(x, OUTCOME_DONE, 0, "ended with %d", x->exit);
        message = json_get_str(status, "message", "no reason given");
        end_as(x, of_refusal((long)json_get_int(status, "code", 500), message), -EIO, "%s",
               message);
}

static void on_grace(void *arg) {
        read_status(arg);
}

static void on_close(void *arg, int r, long status, const struct err *err) {
        struct exec *x = arg;

        if (x->told)
                return;
        if (x->status.len)
                return read_status(x);
        if (status == 403)
                return end_as(x, OUTCOME_DENIED, -EACCES,
                              "missing right: create and get pods/exec");
        if (status == 404 && strstr(err_text(err), "pods"))
                return end_as(x, OUTCOME_GONE, -ENOENT, "there is no such pod");
        if (status)
                return end_as(x, of_refusal(status, err_text(err)), r, "%s", err_text(err));
        if (!x->open)
                return end_as(x, OUTCOME_UNREACHABLE, r < 0 ? r : -ECONNRESET, "%s",
                              r < 0 ? err_text(err) : "closed by the other side");
        end_as(x, OUTCOME_UNREACHABLE, r < 0 ? r : -ECONNRESET,
               "the connection ended before the command did; it may have run to its end%s%s",
               r < 0 ? ": " : "", r < 0 ? err_text(err) : "");
}

/* ---- input */

static int send_message(struct exec *x, uint8_t channel, const void *data, size_t len) {
        uint8_t message[1 + PIECE];
        int r;

        message[0] = channel;
        memcpy(message + 1, data, len);
        r = websocket_send(x->websocket, message, len + 1);
        explicit_bzero(message, len + 1); /* passwords go this way */
        return r;
}

static void send_input(void *arg) {
        static const uint8_t input = EXEC_STDIN;
        struct exec *x = arg;
        size_t sent = 0;

        if (!x->open || x->told)
                return;
        while (sent < x->input.len) {
                size_t n = MIN_OF(x->input.len - sent, (size_t)PIECE);

                if (send_message(x, EXEC_STDIN, x->input.data + sent, n) < 0)
                        break; /* on_writable, or on_close, follows */
                sent += n;
        }
        buf_skip(&x->input, sent);
        if (!x->input.len && x->closing && !x->closed_input)
                x->closed_input = send_message(x, CLOSE_CHANNEL, &input, 1) == 0;
        if (x->full && !x->input.len) {
                x->full = false;
                x->how.on_room(x->how.arg);
        }
}

bool exec_write(struct exec *x, const void *data, size_t len) {
        if (x->told || x->closing)
                return true; /* nobody reads it any more; on_end says so */
        buf_add(&x->input, data, len);
        later_run(&x->send);
        x->full = x->input.len >= EXEC_UNSENT_MAX;
        return !x->full;
}

void exec_close_input(struct exec *x) {
        x->closing = true;
        later_run(&x->send);
}

/* ---- what comes */

static void on_open(void *arg, const char *protocol) {
        struct exec *x = arg;

        x->v5 = str_eq(protocol, V5);
        if (x->how.input && !x->v5)
                return end_as(x, OUTCOME_REFUSED, -ENOTSUP,
                              "this API server cannot tell a command that its input ends: input "
                              "needs Kubernetes 1.30 or later");
        x->open = true;
        later_run(&x->send);
        if (x->how.on_open)
                x->how.on_open(x->how.arg);
}

static void on_message(void *arg, const uint8_t *data, size_t len) {
        struct exec *x = arg;

        if (x->told || len <= 1) /* the first ones are empty */
                return;
        if (data[0] == EXEC_STDOUT || data[0] == EXEC_STDERR)
                return x->how.on_output(x->how.arg, data[0], data + 1, len - 1);
        if (data[0] == CLOSE_CHANNEL)
                return;
        if (data[0] != EXEC_STATUS)
                return end_as(x, OUTCOME_UNREACHABLE, -EPROTO, "the server sent on channel %d",
                              data[0]);
        if (x->status.len + len > STATUS_MAX)
                return end_as(x, OUTCOME_UNREACHABLE, -EMSGSIZE,
                              "what says how it ended is too long");
        buf_add(&x->status, data + 1, len - 1);
        timer_after(&x->grace, GRACE_MS);
}

static void on_writable(void *arg) {
        send_input(arg);
}

void exec_pause(struct exec *x, bool paused) {
        if (x->websocket)
                websocket_pause(x->websocket, paused);
}

/* ---- begin */

static int add_command(struct buf *url, const json_t *argv, struct err *err) {
        const json_t *word;
        size_t i;

        if (!json_is_array(argv) || !json_array_size(argv) || json_array_size(argv) > EXEC_ARGV_MAX)
                return err_set(err, -EINVAL, "argv: a list of 1 to %d texts", EXEC_ARGV_MAX);
        json_array_foreach((json_t *)argv, i, word) {
                if (!json_is_string(word))
                        return err_set(err, -EINVAL, "argv[%zu]: a text", i);
                if (secret_token_in(json_string_value(word)))
                        return err_set(err, -EINVAL,
                                       "argv[%zu]: a command line stands in the audit log of the "
                                       "API server: a secret goes by stdin",
                                       i);
                buf_puts(url, "&command=");
                http_escape(url, json_string_value(word), false);
        }
        return url->len <= EXEC_URL_MAX
                       ? 0
                       : err_set(err, -EINVAL, "argv: longer than %u bytes", EXEC_URL_MAX);
}

static int write_url(const struct exec_how *how, struct buf *url, struct err *err) {
        const char *pod = json_get_str(how->ask, "pod", "");
        const char *container = json_get_str(how->ask, "container", NULL);
        size_t namespace_len;
        const char *name = identify_split(pod, &namespace_len);

        if (!namespace_len || !*name || strpbrk(pod, "?#% ") || strchr(name, '/'))
                return err_set(err, -EINVAL, "pod \"%s\": NAMESPACE/POD", pod);
        buf_printf(url, "/api/v1/namespaces/%.*s/pods/%s/exec?stdout=true&stderr=true",
                   (int)namespace_len, pod, name);
        if (how->input)
                buf_puts(url, "&stdin=true");
        if (container) {
                buf_puts(url, "&container=");
                http_escape(url, container, false);
        }
        return add_command(url, json_get(how->ask, "argv"), err);
}

struct exec *exec_free(struct exec *x) {
        if (!x)
                return NULL;
        later_cancel(&x->end);
        later_cancel(&x->send);
        timer_cancel(&x->grace);
        websocket_free(x->websocket);
        buf_wipe(&x->input);
        buf_free(&x->status);
        free(x->pod);
        free(x);
        return NULL;
}

int exec_open(struct target *t, const struct exec_how *how, struct exec **ret, struct err *err) {
        cleanup_(buf_free) struct buf url = BUF_INIT;
        struct exec *x;
        int r = write_url(how, &url, err);

        if (r < 0)
                return r;
        x = mem_new(struct exec);
        x->target = t;
        x->how = *how;
        x->pod = str_dup(json_get_str(how->ask, "pod", ""));
        later_init(&x->end, t->loop, "exec-end", on_told, x);
        later_init(&x->send, t->loop, "exec-input", send_input, x);
        timer_init(&x->grace, t->loop, "exec-grace", on_grace, x);
        r = websocket_open(t->http,
                           &(struct websocket_config){ .server = t->server,
                                                       .path = url.data,
                                                       .protocols = V5 ", v4.channel.k8s.io",
                                                       .open_ms = OPEN_MS,
                                                       .ping_ms = PING_MS,
                                                       .message_max = MESSAGE_MAX,
                                                       .send_max = EXEC_UNSENT_MAX,
                                                       .patient = how->input,
                                                       .on_open = on_open,
                                                       .on_message = on_message,
                                                       .on_writable = on_writable,
                                                       .on_close = on_close,
                                                       .arg = x },
                           &x->websocket, err);
        if (r < 0)
                exec_free(x);
        else
                *ret = x;
        return r;
}
