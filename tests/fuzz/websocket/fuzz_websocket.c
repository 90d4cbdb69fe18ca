/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_websocket.c - what a server answers to an upgrade: it ends, is told once, and no message
 * is beyond the limit
 *
 * The input is sent over a real loopback connection. "@" as its first byte stands for a proper
 * 101, so that the rest are frames; else the input is the head itself. Nothing is sent twice,
 * and the same bytes give the same messages. */
#include "http.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MAX 4096
#define STEPS_MAX 2000 /* turns of the loop, far more than a reply of a fuzzer needs */
#define ASKED_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
        int opened, closed;
        size_t messages, bytes;
};

static void on_open(void *arg, const char *protocol) {
        struct seen *s = arg;

        if (s->closed || s->opened++)
                abort();
}

static void on_message(void *arg, const uint8_t *data, size_t len) {
        struct seen *s = arg;

        if (!s->opened || s->closed || len > MESSAGE_MAX)
                abort();
        s->messages++;
        s->bytes += len;
}

static void on_close(void *arg, int r, long status, const struct err *err) {
        struct seen *s = arg;

        if (s->closed++ || r > 0 || (r < 0 && (!err || !err->text[0])))
                abort();
}

static int listen_anywhere(char *url, size_t size) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(a);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 1) < 0 ||
            getsockname(fd, (struct sockaddr *)&a, &len) < 0)
                abort();
        snprintf(url, size, "http://127.0.0.1:%d", ntohs(a.sin_port));
        return fd;
}

/* The head of a 101 for the key that was ASKED with. */
static void accept_head(const char *asked, struct buf *out) {
        static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        const char *key = strstr(asked, "Sec-WebSocket-Key: ");
        unsigned char hash[SHA_DIGEST_LENGTH];
        char text[64];

        if (!key)
                abort();
        snprintf(text, sizeof(text), "%.24s%s", key + 19, guid);
        SHA1((unsigned char *)text, strlen(text), hash);
        EVP_EncodeBlock((unsigned char *)text, hash, sizeof(hash));
        buf_printf(
                out,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: %s\r\n\r\n",
                text);
}

static void reply(int fd, const char *asked, const uint8_t *data, size_t size) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        if (size && data[0] == '@')
                accept_head(asked, &out);
        buf_add(&out, data + (out.len ? 1 : 0), size - (out.len ? 1 : 0));
        for (size_t at = 0; at < out.len;) {
                ssize_t n = send(fd, out.data + at, out.len - at, MSG_NOSIGNAL);

                if (n < 0)
                        break; /* the client has seen enough */
                at += (size_t)n;
        }
        shutdown(fd, SHUT_WR);
}

/* Takes the connection, waits for the whole question and answers it; what comes after is thrown
 * away. */
static int serve(int listener, int fd, struct buf *asked, const uint8_t *data, size_t size) {
        char piece[1024];
        ssize_t n;

        if (fd < 0)
                return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        while ((n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0) {
                bool whole = asked->len && strstr(buf_str(asked), "\r\n\r\n");

                if (whole || asked->len > ASKED_MAX)
                        continue;
                buf_add(asked, piece, (size_t)n);
                if (strstr(buf_str(asked), "\r\n\r\n"))
                        reply(fd, buf_str(asked), data, size);
        }
        return fd;
}

static void run(struct http *h, struct loop *l, const uint8_t *data, size_t size, struct seen *s) {
        cleanup_(buf_free) struct buf asked = BUF_INIT;
        struct websocket *w = NULL;
        struct err err = { 0 };
        char url[64];
        int listener = listen_anywhere(url, sizeof(url));
        struct http_server_config to = { .url = url };
        struct http_server *server;
        int fd = -1;

        if (http_server_new(&to, &server, &err) < 0)
                abort();
        if (websocket_open(h,
                           &(struct websocket_config){ .server = server,
                                                       .path = "/",
                                                       .message_max = MESSAGE_MAX,
                                                       .on_open = on_open,
                                                       .on_message = on_message,
                                                       .on_close = on_close,
                                                       .arg = s },
                           &w, &err) < 0)
                abort();
        for (int i = 0; i < STEPS_MAX && !s->closed; i++) {
                loop_step(l, 1);
                fd = serve(listener, fd, &asked, data, size);
        }
        if (!s->closed)
                abort(); /* the server's side ended: it has to be told */
        websocket_free(w);
        http_server_unref(server);
        close(fd);
        close(listener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct seen once = { 0 }, twice = { 0 };
        struct loop *l;
        struct http *h;

        if (loop_new(&l, NULL) < 0 || http_new(l, &h, NULL) < 0)
                abort();
        run(h, l, data, size, &once);
        run(h, l, data, size, &twice);
        if (once.opened != twice.opened || once.messages != twice.messages ||
            once.bytes != twice.bytes)
                abort();
        http_free(h);
        loop_free(l);
        return 0;
}
