/* SPDX-License-Identifier: Apache-2.0 */
/* tls-requests.c - see tls-requests.h */
#include "tls-requests.h"

const char *tls_requests(const struct charm_relation *r) {
        const char *list = charm_told(r, "certificate_signing_requests");

        return list ? list : "";
}

const char *tls_quoted(struct charm_plan *p, const char *text) {
        size_t n = 1;
        char *copy;

        while (text[n] && text[n] != '"')
                n += text[n] == '\\' && text[n + 1] ? 2 : 1;
        if (!text[n])
                return "";
        copy = (char *)charm_memory(p, n + 2);
        memcpy(copy, text, n + 1);
        return copy;
}

const char *tls_request_next(struct charm_plan *p, const char **at) {
        const char *request;

        while ((*at = strstr(*at, TLS_REQUEST))) {
                *at += strlen(TLS_REQUEST);
                request = **at == '"' ? tls_quoted(p, *at) : "";
                if (*request)
                        return request;
        }
        *at = "";
        return NULL;
}

const char *tls_asked_next(struct charm_plan *p, struct tls_asked *asked) {
        const char *request;

        while ((request = tls_request_next(p, &asked->at))) {
                if (asked->count == TLS_REQUESTS_MAX) {
                        asked->refused = charm_text(
                                p, "it has more than %d requests, and the first %d are served",
                                TLS_REQUESTS_MAX, TLS_REQUESTS_MAX);
                        return NULL;
                }
                if (strlen(request) <= TLS_REQUEST_MAX) {
                        asked->count++;
                        return request;
                }
                asked->refused = charm_text(p, "a request of %zu bytes, at most %d are taken",
                                            strlen(request), TLS_REQUEST_MAX);
        }
        return NULL;
}

/* What stands after a backslash; *AT is at it. */
static char escaped(const char **at) {
        static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
        const char *known;

        if (**at == 'u') {
                *at += strnlen(*at, 5) - 1;
                return '?';
        }
        known = strchr(from, **at);
        return known ? to[known - from] : **at;
}

const char *tls_unquoted(struct charm_plan *p, const char *quoted) {
        char *text = (char *)charm_memory(p, strlen(quoted) + 1), *to = text;

        for (const char *at = quoted + 1; *quoted && *at && *at != '"'; at++) {
                if (*at == '\\' && at[1]) {
                        at++;
                        *to++ = escaped(&at);
                } else {
                        *to++ = *at;
                }
        }
        return text;
}

const char *tls_issued(struct charm_plan *p, const char *list, const char *request, const char *ca,
                       const char *certificate, const char *chain) {
        return charm_text(p, "%s%s{\"ca\":%s,\"certificate\":%s," TLS_REQUEST "%s,\"chain\":[%s]}",
                          list, *list ? "," : "", charm_quote(p, ca), charm_quote(p, certificate),
                          request, chain);
}

/* ---- base64 */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const char *tls_base64(struct charm_plan *p, const char *text) {
        size_t len = strlen(text);
        char *coded = (char *)charm_memory(p, (len + 2) / 3 * 4 + 1), *to = coded;

        for (size_t i = 0; i < len; i += 3) {
                size_t n = len - i < 3 ? len - i : 3;
                uint32_t bits = (uint32_t)(unsigned char)text[i] << 16;

                bits |= n > 1 ? (uint32_t)(unsigned char)text[i + 1] << 8 : 0;
                bits |= n > 2 ? (uint32_t)(unsigned char)text[i + 2] : 0;
                for (size_t k = 0; k < 4; k++)
                        *to++ = k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=';
        }
        return coded;
}

const char *tls_unbase64(struct charm_plan *p, const char *text) {
        char *plain = (char *)charm_memory(p, strlen(text) / 4 * 3 + 4), *to = plain;
        uint32_t bits = 0;
        unsigned have = 0;

        for (; *text && *text != '='; text++) {
                const char *digit = strchr(digits, *text);

                if (!digit)
                        return "";
                bits = bits << 6 | (uint32_t)(digit - digits);
                have += 6;
                if (have >= 8) {
                        have -= 8;
                        *to++ = (char)(bits >> have & 255);
                }
        }
        return plain;
}

/* ---- conditions */

/* Past the string or the scalar at AT. */
static const char *past(const char *at) {
        if (*at != '"')
                return at + strcspn(at, ",}");
        for (at++; *at && *at != '"'; at++)
                at += *at == '\\' && at[1];
        return *at ? at + 1 : at;
}

/* What KEY stands for in the flat object that begins at AT, as JSON; NULL: it is not in it.
 * *RET_END: behind the object. */
static const char *member_of(struct charm_plan *p, const char *at, const char *key,
                             const char **ret_end) {
        const char *found = NULL, *quoted_key = charm_quote(p, key);

        for (at++; *at == '"';) {
                const char *name = at;

                at = past(at);
                if (*at++ != ':')
                        break;
                if (!strncmp(name, quoted_key, strlen(quoted_key)))
                        found = at;
                at = past(at);
                at += *at == ',';
        }
        *ret_end = *at == '}' ? at + 1 : "";
        return found;
}

const char *tls_condition(struct charm_plan *p, const char *list, const char *type,
                          const char *member) {
        const char *wanted = charm_quote(p, type), *end = "";

        for (const char *at = list && *list ? list + 1 : ""; *at == '{'; at = end + (*end == ',')) {
                const char *its = member_of(p, at, "type", &end);
                const char *value = member_of(p, at, member, &end);

                if (its && value && *value == '"' && !strncmp(its, wanted, strlen(wanted)))
                        return tls_unquoted(p, tls_quoted(p, value));
        }
        return "";
}
