/* SPDX-License-Identifier: Apache-2.0 */
/* s3-endpoint.c - see s3-endpoint.h */
#include "s3-endpoint.h"

#include <stdlib.h>

#define AMAZON "https://s3.amazonaws.com"
#define IN_CLUSTER ".svc"

static bool said(const char *text) {
        return text && *text;
}

static const char *cut(struct charm_plan *p, const char *text, size_t length) {
        char *out = charm_memory(p, length + 1);

        memcpy(out, text, length);
        return out;
}

/* NAME.NAMESPACE.svc[.…]: what a Service is called inside. From here it is reached through the API
 * server, at its first pod, which is what all stateful applications here call theirs. */
static const char *pod_of(struct charm_plan *p, const char *host) {
        size_t name = strcspn(host, "."), space;
        const char *rest = host[name] ? host + name + 1 : "";

        space = strcspn(rest, ".");
        if (strncmp(rest + space, IN_CLUSTER, strlen(IN_CLUSTER)) != 0 ||
            !strchr(".", rest[space + strlen(IN_CLUSTER)]))
                return NULL;
        return charm_text(p, "%.*s/%.*s-0", (int)space, rest, (int)name, host);
}

void s3_endpoint_read(struct charm_plan *p, const struct s3_store *s, struct s3_endpoint *e) {
        const char *url = s->endpoint, *host, *colon;

        if (!said(url))
                url = said(s->region) ? charm_text(p, "https://s3.%s.amazonaws.com", s->region)
                                      : AMAZON;
        e->tls = strncmp(url, "http://", 7) != 0;
        host = strstr(url, "://") ? strstr(url, "://") + 3 : url;
        e->url = cut(p, url, (size_t)(host - url) + strcspn(host, "/"));
        e->host = cut(p, host, strcspn(host, ":/"));
        colon = strchr(host, ':');
        e->port = colon ? strtol(colon + 1, NULL, 10) : e->tls ? 443 : 80;
        e->via = pod_of(p, e->host);
}

static int digit_of(char c) {
        static const char letters[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *at = c ? strchr(letters, c) : NULL;

        return at ? (int)(at - letters) : -1;
}

/* The PEM in ["BASE64", …]; NULL: nothing was told. */
static const char *authorities(struct charm_plan *p, const struct charm_relation *r) {
        const char *told = charm_told(r, "tls-ca-chain");
        char *out = told ? charm_memory(p, strlen(told) + 1) : NULL, *end = out;
        unsigned bits = 0, have = 0;

        for (; told && *told; told++) {
                int digit = digit_of(*told);

                if (digit < 0) { /* the end of one of them, or a fold */
                        bits = strchr("\",]=", *told) ? 0 : bits;
                        have = bits ? have : 0;
                        continue;
                }
                bits = bits << 6 | (unsigned)digit;
                have += 6;
                if (have >= 8) {
                        have -= 8;
                        *end++ = (char)(bits >> have);
                        bits &= (1U << have) - 1;
                }
        }
        return out && *out ? out : NULL;
}

struct s3_store s3_endpoint_store(struct charm_plan *p, const struct charm_relation *r) {
        return (struct s3_store){ .endpoint = charm_told(r, "endpoint"),
                                  .region = charm_told(r, "region"),
                                  .bucket = charm_told(r, "bucket"),
                                  .path = charm_told(r, "path"),
                                  .access_key = charm_told(r, "access-key"),
                                  .secret_key = charm_told(r, "secret-key"),
                                  .ca = authorities(p, r) };
}

static void want_target(struct charm_plan *p, const struct s3_store *s, const struct s3_endpoint *e,
                        const struct s3_endpoint_use *use) {
        bool ca = e->tls && said(s->ca);

        charm_target(p, use->target, "s3", use->file,
                     CHARM_HOLES({ "endpoint", e->tls ? CHARM_TEXT : CHARM_NONE, e->url },
                                 { "via", e->via ? CHARM_TEXT : CHARM_NONE, e->via },
                                 { "port", e->via ? CHARM_INT : CHARM_NONE, NULL, e->port },
                                 { "region", said(s->region) ? CHARM_TEXT : CHARM_NONE, s->region },
                                 { "access-key", CHARM_TEXT, s->access_key },
                                 { "secret-key", CHARM_TEXT, s->secret_key },
                                 { "mode", CHARM_TEXT, e->tls ? "verify-full" : "plain" },
                                 { "ca", ca ? CHARM_TEXT : CHARM_NONE, s->ca }));
}

void s3_endpoint_want(struct charm_plan *p, const char *where, const struct s3_store *s,
                      const struct s3_endpoint_use *use) {
        struct s3_endpoint e;

        s3_endpoint_read(p, s, &e);
        if (e.tls || e.via)
                want_target(p, s, &e, use);
        else
                charm_status(p, CHARM_BLOCKED,
                             "%s: %.200s would carry %s and keys in the open: https://, or a "
                             "Service of the cluster (NAME.NAMESPACE.svc.cluster.local)",
                             where, e.url, use->content);
}

void s3_endpoint_plan(const struct charm_view *v, struct charm_plan *p, const char *endpoint,
                      const struct s3_endpoint_use *use) {
        const struct charm_relation *r = charm_relation(v, endpoint, 0);
        struct s3_store s;

        if (!r)
                return;
        charm_tell(p, r, "bucket", charm_text(p, "relation-%lld", (long long)r->id));
        if (!s3_endpoint_told(r))
                return charm_status(p, CHARM_ACTIVE, "no %s before %s tells a bucket and its keys",
                                    use->thing, r->application);
        s = s3_endpoint_store(p, r);
        s3_endpoint_want(p, endpoint, &s, use);
}

bool s3_endpoint_whole(const struct s3_store *s) {
        return said(s->bucket) && said(s->access_key) && said(s->secret_key);
}

bool s3_endpoint_told(const struct charm_relation *r) {
        return charm_told(r, "bucket") && charm_told(r, "access-key") &&
               charm_told(r, "secret-key");
}

const char *s3_endpoint_prefix(struct charm_plan *p, const struct s3_store *s) {
        const char *path = s->path;
        size_t length;

        path = path ? path + strspn(path, "/") : "";
        for (length = strlen(path); length && path[length - 1] == '/';)
                length--;
        return length ? charm_text(p, "%.*s/", (int)length, path) : "";
}
