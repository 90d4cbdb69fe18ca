/* SPDX-License-Identifier: Apache-2.0 */
/* s3-config.c - the target's document, decoded and checked; see s3-config.h */
#include "s3-config.h"

#include <ctype.h>
#include "polled.h"

#include <errno.h>
#include <stdlib.h>

#define CA_MAX (256u << 10) /* a bundle of a hundred authorities has 200 KiB */
#define PORT_DEFAULT 9000   /* MinIO's */
#define LOOPBACK "http://127.0.0.1:"

static const char *const engine_names[] = { "minio", "s3", "azure", NULL };
static const char *const tls_names[] = { "verify-full", "verify-ca", "encrypt", "plain", NULL };
_Static_assert(ARRAY_SIZE(engine_names) == S3_ENGINE_MAX + 1, "an engine without a name");
_Static_assert(ARRAY_SIZE(tls_names) == S3_TLS_MAX + 1, "a mode without a name");

struct fields {
        int engine, mode;
        const char *endpoint, *via, *region, *access_key, *secret_key, *ca, *client_id, *address;
        int64_t port;
        json_t *tls, *identity;
};

static const struct json_field config_fields[] = {
        { "engine", JSON_FIELD_ENUM, offsetof(struct fields, engine), JSON_REQUIRED,
          .names = engine_names },
        { "endpoint", JSON_FIELD_STRING, offsetof(struct fields, endpoint), 0, 1, 512 },
        { "via", JSON_FIELD_STRING, offsetof(struct fields, via), 0, 3, 512 },
        { "port", JSON_FIELD_INT, offsetof(struct fields, port), 0, 1, 65535 },
        { "region", JSON_FIELD_STRING, offsetof(struct fields, region), 0, 1, 64 },
        { "access-key", JSON_FIELD_STRING, offsetof(struct fields, access_key), JSON_REQUIRED, 1,
          256 },
        { "secret-key", JSON_FIELD_STRING, offsetof(struct fields, secret_key), JSON_SECRET, 1,
          4096 },
        { "identity", JSON_FIELD_OBJECT, offsetof(struct fields, identity), 0 },
        { "tls", JSON_FIELD_OBJECT, offsetof(struct fields, tls), 0 },
        {}
};
static const struct json_field tls_fields[] = {
        { "mode", JSON_FIELD_ENUM, offsetof(struct fields, mode), 0, .names = tls_names },
        { "ca", JSON_FIELD_STRING, offsetof(struct fields, ca), 0, 1, CA_MAX },
        {}
};
static const struct json_field identity_fields[] = {
        { "client-id", JSON_FIELD_STRING, offsetof(struct fields, client_id), 0, 1, 64 },
        { "address", JSON_FIELD_STRING, offsetof(struct fields, address), 0, 1, 64 },
        {}
};

char *s3_config_host(const char *endpoint) {
        const char *host = strstr(endpoint, "://");
        size_t n;

        host = host ? host + 3 : endpoint;
        n = *host == '[' ? strcspn(host, "]") : strcspn(host, ":/");
        return *host == '[' ? str_ndup(host + 1, n ? n - 1 : 0) : str_ndup(host, n);
}

static int check_endpoint(const char *s, struct err *err) {
        cleanup_(freep) char *host = s3_config_host(s);

        if (!str_starts(s, "https://") || !host[0] || strpbrk(s, " ?#@"))
                return err_set(err, -EINVAL, "endpoint \"%s\": https://HOST[:PORT]", s);
        if (strchr(s + strlen("https://"), '/') && strchr(s + strlen("https://"), '/')[1])
                return err_set(err, -EINVAL, "endpoint \"%s\": without a path", s);
        return 0;
}

/* A client id becomes part of a path. */
static int check_identity(const struct fields *f, struct err *err) {
        if (!f->identity && !f->secret_key)
                return err_set(err, -EINVAL, "secret-key: is missing");
        if (!f->identity)
                return 0;
        if (f->engine != S3_AZURE || f->secret_key)
                return err_set(err, -EINVAL,
                               "identity: of \"azure\" alone, and without secret-key");
        for (const char *p = f->client_id; p && *p; p++)
                if (!isxdigit((unsigned char)*p) && *p != '-')
                        return err_set(err, -EINVAL,
                                       "client id \"%s\" of an identity: digits a to f and \"-\"",
                                       f->client_id);
        if (f->address && !str_starts(f->address, LOOPBACK))
                return err_set(err, -EINVAL,
                               "the metadata service \"%s\": another one is for tests, at " LOOPBACK
                               "PORT",
                               f->address);
        return 0;
}

static int check(const struct fields *f, struct err *err) {
        struct polled_way way = { f->via,      f->endpoint,        "endpoint",
                                  "the store", tls_names[f->mode], f->mode == S3_TLS_FULL };
        int r = f->endpoint ? check_endpoint(f->endpoint, err) : 0;

        if (r == 0)
                r = polled_check_way(&way, err);
        if (r < 0)
                return r;
        if (f->mode == S3_TLS_CA && !f->ca)
                return err_set(err, -EINVAL, "tls.mode verify-ca: tls.ca says which authority");
        /* It becomes part of a header that is signed. */
        for (const char *p = f->region; *p; p++)
                if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
                        return err_set(err, -EINVAL,
                                       "region \"%s\": letters, digits, \"-\" and \"_\"",
                                       f->region);
        return 0;
}

static int decode(const json_t *config, struct fields *f, struct err *err) {
        int r = json_decode(config, config_fields, false, f, &(struct json_where){ .path = "" },
                            err);

        if (r == 0 && f->tls)
                r = json_decode(f->tls, tls_fields, false, f, &(struct json_where){ .path = "tls" },
                                err);
        if (r == 0 && f->identity)
                r = json_decode(f->identity, identity_fields, false, f,
                                &(struct json_where){ .path = "identity" }, err);
        if (r == 0)
                r = check_identity(f, err);
        if (r == 0)
                r = check(f, err);
        return r < 0 ? err_add(err, r, "s3 target") : 0;
}

int s3_config_parse(const json_t *config, struct s3_config *ret, struct err *err) {
        struct fields f = { .mode = S3_TLS_FULL, .region = "us-east-1" };
        int r = decode(config, &f, err);

        if (r < 0)
                return r;
        *ret = (struct s3_config){ .engine = (enum s3_engine)f.engine,
                                   .tls = (enum s3_tls)f.mode,
                                   .port = f.port ? (int)f.port : PORT_DEFAULT,
                                   .endpoint = str_dup(f.endpoint),
                                   .via = str_dup(f.via),
                                   .region = str_dup(f.region),
                                   .access_key = str_dup(f.access_key),
                                   .secret_key = str_dup(f.secret_key),
                                   .identity = f.identity != NULL,
                                   .client_id = str_dup(f.client_id),
                                   .identity_address = str_dup(f.address),
                                   .ca = str_dup(f.ca) };
        /* One "/" at the end is common and means nothing. */
        if (ret->endpoint && str_ends(ret->endpoint, "/"))
                ret->endpoint[strlen(ret->endpoint) - 1] = '\0';
        return 0;
}

int s3_config_check(const json_t *config, const json_t *credential, struct err *err) {
        struct fields f = { .mode = S3_TLS_FULL, .region = "us-east-1" };

        int r = decode(credential ? credential : config, &f, err);

        if (r == 0 && f.engine == S3_AZURE)
                return err_set(err, -EINVAL, "engine: \"minio\" or \"s3\"");
        return r;
}

void s3_config_free(struct s3_config *c) {
        wipep(&c->secret_key);
        free(c->access_key);
        free(c->endpoint);
        free(c->via);
        free(c->region);
        free(c->client_id);
        free(c->identity_address);
        free(c->ca);
        *c = (struct s3_config){ 0 };
}
