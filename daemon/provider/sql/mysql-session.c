/* SPDX-License-Identifier: Apache-2.0 */
/* mysql-session.c - connecting, statements and what the server's error numbers mean; see
 * mysql-session.h
 *
 * The session's sql_mode is set to one that is known: without NO_BACKSLASH_ESCAPES and
 * ANSI_QUOTES, so that quoting means one thing, and on MariaDB with NO_AUTO_CREATE_USER, without
 * which a GRANT to a user that was just dropped makes a user without a password. */
#include "mysql-guard.h"
#include "mysql-session.h"

#include <mariadb/errmsg.h>
#include <mariadb/mysqld_error.h>
#include <pthread.h>
#include <stdlib.h>

#define STATEMENT_MAX (64u << 10) /* the longest is a GRANT of every privilege: 2 KiB */
#define STATEMENT_ROOM                                                                             \
        4096 /* from the start, so that no growing leaves a password behind in freed memory */
#define ROWS_MAX 10000 /* privileges and tables of one user; more is not read */

/* Ways of proving oneself that do not give the password away to whoever asks. */
#define AUTH_PLUGINS "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519"

#define ER_ACCOUNT_HAS_BEEN_LOCKED_ 3118
#define ER_NO_USER_FOR_GRANT_ 1410 /* in MySQL; MariaDB has ER_PASSWORD_NO_MATCH for it */

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_start(void) {
        MYSQL *my;

        mysql_library_init(0, NULL, NULL);
        my = mysql_init(NULL);
        if (!my)
                abort(); /* out of memory, as everywhere */
        mysql_guard_install(my);
        mysql_close(my);
}

/* ---- what numbers mean */

static bool is_client(unsigned number) {
        return number >= CR_MIN_ERROR && number <= CR_MAX_ERROR;
}

static enum outcome outcome_of(unsigned number) {
        switch (number) {
        case ER_ACCESS_DENIED_ERROR:
        case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
        case ER_DBACCESS_DENIED_ERROR:
        case ER_TABLEACCESS_DENIED_ERROR:
        case ER_COLUMNACCESS_DENIED_ERROR:
        case ER_SPECIFIC_ACCESS_DENIED_ERROR:
        case ER_HOST_NOT_PRIVILEGED:
        case ER_HOST_IS_BLOCKED:
        case ER_MUST_CHANGE_PASSWORD:
        case ER_MUST_CHANGE_PASSWORD_LOGIN:
        case ER_ACCOUNT_HAS_BEEN_LOCKED_:
                return OUTCOME_DENIED;
        case ER_LOCK_WAIT_TIMEOUT:
        case ER_LOCK_DEADLOCK:
        case ER_OPTION_PREVENTS_STATEMENT: /* read only: a replica, or starting up */
        case ER_PASSWORD_NO_MATCH:         /* GRANT to a user that is not there */
        case ER_NO_USER_FOR_GRANT_:
                return OUTCOME_NOT_YET;
        case ER_CON_COUNT_ERROR:
        case ER_TOO_MANY_USER_CONNECTIONS:
        case ER_SERVER_SHUTDOWN:
        case ER_QUERY_INTERRUPTED:
        case ER_CONNECTION_KILLED:
        case ER_DISK_FULL:
        case ER_OUTOFMEMORY:
        case ER_CANT_CREATE_THREAD:
        case ER_GET_ERRNO: /* the storage engine's own trouble */
                return OUTCOME_UNREACHABLE;
        default:
                /* The client's own numbers, and those below 1000: the server's files, as when its
                 * disk has trouble. Neither says anything about what was asked. */
                return is_client(number) || number < ER_ERROR_FIRST ? OUTCOME_UNREACHABLE
                                                                    : OUTCOME_REFUSED;
        }
}

static bool breaks(unsigned number) {
        return is_client(number) || number == ER_SERVER_SHUTDOWN || number == ER_CONNECTION_KILLED;
}

int mysql_session_fail(struct mysql_session *s, struct sql_task *t) {
        unsigned number = mysql_errno(s->my);

        s->lost |= breaks(number);
        t->number = number;
        str_copy(t->sqlstate, sizeof(t->sqlstate), is_client(number) ? "" : mysql_sqlstate(s->my));
        /* A syntax error quotes the statement, which may hold a password. */
        if (number == ER_PARSE_ERROR)
                return sql_fail(t, OUTCOME_REFUSED,
                                "the server does not understand the statement (1064)");
        return sql_fail(t, outcome_of(number), "%s (%u)", mysql_error(s->my), number);
}

static void fail_connect(const struct sql_config *c, struct sql_task *t, unsigned number,
                         const char *text) {
        const char *where = c->via ? c->via : c->host;

        switch (number) {
        case ER_ACCESS_DENIED_ERROR:
        case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
                sql_fail_login(c, t);
                return;
        case CR_SSL_CONNECTION_ERROR:
                sql_fail(t, OUTCOME_UNREACHABLE, "%s: TLS: %s", where, text);
                return;
        default:
                sql_fail(t, outcome_of(number), "%s: %s (%u)", where, text, number);
        }
}

/* ---- connecting */

/* "Enforce" only makes the library ask for TLS: a server that has none is met without, unless the
 * certificate is to be verified. So connect_as looks afterwards. */
static void set_tls(MYSQL *my, const struct sql_config *c) {
        my_bool on = 1, off = 0;

        mysql_optionsv(my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, c->tls == SQL_TLS_FULL ? &on : &off);
        mysql_optionsv(my, MYSQL_OPT_SSL_ENFORCE, &on);
        if (c->ca_fd >= 0 && (c->tls == SQL_TLS_FULL || c->tls == SQL_TLS_CA))
                mysql_optionsv(my, MYSQL_OPT_SSL_CA, c->ca_path);
}

static MYSQL *connect_as(const struct sql_config *c, int tunnel_port, const char *user,
                         const char *password, int patience, unsigned *ret_number, char *ret_text,
                         size_t text_size) {
        unsigned connect_seconds = SQL_CONNECT_SECONDS, no_files = 0;
        unsigned answer_seconds = (unsigned)(patience ? patience : SQL_ANSWER_SECONDS);
        MYSQL *my, *in;

        pthread_once(&library_once, library_start);
        my = mysql_init(NULL);
        if (!my)
                abort(); /* out of memory, as everywhere */
        mysql_optionsv(my, MYSQL_OPT_CONNECT_TIMEOUT, &connect_seconds);
        mysql_optionsv(my, MYSQL_OPT_READ_TIMEOUT, &answer_seconds);
        mysql_optionsv(my, MYSQL_OPT_WRITE_TIMEOUT, &answer_seconds);
        mysql_optionsv(my, MYSQL_OPT_LOCAL_INFILE,
                       &no_files); /* a server could ask for our files */
        mysql_optionsv(my, MARIADB_OPT_RESTRICTED_AUTH, AUTH_PLUGINS);
        mysql_optionsv(my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
        set_tls(my, c);
        mysql_guard_begin(c->tls != SQL_TLS_PLAIN);
        in = mysql_real_connect(my, c->via ? "127.0.0.1" : c->host, user, password, NULL,
                                (unsigned)(c->via ? tunnel_port : c->port), NULL, 0);
        if (in && (c->tls == SQL_TLS_PLAIN || mysql_get_ssl_cipher(my)))
                return my;
        if (in || mysql_guard_refused()) {
                *ret_number = CR_SSL_CONNECTION_ERROR;
                str_copy(ret_text, text_size, "the server has none, and tls.mode wants it");
        } else {
                *ret_number = mysql_errno(my);
                str_copy(ret_text, text_size, mysql_error(my));
        }
        mysql_close(my);
        return NULL;
}

int mysql_session_admits(const struct mysql_session *s, const char *user, const char *password) {
        char text[256];
        unsigned number;
        MYSQL *my = connect_as(s->config, s->tunnel_port, user, password, 0, &number, text,
                               sizeof(text));

        if (my)
                mysql_close(my);
        /* Which is told only to who has the password: anybody else is denied. */
        return my || number == ER_ACCOUNT_HAS_BEEN_LOCKED || number == ER_ACCOUNT_HAS_BEEN_LOCKED_;
}

struct sql_session *mysql_session_open(const struct sql_config *c, int tunnel_port,
                                       struct sql_task *t) {
        unsigned number = 0;
        char text[ERR_TEXT_MAX];
        MYSQL *my = connect_as(c, tunnel_port, c->user, c->password, t->answer_seconds, &number,
                               text, sizeof(text));
        struct mysql_session *s;
        int r;

        if (!my) {
                fail_connect(c, t, number, text);
                return NULL;
        }
        s = mem_new(struct mysql_session);
        s->my = my;
        s->config = c;
        s->tunnel_port = tunnel_port;
        s->mariadb = strstr(mysql_get_server_info(my), "MariaDB") != NULL;
        r = mysql_session_do(
                s, t, NULL,
                s->mariadb ? "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_CREATE_USER'"
                           : "SET SESSION sql_mode = 'STRICT_ALL_TABLES'");
        if (r == 0 && t->database && mysql_select_db(my, t->database) != 0)
                r = mysql_session_fail(s, t);
        if (r < 0)
                return mysql_session_close((struct sql_session *)s);
        return (struct sql_session *)s;
}

struct sql_session *mysql_session_close(struct sql_session *opaque) {
        struct mysql_session *s = (struct mysql_session *)opaque;

        if (!s)
                return NULL;
        mysql_close(s->my);
        free(s);
        return NULL;
}

int mysql_session_socket(const struct sql_session *s) {
        return (int)mysql_get_socket(((const struct mysql_session *)s)->my);
}

bool mysql_session_lost(const struct sql_session *s) {
        return ((const struct mysql_session *)s)->lost;
}

/* ---- statements */

static void put_identifier(struct buf *b, const char *s, bool pattern) {
        buf_putc(b, '`');
        for (; *s; s++) {
                if (*s == '`')
                        buf_putc(b, '`');
                if (pattern && (*s == '_' || *s == '%'))
                        buf_putc(b, '\\');
                buf_putc(b, *s);
        }
        buf_putc(b, '`');
}

static void put_text(struct mysql_session *s, struct buf *b, const char *text) {
        size_t n = strlen(text);

        buf_putc(b, '\'');
        buf_reserve(b, 2 * n + 1);
        b->len += mysql_real_escape_string(s->my, b->data + b->len, text, (unsigned long)n);
        buf_putc(b, '\'');
}

void mysql_session_quote(struct sql_session *s, const char *text, bool identifier,
                         struct buf *out) {
        if (identifier)
                put_identifier(out, text, false);
        else
                put_text((struct mysql_session *)s, out, text);
}

static void put_privileges(struct buf *b, const json_t *list) {
        size_t i;
        json_t *item;

        json_array_foreach((json_t *)list, i, item) {
                buf_puts(b, i ? ", " : "");
                buf_puts(b, json_string_value(item));
        }
}

static void write_statement(struct mysql_session *s, struct buf *b, const char *fmt, va_list ap) {
        for (; *fmt; fmt++) {
                if (*fmt != '%') {
                        buf_putc(b, *fmt);
                        continue;
                }
                switch (*++fmt) {
                case 'I':
                        put_identifier(b, va_arg(ap, const char *), false);
                        break;
                case 'W':
                        put_identifier(b, va_arg(ap, const char *), true);
                        break;
                case 'S':
                        put_text(s, b, va_arg(ap, const char *));
                        break;
                case 'U':
                        put_text(s, b, va_arg(ap, const char *));
                        buf_putc(b, '@');
                        put_text(s, b, va_arg(ap, const char *));
                        break;
                case 'L':
                        buf_puts(b, va_arg(ap, int) ? "ACCOUNT LOCK" : "ACCOUNT UNLOCK");
                        break;
                case 'P':
                        put_privileges(b, va_arg(ap, const json_t *));
                        break;
                default:
                        abort(); /* our own mistake */
                }
        }
}

void mysql_session_rows_free(struct mysql_rows *r) {
        if (r->result)
                mysql_free_result(r->result);
        r->result = NULL;
}

static int run(struct mysql_session *s, struct sql_task *t, struct mysql_rows *ret, const char *fmt,
               va_list ap) {
        cleanup_(buf_wipe) struct buf b = BUF_INIT;
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };

        buf_reserve(&b, STATEMENT_ROOM);
        write_statement(s, &b, fmt, ap);
        if (b.len > STATEMENT_MAX)
                return sql_fail(t, OUTCOME_REFUSED, "a statement of %zu bytes", b.len);
        if (mysql_real_query(s->my, b.data, (unsigned long)b.len) != 0)
                return -1;
        rows.result = mysql_store_result(s->my);
        if (!rows.result && mysql_errno(s->my))
                return -1;
        rows.columns = mysql_field_count(s->my);
        if (rows.result && mysql_num_rows(rows.result) > ROWS_MAX)
                return sql_fail(t, OUTCOME_REFUSED, "more than %d rows", ROWS_MAX);
        if (ret) {
                *ret = rows;
                rows.result = NULL;
        }
        return 0;
}

int mysql_session_do(struct mysql_session *s, struct sql_task *t, struct mysql_rows *ret,
                     const char *fmt, ...) {
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = run(s, t, ret, fmt, ap);
        va_end(ap);
        if (r < 0 && mysql_errno(s->my))
                return mysql_session_fail(s, t);
        return r;
}

int mysql_session_try(struct mysql_session *s, struct sql_task *t, const unsigned *allowed,
                      const char *fmt, ...) {
        unsigned number;
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = run(s, t, NULL, fmt, ap);
        va_end(ap);
        number = mysql_errno(s->my);
        if (r == 0 || !number)
                return r;
        for (; *allowed; allowed++)
                if (*allowed == number)
                        return (int)number;
        return mysql_session_fail(s, t);
}
