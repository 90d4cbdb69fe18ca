/* SPDX-License-Identifier: Apache-2.0 */
/* postgres-session.c - connecting, statements and what SQLSTATEs mean; see postgres-session.h
 *
 * libpq's blocking calls wait for ever on a server that went without a word, so connecting and
 * asking go by its non-blocking face, with a deadline around poll. Nothing is taken from the
 * environment or from a home folder that could change where a connection goes or what is
 * believed. */
#include "postgres-session.h"

#include "clock.h"

#include <poll.h>
#include <stdlib.h>

#define STATEMENT_MAX (64u << 10)
#define STATEMENT_ROOM                                                                             \
        4096 /* from the start, so that no growing leaves a password behind in freed memory */
#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt" /* libpq 15 has no word for "the system's" */
#define ADMIN_DATABASE "postgres"                      /* the database that every server has */

/* ---- what failures mean */

static enum outcome outcome_of(const char *state) {
        static const struct {
                const char *head;
                enum outcome outcome;
        } table[] = {
                { "28", OUTCOME_DENIED },         { "42501", OUTCOME_DENIED },
                { "57P03", OUTCOME_NOT_YET },     { "57P01", OUTCOME_UNREACHABLE },
                { "57P02", OUTCOME_UNREACHABLE }, { "57014", OUTCOME_UNREACHABLE },
                { "08", OUTCOME_UNREACHABLE },    { "53", OUTCOME_UNREACHABLE },
                { "40", OUTCOME_NOT_YET },        { "55P03", OUTCOME_NOT_YET },
                { "55006", OUTCOME_NOT_YET },     { "25006", OUTCOME_NOT_YET },
                { "3D000", OUTCOME_NOT_YET },
        };

        if (!state)
                return OUTCOME_UNREACHABLE;
        for (size_t i = 0; i < ARRAY_SIZE(table); i++)
                if (str_starts(state, table[i].head))
                        return table[i].outcome;
        return OUTCOME_REFUSED;
}

static int fail_result(struct postgres_session *s, struct sql_task *t, const PGresult *r) {
        const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
        const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

        s->lost |= PQstatus(s->pg) == CONNECTION_BAD;
        str_copy(t->sqlstate, sizeof(t->sqlstate), state ? state : "");
        /* A syntax error quotes the statement, which may hold a password's verifier. */
        if (str_eq(state, "42601"))
                return sql_fail(t, OUTCOME_REFUSED,
                                "the server does not understand the statement (42601)");
        return sql_fail(t, outcome_of(state), "%s (%s)", text ? text : "the connection ended",
                        state ? state : "lost");
}

/* No SQLSTATE comes with a failed connect: the server's words have to do. */
static void fail_connect(const struct sql_config *c, struct sql_task *t, const char *text) {
        const char *where = c->via ? c->via : c->host;
        char line[ERR_TEXT_MAX];

        str_copy(line, sizeof(line), text);
        for (char *p = line; *p; p++)
                if (*p == '\n')
                        *p = p[1] ? ' ' : '\0';
        if (strstr(line, "password authentication failed"))
                sql_fail_login(c, t);
        else if (strstr(line, "starting up") || strstr(line, "shutting down") ||
                 strstr(line, "recovery mode"))
                sql_fail(t, OUTCOME_NOT_YET, "%s: %s", where, line);
        else if (strstr(line, "no pg_hba.conf entry") || strstr(line, "permission denied"))
                sql_fail(t, OUTCOME_DENIED, "%s: %s", where, line);
        else if (strstr(line, "SSL") || strstr(line, "certificate"))
                sql_fail(t, OUTCOME_UNREACHABLE, "%s: TLS: %s", where, line);
        else
                sql_fail(t, OUTCOME_UNREACHABLE, "%s: %s", where, line);
}

/* ---- waiting */

static bool wait_for(PGconn *pg, short events, int64_t until) {
        struct pollfd p = { .fd = PQsocket(pg), .events = events };
        int64_t left = until - clock_mono();

        return left > 0 && poll(&p, 1, (int)left) > 0;
}

/* NULL and a text in TEXT, or a connection. */
static PGconn *connect_until(const char *const *names, const char *const *values, int64_t until,
                             char *text, size_t size) {
        PGconn *pg = PQconnectStartParams(names, values, 0);
        PostgresPollingStatusType state = PGRES_POLLING_WRITING;

        if (!pg)
                abort(); /* out of memory, as everywhere */
        while (PQstatus(pg) != CONNECTION_BAD && state != PGRES_POLLING_OK &&
               state != PGRES_POLLING_FAILED) {
                if (!wait_for(pg, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, until)) {
                        str_copy(text, size, "no answer in time");
                        PQfinish(pg);
                        return NULL;
                }
                state = PQconnectPoll(pg);
        }
        if (PQstatus(pg) == CONNECTION_OK)
                return pg;
        str_copy(text, size, PQerrorMessage(pg));
        PQfinish(pg);
        return NULL;
}

/* ---- connecting */

static void quiet(void *arg, const PGresult *r) {
        /* Notices ("role is already a member") are no news, and libpq would print them. */
}

static PGconn *connect_to(const struct sql_config *c, int tunnel_port, const char *database,
                          char *text, size_t size) {
        static const char *const modes[] = { "verify-full", "verify-ca", "require", "prefer" };
        static const char *const names[] = { "host",
                                             "hostaddr",
                                             "port",
                                             "user",
                                             "password",
                                             "dbname",
                                             "sslmode",
                                             "sslrootcert",
                                             "sslcert",
                                             "gssencmode",
                                             "passfile",
                                             "options",
                                             "application_name",
                                             NULL };
        bool verify = c->tls == SQL_TLS_FULL || c->tls == SQL_TLS_CA;
        char port[12];
        const char *const values[] = {
                c->host ? c->host : "127.0.0.1",
                c->via ? "127.0.0.1" : NULL,
                port,
                c->user,
                c->password,
                database,
                modes[c->tls],
                !verify         ? NULL
                : c->ca_fd >= 0 ? c->ca_path
                                : SYSTEM_CA,
                "/dev/null/none",
                "disable",
                "/dev/null",
                "-c statement_timeout=30000 -c lock_timeout=10000 -c search_path=pg_catalog",
                "mooring",
                NULL
        };
        PGconn *pg;

        snprintf(port, sizeof(port), "%d", c->via ? tunnel_port : c->port);
        pg = connect_until(names, values, clock_mono() + SQL_CONNECT_SECONDS * 1000, text, size);
        if (pg) {
                PQsetNoticeReceiver(pg, quiet, NULL);
                PQsetClientEncoding(pg, "UTF8");
        }
        return pg;
}

static struct postgres_session *session_new(const struct sql_config *c, int tunnel_port,
                                            const char *database, struct sql_task *t) {
        char text[1024];
        PGconn *pg = connect_to(c, tunnel_port, database, text, sizeof(text));
        struct postgres_session *s;

        if (!pg) {
                fail_connect(c, t, text);
                return NULL;
        }
        s = mem_new(struct postgres_session);
        s->pg = pg;
        s->config = c;
        s->tunnel_port = tunnel_port;
        s->answer_seconds = t->answer_seconds ? t->answer_seconds : SQL_ANSWER_SECONDS;
        return s;
}

struct sql_session *postgres_session_open(const struct sql_config *c, int tunnel_port,
                                          struct sql_task *t) {
        struct postgres_session *s =
                session_new(c, tunnel_port, t->database ? t->database : ADMIN_DATABASE, t);

        /* An action's statements are as long and as free as a person's. */
        if (s && t->answer_seconds &&
            (postgres_session_do(s, t, NULL, "SET statement_timeout = 0") < 0 ||
             postgres_session_do(s, t, NULL, "SET search_path = \"$user\", public") < 0))
                return postgres_session_close((struct sql_session *)s);
        return (struct sql_session *)s;
}

struct postgres_session *postgres_session_of(struct postgres_session *s, struct sql_task *t,
                                             const char *database) {
        return session_new(s->config, s->tunnel_port, database, t);
}

struct sql_session *postgres_session_close(struct sql_session *opaque) {
        struct postgres_session *s = (struct postgres_session *)opaque;

        if (!s)
                return NULL;
        PQfinish(s->pg);
        free(s);
        return NULL;
}

void postgres_session_closep(struct postgres_session **s) {
        postgres_session_close((struct sql_session *)*s);
        *s = NULL;
}

int postgres_session_socket(const struct sql_session *s) {
        return PQsocket(((const struct postgres_session *)s)->pg);
}

bool postgres_session_lost(const struct sql_session *s) {
        return ((const struct postgres_session *)s)->lost;
}

/* ---- statements */

static void put_quoted(struct postgres_session *s, struct buf *b, const char *text,
                       bool identifier) {
        char *quoted = identifier ? PQescapeIdentifier(s->pg, text, strlen(text))
                                  : PQescapeLiteral(s->pg, text, strlen(text));

        /* Only fails on text that is no UTF-8, which JSON cannot hold: then the statement is
         * broken, not open. */
        buf_puts(b, quoted ? quoted : identifier ? "\"\"" : "NULL");
        PQfreemem(quoted);
}

static void put_privileges(struct buf *b, const json_t *list) {
        size_t i;
        json_t *item;

        json_array_foreach((json_t *)list, i, item) {
                buf_puts(b, i ? ", " : "");
                buf_puts(b, json_string_value(item));
        }
}

static void write_statement(struct postgres_session *s, struct buf *b, const char *fmt,
                            va_list ap) {
        for (; *fmt; fmt++) {
                if (*fmt != '%') {
                        buf_putc(b, *fmt);
                        continue;
                }
                switch (*++fmt) {
                case 'I':
                        put_quoted(s, b, va_arg(ap, const char *), true);
                        break;
                case 'S':
                        put_quoted(s, b, va_arg(ap, const char *), false);
                        break;
                case 'P':
                        put_privileges(b, va_arg(ap, const json_t *));
                        break;
                default:
                        abort(); /* our own mistake */
                }
        }
}

void postgres_session_clearp(PGresult **r) {
        PQclear(*r);
        *r = NULL;
}

/* The statement's last result, or NULL when no answer came in time. */
static PGresult *ask(struct postgres_session *s, const char *statement) {
        int64_t until = clock_mono() + (int64_t)s->answer_seconds * 1000;
        PGresult *last = NULL, *r;

        if (!PQsendQuery(s->pg, statement))
                return NULL;
        for (;;) {
                while (PQisBusy(s->pg))
                        if (!wait_for(s->pg, POLLIN, until) || !PQconsumeInput(s->pg)) {
                                PQclear(last);
                                return NULL;
                        }
                r = PQgetResult(s->pg);
                if (!r)
                        return last;
                PQclear(last);
                last = r;
        }
}

static bool is_good(const PGresult *r) {
        ExecStatusType status = PQresultStatus(r);

        return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static PGresult *run(struct postgres_session *s, struct sql_task *t, const char *fmt, va_list ap) {
        cleanup_(buf_wipe) struct buf b = BUF_INIT;
        PGresult *r;

        buf_reserve(&b, STATEMENT_ROOM);
        write_statement(s, &b, fmt, ap);
        if (b.len > STATEMENT_MAX) {
                sql_fail(t, OUTCOME_REFUSED, "a statement of %zu bytes", b.len);
                return NULL;
        }
        r = ask(s, b.data);
        if (!r) {
                s->lost = true;
                sql_fail(t, OUTCOME_UNREACHABLE, "the connection ended, or no answer came in time");
        }
        return r;
}

int postgres_session_do(struct postgres_session *s, struct sql_task *t, PGresult **ret,
                        const char *fmt, ...) {
        cleanup_(postgres_session_clearp) PGresult *r = NULL;
        va_list ap;

        va_start(ap, fmt);
        r = run(s, t, fmt, ap);
        va_end(ap);
        if (!r)
                return -1;
        if (!is_good(r))
                return fail_result(s, t, r);
        if (ret)
                *ret = take_ptr(r);
        return 0;
}

int postgres_session_try(struct postgres_session *s, struct sql_task *t, const char *state,
                         const char *fmt, ...) {
        cleanup_(postgres_session_clearp) PGresult *r = NULL;
        va_list ap;

        va_start(ap, fmt);
        r = run(s, t, fmt, ap);
        va_end(ap);
        if (!r)
                return -1;
        if (is_good(r))
                return 0;
        return str_eq(PQresultErrorField(r, PG_DIAG_SQLSTATE), state) ? 1 : fail_result(s, t, r);
}

const char *postgres_session_at(const PGresult *r, int row, int column) {
        return PQgetisnull(r, row, column) ? NULL : PQgetvalue(r, row, column);
}

/* ---- what actions ask */

void postgres_session_quote(struct sql_session *s, const char *text, bool identifier,
                            struct buf *out) {
        put_quoted((struct postgres_session *)s, out, text, identifier);
}

static json_t *columns_of(const PGresult *r) {
        json_t *names = json_array();

        for (int i = 0; i < PQnfields(r); i++)
                json_array_append_new(names, json_words(PQfname(r, i)));
        return names;
}

#define INT8_OID 20 /* of pg_type: bigint, smallint, integer, oid */
#define INT2_OID 21
#define INT4_OID 23
#define OID_OID 26

static bool is_number(const PGresult *r, int column) {
        Oid type = PQftype(r, column);

        return type == INT8_OID || type == INT2_OID || type == INT4_OID || type == OID_OID;
}

static void add_rows(const PGresult *r, json_t *result) {
        size_t bytes = 0;

        for (int i = 0; i < PQntuples(r); i++) {
                json_t *values = json_array();
                size_t size = 0;

                for (int j = 0; j < PQnfields(r); j++) {
                        size_t n = (size_t)PQgetlength(r, i, j);

                        size += n;
                        json_array_append_new(values, sql_engine_value(postgres_session_at(r, i, j),
                                                                       n, is_number(r, j)));
                }
                if (!sql_engine_row(result, values, size, &bytes))
                        return;
        }
}

int postgres_session_query(struct sql_session *opaque, struct sql_task *t,
                           const struct buf *statement, json_t **ret) {
        struct postgres_session *s = (struct postgres_session *)opaque;
        cleanup_(postgres_session_clearp) PGresult *r = ask(s, buf_str(statement));
        json_t *result;
        int64_t affected = 0;

        if (!r) {
                s->lost = true;
                return sql_fail(t, OUTCOME_UNREACHABLE,
                                "the connection ended, or no answer came in time");
        }
        if (!is_good(r))
                return fail_result(s, t, r);
        result = json_object();
        if (PQresultStatus(r) == PGRES_TUPLES_OK) {
                json_object_set_new(result, "columns", columns_of(r));
                json_object_set_new(result, "rows", json_array());
                add_rows(r, result);
        } else {
                str_to_int(PQcmdTuples(r), &affected);
                json_object_set_new(result, "affected", json_integer(affected));
        }
        *ret = result;
        return 0;
}
