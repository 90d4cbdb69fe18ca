/* SPDX-License-Identifier: Apache-2.0 */
/* sql-config.c - the target's document, decoded and checked; see sql-config.h */
#include "sql-config.h"

#include "file.h"
#include "polled.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define CA_MAX (256u << 10) /* a bundle of a hundred authorities has 200 KiB */

static const char *const engine_names[] = { "mysql", "postgresql", NULL };
static const char *const tls_names[] = { "verify-full", "verify-ca", "encrypt", "plain", NULL };
static const int default_ports[] = { 3306, 5432 };
_Static_assert(ARRAY_SIZE(engine_names) == SQL_ENGINE_MAX + 1, "an engine without a name");
_Static_assert(ARRAY_SIZE(tls_names) == SQL_TLS_MAX + 1, "a mode without a name");
_Static_assert(ARRAY_SIZE(default_ports) == SQL_ENGINE_MAX, "an engine without a port");

struct fields {
        int engine, mode;
        const char *host, *via, *user, *password, *ca;
        int64_t port;
        json_t *tls;
};

static const struct json_field config_fields[] = {
        { "engine", JSON_FIELD_ENUM, offsetof(struct fields, engine), JSON_REQUIRED,
          .names = engine_names },
        { "host", JSON_FIELD_STRING, offsetof(struct fields, host), 0, 1, 253 },
        { "via", JSON_FIELD_STRING, offsetof(struct fields, via), 0, 3, 512 },
        { "port", JSON_FIELD_INT, offsetof(struct fields, port), 0, 1, 65535 },
        { "user", JSON_FIELD_STRING, offsetof(struct fields, user), JSON_REQUIRED, 1, 128 },
        { "password", JSON_FIELD_STRING, offsetof(struct fields, password),
          JSON_REQUIRED | JSON_SECRET, 1, 4096 },
        { "tls", JSON_FIELD_OBJECT, offsetof(struct fields, tls), 0 },
        {}
};
static const struct json_field tls_fields[] = {
        { "mode", JSON_FIELD_ENUM, offsetof(struct fields, mode), 0, .names = tls_names },
        { "ca", JSON_FIELD_STRING, offsetof(struct fields, ca), 0, 1, CA_MAX },
        {}
};

static int check(const struct fields *f, struct err *err) {
        struct polled_way way = {
                f->via, f->host, "host", "the server", tls_names[f->mode], f->mode == SQL_TLS_FULL
        };

        if (f->via && f->mode == SQL_TLS_FULL && f->engine == SQL_MYSQL)
                return err_set(err, -EINVAL,
                               "tls.mode verify-full: the MySQL client cannot check a name through "
                               "the API server; verify-ca can be had");
        if (polled_check_way(&way, err) < 0)
                return -EINVAL;
        if (f->mode == SQL_TLS_CA && !f->ca)
                return err_set(err, -EINVAL, "tls.mode verify-ca: tls.ca says which authority");
        return 0;
}

static int decode(const json_t *config, struct fields *f, struct err *err) {
        int r = json_decode(config, config_fields, false, f, &(struct json_where){ .path = "" },
                            err);

        if (r == 0 && f->tls)
                r = json_decode(f->tls, tls_fields, false, f, &(struct json_where){ .path = "tls" },
                                err);
        if (r == 0)
                r = check(f, err);
        return r < 0 ? err_add(err, r, "sql target") : 0;
}

/* Both client libraries take a CA by path only. A memory file leaves nothing on any disk. */
static int keep_ca(struct sql_config *c, const char *pem, struct err *err) {
        c->ca_fd = memfd_create("ca", MFD_CLOEXEC);
        if (c->ca_fd < 0)
                return err_set(err, -errno, "memory for tls.ca: %m");
        if (file_write_all(c->ca_fd, pem, strlen(pem)) < 0)
                return err_set(err, -EIO, "memory for tls.ca: %m");
        snprintf(c->ca_path, sizeof(c->ca_path), "/proc/self/fd/%d", c->ca_fd);
        return 0;
}

int sql_config_parse(const json_t *config, struct sql_config *ret, struct err *err) {
        struct fields f = { .mode = SQL_TLS_FULL };
        struct sql_config c = { .ca_fd = -1 };
        int r = decode(config, &f, err);

        if (r < 0)
                return r;
        if (f.ca) {
                r = keep_ca(&c, f.ca, err);
                if (r < 0) {
                        sql_config_free(&c);
                        return r;
                }
        }
        c.engine = (enum sql_engine_kind)f.engine;
        c.tls = (enum sql_tls)f.mode;
        c.port = f.port ? (int)f.port : default_ports[f.engine];
        c.host = str_dup(f.host);
        c.via = str_dup(f.via);
        c.user = str_dup(f.user);
        c.password = str_dup(f.password);
        *ret = c;
        return 0;
}

int sql_config_check(const json_t *config, const json_t *credential, struct err *err) {
        struct fields f = { .mode = SQL_TLS_FULL };

        return decode(credential ? credential : config, &f, err);
}

void sql_config_free(struct sql_config *c) {
        wipep(&c->password);
        free(c->host);
        free(c->via);
        free(c->user);
        closep(&c->ca_fd);
        *c = (struct sql_config){ .ca_fd = -1 };
}
