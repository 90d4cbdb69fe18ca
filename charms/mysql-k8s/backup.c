/* SPDX-License-Identifier: Apache-2.0 */
/* backup.c - where backups lie, and what the actions about them share; see backup.h */
#include "backup.h"

#include "charm.gen.h"

#include "s3-endpoint.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the target */

static const char *cut(struct charm_plan *p, const char *text, size_t length) {
        char *out = charm_memory(p, length + 1);

        memcpy(out, text, length);
        return out;
}

void backup_plan(const struct charm_view *v, struct charm_plan *p) {
        const struct charm_relation *r = charm_relation(v, ENDPOINT_S3_PARAMETERS, 0);
        struct s3_endpoint e;

        if (!r)
                return;
        charm_tell(p, r, "bucket", charm_text(p, "relation-%lld", (long long)r->id));
        if (!s3_endpoint_told(r))
                return charm_status(p, CHARM_ACTIVE,
                                    "no backups before %s tells a bucket and its keys",
                                    r->application);
        s3_endpoint_read(p, r, &e);
        if (!e.tls && !e.via)
                return charm_status(p, CHARM_BLOCKED,
                                    "s3-parameters: %.200s would carry backups and keys in the "
                                    "open: https://, or a Service of the cluster "
                                    "(NAME.NAMESPACE.svc.cluster.local)",
                                    e.url);
        s3_endpoint_target(p, r, &e, BACKUP_TARGET, "backup-target.yaml");
}

/* ---- what actions find it by */

bool backup_store(const struct charm_world *w, struct charm_ask *a, struct backup_store *ret) {
        const struct charm_relation *r =
                charm_relation(charm_world_view(w), ENDPOINT_S3_PARAMETERS, 0);
        struct charm_plan *p = charm_paper(a);

        if (!r)
                charm_give_up(a, "Missing relation with S3 integrator charm: mooringctl deploy "
                                 "s3-integrator, and integrate it with s3-parameters");
        else if (!s3_endpoint_told(r))
                charm_give_up(a, "Missing S3 parameters: %s has told no bucket and keys yet",
                              r->application);
        if (!r || !s3_endpoint_told(r))
                return false;
        *ret = (struct backup_store){ charm_told(r, "bucket"), s3_endpoint_prefix(p, r) };
        return true;
}

const char *backup_dump_file(bool sealed) {
        return sealed ? "dump.sql.gz.sealed" : "dump.sql.gz";
}

const char *backup_object(const struct charm_world *w, struct charm_ask *a, const char *id,
                          const char *file, const char *extra) {
        struct charm_plan *p = charm_paper(a);
        struct backup_store s;

        if (!backup_store(w, a, &s))
                return NULL;
        return charm_text(p, "{\"bucket\":%s,\"key\":%s%s}", charm_quote(p, s.bucket),
                          charm_quote(p, charm_text(p, "%s%s/%s", s.prefix, id, file)), extra);
}

void backup_ask_list(const struct charm_world *w, struct charm_ask *a, const char *prefix,
                     const char *after, int limit) {
        struct charm_plan *p = charm_paper(a);
        struct backup_store s;

        if (!backup_store(w, a, &s))
                return;
        charm_ask_verb(a, BACKUP_TARGET, "list-objects",
                       charm_text(p, "{\"bucket\":%s,\"prefix\":%s,\"limit\":%d%s%s}",
                                  charm_quote(p, s.bucket),
                                  charm_quote(p, charm_text(p, "%s%s", s.prefix, prefix)), limit,
                                  after ? ",\"after\":" : "", after ? charm_quote(p, after) : ""));
}

bool backup_listed(const struct charm_world *w, struct charm_ask *a, size_t i, const char **ret_id,
                   const char **ret_file, bool *ret_end) {
        struct charm_plan *p = charm_paper(a);
        const char *key = charm_answer(w, charm_text(p, "/objects/%zu/key", i));
        struct backup_store s;
        size_t length;

        *ret_end = !key || !backup_store(w, a, &s);
        if (*ret_end || strncmp(key, s.prefix, strlen(s.prefix)) != 0)
                return false;
        key += strlen(s.prefix);
        length = strcspn(key, "/");
        if (!length || !key[length] || strchr(key + length + 1, '/'))
                return false;
        *ret_id = cut(p, key, length);
        *ret_file = key + length + 1;
        return true;
}

void backup_ask_object(const struct charm_world *w, struct charm_ask *a, const char *verb,
                       const char *id, const char *file, const char *extra) {
        const char *object = backup_object(w, a, id, file, extra);

        if (object)
                charm_ask_verb(a, BACKUP_TARGET, verb, object);
}

void backup_ask_put(const struct charm_world *w, struct charm_ask *a, const char *id,
                    const char *file, const char *text) {
        struct charm_plan *p = charm_paper(a);

        backup_ask_object(w, a, "put-object", id, file,
                          charm_text(p, ",\"body\":%s,\"content-type\":\"text/plain\"",
                                     charm_quote(p, text)));
}

bool backup_ask_delete(const struct charm_world *w, struct charm_ask *a, const char *id) {
        const char *const files[] = { BACKUP_METADATA,        BACKUP_VERIFIED,
                                      BACKUP_FAILED,          backup_dump_file(false),
                                      backup_dump_file(true), backup_owner_file(w, a) };
        const char *deleted = charm_state(w, "deleted");
        size_t i = deleted ? strtoul(deleted, NULL, 10) : 0;

        if (i == sizeof(files) / sizeof(*files)) {
                charm_set(a, "deleted", NULL);
                return false;
        }
        charm_set(a, "deleted", charm_text(charm_paper(a), "%zu", i + 1));
        backup_ask_object(w, a, "delete-object", id, files[i], "");
        return true;
}

/* ---- names */

const char *backup_owner_file(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);

        return charm_text(charm_paper(a), "owner.%s.%s", charm_model(v), charm_application(v));
}

/* Days since 1970 as a date, after the civil calendar of Hinnant. */
const char *backup_time(struct charm_plan *p, int64_t ms) {
        int64_t seconds = ms / 1000, days = seconds / 86400 + 719468, of_day = seconds % 86400;
        int64_t era = days / 146097, of_era = days % 146097;
        int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
        int64_t month = (5 * of_year + 2) / 153, day = of_year - (153 * month + 2) / 5 + 1;

        month = month < 10 ? month + 3 : month - 9;
        return charm_text(p, "%04lld-%02lld-%02lldT%02lld:%02lld:%02lldZ",
                          (long long)(year + era * 400 + (month <= 2)), (long long)month,
                          (long long)day, (long long)(of_day / 3600), (long long)(of_day / 60 % 60),
                          (long long)(of_day % 60));
}

/* ---- the server */

const char *backup_passphrase(const struct charm_world *w) {
        const struct charm_view *v = charm_world_view(w);
        const char *given = charm_param(w, "passphrase");

        if (given || !charm_option_set(v, OPTION_BACKUP_PASSPHRASE))
                return given;
        return charm_option(v, OPTION_BACKUP_PASSPHRASE);
}

bool backup_server_runs(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);

        if (charm_owned(w, "root", "password") && charm_ready(v, "statefulset"))
                return true;
        charm_give_up(a, "Process mysqld not running: %s", charm_reason(v, "statefulset"));
        return false;
}

const char *backup_pod(const struct charm_world *w, struct charm_ask *a) {
        return charm_text(charm_paper(a), "%s-0", charm_application(charm_world_view(w)));
}

/* ---- commands in the pod
 *
 * The password goes in by stdin, the first line of it, and from there into the environment of the
 * one command, which only its own user can read. */

#define PASSWORD "IFS= read -r MYSQL_PWD && export MYSQL_PWD && "

const char *backup_command(const struct charm_world *w, struct charm_ask *a, const char *pod,
                           const char *script, const char *words, const char *first) {
        struct charm_plan *p = charm_paper(a);
        const char *password = charm_owned(w, "root", "password"), *line;
        const char *argv = charm_text(p, "\"sh\",\"-c\",%s,\"sh\"",
                                      charm_quote(p, charm_text(p, PASSWORD "%s", script)));

        for (size_t i = 0; (line = backup_line(a, words, i)); i++)
                argv = charm_text(p, "%s,%s", argv, charm_quote(p, line));
        return charm_text(p, "{\"pod\":%s,\"container\":\"mysql\",\"argv\":[%s],\"stdin\":%s}",
                          charm_quote(p, pod), argv,
                          charm_quote(p, charm_text(p, "%s\n%s", password ? password : "", first)));
}

/* ---- lines */

const char *backup_line(struct charm_ask *a, const char *text, size_t i) {
        for (; text && *text; i--) {
                size_t length = strcspn(text, "\n");

                if (!i)
                        return cut(charm_paper(a), text, length);
                text += length + (text[length] == '\n');
        }
        return NULL;
}

const char *backup_meta(struct charm_ask *a, const char *text, const char *name, size_t i) {
        size_t length = strlen(name);

        for (; text && *text; text += strcspn(text, "\n"), text += *text == '\n') {
                if (strncmp(text, name, length) != 0 || strncmp(text + length, ": ", 2) != 0)
                        continue;
                if (!i--)
                        return cut(charm_paper(a), text + length + 2,
                                   strcspn(text + length + 2, "\n"));
        }
        return NULL;
}

/* ---- checksums */

static size_t count_lines(const char *text) {
        size_t n = 0;

        for (; *text; text++)
                n += *text == '\n';
        return n;
}

void backup_ask_checksums(struct charm_ask *a, const char *server, const char *tables) {
        struct charm_plan *p = charm_paper(a);
        size_t count = count_lines(tables), room = 64 + count * 48, used;
        struct charm_value *values = charm_memory(p, (2 * count + 1) * sizeof(*values));
        /* Of each: :"d123".:"t123",  */
        char *sql = charm_memory(p, room);
        const char *const statements[] = { sql, NULL };

        used = (size_t)snprintf(sql, room, "CHECKSUM TABLE ");
        for (size_t i = 0; i < count; i++) {
                const char *line = tables, *name = charm_text(p, "d%zu", i);
                size_t length = strcspn(line, "\t"), rest = strcspn(line, "\n");

                values[2 * i] = (struct charm_value){ name, cut(p, line, length) };
                values[2 * i + 1] =
                        (struct charm_value){ charm_text(p, "t%zu", i),
                                              cut(p, line + length + 1, rest - length - 1) };
                used += (size_t)snprintf(sql + used, room - used, "%s:\"d%zu\".:\"t%zu\"",
                                         i ? ", " : "", i, i);
                tables += rest + 1;
        }
        charm_ask_sql(a, server, statements, values);
}

const char *backup_checksums(const struct charm_world *w, struct charm_ask *a, const char *tables) {
        struct charm_plan *p = charm_paper(a);
        size_t count = count_lines(tables), room = count * 24 + 1, used = 0;
        char *out = charm_memory(p, room);

        for (size_t i = 0; i < count; i++) {
                const char *sum = charm_answer(w, charm_text(p, "/rows/%zu/1", i));

                used += (size_t)snprintf(out + used, room - used, "%.20s\n", sum ? sum : "-");
        }
        return out;
}
