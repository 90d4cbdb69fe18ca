/* SPDX-License-Identifier: Apache-2.0 */
/* websocket-open.c - the handshake that turns an HTTP/1.1 connection into a WebSocket (RFC 6455,
 * 4.1)
 *
 * Written by hand because Debian 12's libcurl has none. What lies behind the 101's head in the
 * same read (14 kB were seen from a kube-apiserver) stays in IN, and is the frames' first input.
 * A refusal's body is read as far as it says its length, and its beginning goes into the error:
 * an API server says there what is wrong. */
#include "websocket-internal.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <strings.h>

#define HEAD_MAX 65536    /* as much as any server allows for a head */
#define REFUSAL_MAX 4096  /* of the body that is read */
#define REFUSAL_SHOWN 200 /* of the body that is shown */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static void add_authorization(const struct http_server *s, struct buf *out) {
        cleanup_(buf_wipe) struct buf value = BUF_INIT;

        if (!s->authorize)
                return;
        s->authorize(s->arg, &value);
        if (value.len && !strpbrk(value.data, "\r\n"))
                buf_printf(out, "Authorization: %s\r\n", value.data);
}

void websocket_ask_upgrade(struct websocket *w) {
        const struct http_server *s = w->transfer->server;
        cleanup_(buf_wipe) struct buf out = BUF_INIT;
        unsigned char nonce[16];

        RAND_bytes(nonce, sizeof(nonce));
        EVP_EncodeBlock((unsigned char *)w->key, nonce, sizeof(nonce));
        buf_printf(&out, "GET %s HTTP/1.1\r\nHost: %s\r\n", w->path,
                   s->host ? s->host : strstr(s->url, "://") + 3);
        buf_printf(&out,
                   "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: %s\r\n",
                   w->key);
        if (w->protocols)
                buf_printf(&out, "Sec-WebSocket-Protocol: %s\r\n", w->protocols);
        if (s->user_agent)
                buf_printf(&out, "User-Agent: %s\r\n", s->user_agent);
        add_authorization(s, &out);
        buf_puts(&out, "\r\n");
        w->flight_len = out.len;
        w->flight_at = 0;
        w->flight = buf_take(&out);
}

/* The value of a header in HEAD (lines up to END), without blanks around it; false: not there. */
static bool find_header(const char *head, const char *end, const char *name, char *ret,
                        size_t size) {
        size_t n = strlen(name);

        for (const char *line = head; line && line < end; line = strstr(line, "\r\n")) {
                const char *stop;

                line += 2 * (*line == '\r');
                if (strncasecmp(line, name, n) != 0 || line[n] != ':')
                        continue;
                line += n + 1;
                line += strspn(line, " \t");
                stop = strstr(line, "\r\n");
                while (stop > line && (stop[-1] == ' ' || stop[-1] == '\t'))
                        stop--;
                snprintf(ret, size, "%.*s", (int)(stop - line), line);
                return true;
        }
        return false;
}

static bool accept_is_right(const struct websocket *w, const char *accept) {
        unsigned char digest[SHA_DIGEST_LENGTH];
        unsigned char want[32];
        char text[sizeof(w->key) + sizeof(ACCEPT_GUID)];

        snprintf(text, sizeof(text), "%s%s", w->key, ACCEPT_GUID);
        SHA1((unsigned char *)text, strlen(text), digest);
        EVP_EncodeBlock(want, digest, sizeof(digest));
        return strcmp(accept, (char *)want) == 0;
}

/* NAME is one of the list that was offered. */
static bool was_offered(const char *list, const char *name) {
        size_t n = strlen(name);

        for (const char *p = list; p && *p; p += strcspn(p, ",")) {
                p += strspn(p, ", ");
                if (strncmp(p, name, n) == 0 && (p[n] == '\0' || p[n] == ',' || p[n] == ' '))
                        return n > 0;
        }
        return false;
}

static int check_101(struct websocket *w, const char *head, const char *end, char *ret_protocol,
                     size_t protocol_size, struct err *err) {
        const char *who = w->transfer->server->authority;
        char value[128];
        char protocol[128] = "";

        if (!find_header(head, end, "Upgrade", value, sizeof(value)) ||
            strcasecmp(value, "websocket") != 0)
                return err_set(err, -EPROTO, "%s: answered 101, but not to a WebSocket", who);
        if (!find_header(head, end, "Sec-WebSocket-Accept", value, sizeof(value)) ||
            !accept_is_right(w, value))
                return err_set(err, -EPROTO, "%s: its 101 is not the answer to our key", who);
        find_header(head, end, "Sec-WebSocket-Protocol", protocol, sizeof(protocol));
        if (protocol[0] && !was_offered(w->protocols, protocol))
                return err_set(err, -EPROTO, "%s: chose a protocol that was not offered: %s", who,
                               protocol);
        str_copy(ret_protocol, protocol_size, protocol);
        return 0;
}

/* 1 when enough of the refusal's body is there. */
static int read_refusal(struct websocket *w, const char *head, const char *end) {
        size_t have = w->in.len - w->in_at - (size_t)(end + 4 - head);
        char value[32];
        size_t want = REFUSAL_MAX;

        if (find_header(head, end, "Content-Length", value, sizeof(value)))
                want = MIN_OF(strtoul(value, NULL, 10), (size_t)REFUSAL_MAX);
        return have >= want || w->in_ended;
}

static void say_refusal(struct websocket *w, const char *body, struct err *err) {
        char shown[REFUSAL_SHOWN + 1];
        size_t n = 0;

        for (; *body && n < REFUSAL_SHOWN; body++)
                shown[n++] = isprint((unsigned char)*body) ? *body : ' ';
        shown[n] = '\0';
        err_set(err, -ECONNREFUSED, "%s: refused the WebSocket with status %ld%s%s",
                w->transfer->server->authority, w->status, n ? ": " : "", shown);
}

int websocket_read_upgrade(struct websocket *w, char *ret_protocol, size_t protocol_size,
                           struct err *err) {
        const char *head = buf_str(&w->in) + w->in_at;
        const char *end = strstr(head, "\r\n\r\n");
        int r;

        if (!end && w->in.len - w->in_at > HEAD_MAX)
                return err_set(err, -EMSGSIZE, "%s: the head of its answer is too large",
                               w->transfer->server->authority);
        if (!end)
                return 0;
        if (sscanf(head, "HTTP/1.%*1[01] %3ld", &w->status) != 1)
                return err_set(err, -EPROTO, "%s: its answer is not HTTP/1.1",
                               w->transfer->server->authority);
        if (w->status != 101) {
                w->state = WEBSOCKET_REFUSED;
                r = read_refusal(w, head, end);
                if (r)
                        say_refusal(w, end + 4, err);
                return r;
        }
        r = check_101(w, head, end, ret_protocol, protocol_size, err);
        if (r < 0)
                return r;
        w->in_at += (size_t)(end + 4 - head);
        w->state = WEBSOCKET_OPEN;
        return 1;
}
