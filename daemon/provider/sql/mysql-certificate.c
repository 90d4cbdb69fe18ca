/* SPDX-License-Identifier: Apache-2.0 */
/* mysql-certificate.c - the certificate that a server shows: read anew from its files, without a
 * restart
 *
 * Which one it shows is told apart by the moments between which it is valid, the only thing that
 * both families say of it (MariaDB of the session's own, so on a new connection). Its files
 * follow their Secret when a kubelet comes round: until then it is told again and again. Sessions
 * that are open keep what they have. */
#include "mysql-kinds.h"

#include "cert.h"

#include <time.h>

static void write_time(int64_t ms, char ret[64]) {
        time_t seconds = (time_t)(ms / 1000);
        struct tm tm;

        /* As OpenSSL writes it for the servers, in English whatever our locale. */
        static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
        gmtime_r(&seconds, &tm);
        snprintf(ret, 64, "%s %2d %02d:%02d:%02d %d GMT", months[tm.tm_mon], tm.tm_mday, tm.tm_hour,
                 tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
}

static int look_at(struct mysql_session *s, struct sql_task *t) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };
        MYSQL_ROW row;

        if (mysql_session_do(s, t, &rows,
                             "SHOW STATUS WHERE Variable_name IN ('Ssl_server_not_before', "
                             "'Ssl_server_not_after')") < 0)
                return -1;
        while ((row = mysql_fetch_row(rows.result)))
                if (row[1] && row[1][0])
                        json_object_set_new(t->seen,
                                            strcasecmp(row[0], "Ssl_server_not_before") == 0
                                                    ? "valid-from"
                                                    : "valid-until",
                                            json_string(row[1]));
        t->present = json_object_size(t->seen) > 0;
        return 0;
}

int mysql_certificate_look(struct mysql_session *s, struct sql_task *t) {
        struct sql_session *fresh = mysql_session_open(s->config, s->tunnel_port, t);
        int r;

        if (!fresh)
                return -1;
        json_decref(t->seen);
        t->seen = json_object();
        r = look_at((struct mysql_session *)fresh, t);
        mysql_session_close(fresh);
        return r;
}

static bool is_shown(const struct sql_task *t, const struct cert_facts *f) {
        char from[64], until[64];

        write_time(f->from, from);
        write_time(f->until, until);
        return str_eq(json_get_str(t->seen, "valid-from", NULL), from) &&
               str_eq(json_get_str(t->seen, "valid-until", NULL), until);
}

/* A server that cannot use what it finds keeps what it has: the files may be of two renewals. */
static int reload(struct mysql_session *s, struct sql_task *t) {
        int r = mysql_session_do(s, t, NULL,
                                 s->mariadb ? "FLUSH LOCAL SSL" : "ALTER INSTANCE RELOAD TLS");

        if (r < 0 && t->outcome == OUTCOME_REFUSED)
                t->outcome = OUTCOME_NOT_YET;
        return r;
}

static int show(struct mysql_session *s, struct sql_task *t, const struct cert_facts *f) {
        if (mysql_certificate_look(s, t) < 0)
                return -1;
        if (is_shown(t, f))
                return 0;
        if (!t->present)
                return sql_fail(t, OUTCOME_NOT_YET,
                                "the server has no TLS yet: it restarts for that");
        if (reload(s, t) < 0 || mysql_certificate_look(s, t) < 0)
                return -1;
        if (is_shown(t, f))
                return 0;
        return sql_fail(t, OUTCOME_NOT_YET,
                        "the server still shows the certificate that ends %s: the pod's files "
                        "follow their Secret within some minutes",
                        json_get_str(t->seen, "valid-until", "?"));
}

int mysql_certificate_apply(struct mysql_session *s, struct sql_task *t) {
        cleanup_(cert_facts_free) struct cert_facts facts = { 0 };
        struct err err = { 0 };

        if (!t->password || cert_read(t->password, &facts, &err) < 0)
                return sql_fail(t, OUTCOME_REFUSED, "certificate %s: %s", t->doc.name,
                                err_text(&err));
        return show(s, t, &facts);
}

/* What it shows it shows, until it restarts. */
int mysql_certificate_remove(struct mysql_session *s, struct sql_task *t) {
        t->present = false;
        return 0;
}
