/* SPDX-License-Identifier: Apache-2.0 */
/* server-ws.c - the server's side of a WebSocket, by hand, so that what it sends can be wrong */
#include "server-internal.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>

bool server_upgrade(struct server_call *c, const char *protocol, const void *behind, size_t len) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        unsigned char digest[SHA_DIGEST_LENGTH];
        unsigned char accept[32];
        const char *key = server_header(c, "Sec-WebSocket-Key");
        char *text = str_format("%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key ? key : "");

        SHA1((unsigned char *)text, strlen(text), digest);
        EVP_EncodeBlock(accept, digest, sizeof(digest));
        free(text);
        buf_printf(&out,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
                   (char *)accept);
        if (protocol)
                buf_printf(&out, "Sec-WebSocket-Protocol: %s\r\n", protocol);
        buf_puts(&out, "\r\n");
        buf_add(&out, behind, len);
        c->on->closed = true; /* no HTTP after it */
        return server_raw(c, out.data, out.len);
}

void server_ws_frame(struct buf *out, int opcode, const void *data, size_t len) {
        buf_putc(out, (char)(0x80 | opcode));
        if (len < 126) {
                buf_putc(out, (char)len);
        } else if (len < 65536) {
                buf_putc(out, 126);
                buf_putc(out, (char)(len >> 8));
                buf_putc(out, (char)len);
        } else {
                buf_putc(out, 127);
                for (int shift = 56; shift >= 0; shift -= 8)
                        buf_putc(out, (char)((uint64_t)len >> shift));
        }
        buf_add(out, data, len);
}

bool server_ws_send(struct server_call *c, int opcode, const void *data, size_t len) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        server_ws_frame(&out, opcode, data, len);
        return server_raw(c, out.data, out.len);
}

static bool take(struct server_call *c, void *data, size_t n) {
        char *p = data;

        while (n) {
                ssize_t got = server_read(c, p, n);

                if (got <= 0)
                        return false;
                p += got;
                n -= (size_t)got;
        }
        return true;
}

int server_ws_recv(struct server_call *c, struct buf *ret) {
        unsigned char head[2], more[8], mask[4];
        uint64_t len;

        if (!take(c, head, 2))
                return -1;
        len = head[1] & 127;
        if (len >= 126) {
                size_t n = len == 126 ? 2 : 8;

                if (!take(c, more, n))
                        return -1;
                len = 0;
                for (size_t i = 0; i < n; i++)
                        len = len << 8 | more[i];
        }
        if (!(head[1] & 128))
                return -2;
        if (len > (64u << 20) || !take(c, mask, 4))
                return -1;
        buf_clear(ret);
        buf_reserve(ret, len);
        if (!take(c, ret->data, len))
                return -1;
        ret->len = len;
        for (size_t i = 0; i < len; i++)
                ret->data[i] = (char)(ret->data[i] ^ mask[i % 4]);
        ret->data[len] = '\0';
        return head[0] & 15;
}
