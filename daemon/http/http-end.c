/* SPDX-License-Identifier: Apache-2.0 */
/* http-end.c - what an end means: curl's codes to ours, ours and the status to the provider's words
 *
 * curl has one code for "the server's certificate is refused" but several places where ours is:
 * with TLS 1.3 the server's refusal arrives as an alert on the first read, long after the
 * handshake. OpenSSL's reason strings for alerts all contain the word; curl passes them on in its
 * text. */
#include "http-internal.h"

#include "clock.h"

#include <ctype.h>
#include <errno.h>

static const char *const end_names[HTTP_END_MAX] = {
        [HTTP_OK] = "ok",           [HTTP_UNREACHABLE] = "unreachable", [HTTP_TLS] = "tls",
        [HTTP_RESET] = "reset",     [HTTP_TIMEOUT] = "timeout",         [HTTP_TOO_BIG] = "too big",
        [HTTP_STOPPED] = "stopped",
};

const char *http_end_name(enum http_end e) {
        return (unsigned)e < HTTP_END_MAX ? end_names[e] : "unknown";
}

/* A handshake that broke off says nothing about certificates. */
static bool broke_off(const char *text) {
        return strstr(text, "SSL_ERROR_SYSCALL") || strstr(text, "unexpected eof") ||
               strstr(text, "onnection reset");
}

enum http_end http_end_of(CURLcode code, const char *text, long connect_status) {
        switch (code) {
        case CURLE_OK:
                return HTTP_OK;
        case CURLE_SSL_CONNECT_ERROR:
                return broke_off(text) ? HTTP_RESET : HTTP_TLS;
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_CIPHER:
        case CURLE_SSL_ISSUER_ERROR:
        case CURLE_SSL_CLIENTCERT:
        case CURLE_SSL_INVALIDCERTSTATUS:
        case CURLE_USE_SSL_FAILED:
                return HTTP_TLS;
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
                if (strstr(text, " alert "))
                        return HTTP_TLS;
                /* A proxy that answered our CONNECT with a refusal. */
                return connect_status >= 300 ? HTTP_UNREACHABLE : HTTP_RESET;
        case CURLE_GOT_NOTHING:
        case CURLE_PARTIAL_FILE:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
        case CURLE_WEIRD_SERVER_REPLY:
        case CURLE_UNSUPPORTED_PROTOCOL: /* an answer that is not HTTP */
        case CURLE_BAD_CONTENT_ENCODING:
        case CURLE_WRITE_ERROR: /* chunks that cannot be decoded; ours set the end before */
                return HTTP_RESET;
        case CURLE_OPERATION_TIMEDOUT:
                return HTTP_TIMEOUT;
        default:
                return HTTP_UNREACHABLE;
        }
}

void http_end_text(struct transfer *t, CURLcode code, enum http_end end, struct err *err) {
        static const int codes[HTTP_END_MAX] = {
                [HTTP_UNREACHABLE] = -EHOSTUNREACH, [HTTP_TLS] = -EKEYREJECTED,
                [HTTP_RESET] = -ECONNRESET,         [HTTP_TIMEOUT] = -ETIMEDOUT,
                [HTTP_TOO_BIG] = -EMSGSIZE,         [HTTP_STOPPED] = -ECANCELED,
        };
        const char *text = t->text[0] ? t->text : curl_easy_strerror(code);
        const char *via = t->server->proxy ? " (through its proxy)" : "";
        long os = 0;
        char plain[128];

        curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os);
        if (code == CURLE_COULDNT_CONNECT && os) {
                snprintf(plain, sizeof(plain), "%s", strerror((int)os));
                plain[0] = (char)tolower((unsigned char)plain[0]);
                text = plain;
        }
        err_set(err, codes[end], "%s: %s%s", t->server->authority, text, via);
}

int64_t http_retry_after(const char *value) {
        int64_t ms;
        int64_t seconds;

        if (str_to_int(value, &seconds)) {
                if (seconds < 0)
                        return -1;
                ms = MIN_OF(seconds, HTTP_RETRY_AFTER_MAX_MS / 1000) * 1000;
        } else {
                time_t at = curl_getdate(value, NULL);

                if (at == -1)
                        return -1;
                ms = MAX_OF((int64_t)at * 1000 - clock_wall(), 0);
        }
        return MIN_OF(ms, HTTP_RETRY_AFTER_MAX_MS);
}

static enum outcome of_status(long status, bool retry_after) {
        if (status >= 200 && status < 300)
                return OUTCOME_DONE;
        switch (status) {
        case 404:
        case 410:
                return OUTCOME_GONE;
        case 409:
        case 412:
                return OUTCOME_CONFLICT;
        case 401:
        case 403:
                return OUTCOME_DENIED;
        case 429:
                return OUTCOME_THROTTLED;
        case 408:
                return OUTCOME_UNREACHABLE;
        case 507: /* a store that is full stays so until a person makes room */
                return OUTCOME_REFUSED;
        }
        if (status >= 400 && status < 500)
                return OUTCOME_REFUSED;
        return status >= 500 && retry_after ? OUTCOME_THROTTLED : OUTCOME_UNREACHABLE;
}

enum outcome http_outcome(const struct http_request *r, int64_t *ret_again_at) {
        bool retry_after = r->end == HTTP_OK && r->retry_after_ms >= 0;

        if (ret_again_at)
                *ret_again_at = retry_after ? MAX_OF(clock_mono() + r->retry_after_ms, 1) : 0;
        if (r->end == HTTP_OK)
                return of_status(r->status, retry_after);
        if (r->end == HTTP_TOO_BIG || r->end == HTTP_STOPPED)
                return OUTCOME_REFUSED;
        return OUTCOME_UNREACHABLE;
}

void http_escape(struct buf *out, const char *text, bool slash) {
        for (; *text; text++) {
                unsigned char c = (unsigned char)*text;

                if ((c < 128 && isalnum(c)) || strchr("-._~", c) || (slash && c == '/'))
                        buf_putc(out, (char)c);
                else
                        buf_printf(out, "%%%02X", c);
        }
}
