/* SPDX-License-Identifier: Apache-2.0 */
/* backup.c - where backups lie, and what the actions about them share; see backup.h */
#include "backup.h"

#include "charm.gen.h"

#include "s3-endpoint.h"

#include <stdlib.h>

/* ---- the target */

void backup_plan(const struct charm_view *v, struct charm_plan *p) {
        s3_endpoint_plan(v, p, ENDPOINT_S3_PARAMETERS,
                         &(struct s3_endpoint_use){ BACKUP_TARGET, "backup-target.yaml", "backups",
                                                    "backups" });
}

/* ---- what actions find it by */

bool backup_store(const struct charm_world *w, struct charm_ask *a, struct backup_store *ret) {
        const struct charm_relation *r =
                charm_relation(charm_world_view(w), ENDPOINT_S3_PARAMETERS, 0);
        struct charm_plan *p = charm_paper(a);
        struct s3_store told;

        if (!r)
                charm_give_up(a, "Missing relation with S3 integrator charm: mooringctl deploy "
                                 "s3-integrator, and integrate it with s3-parameters");
        else if (!s3_endpoint_told(r))
                charm_give_up(a, "Missing S3 parameters: %s has told no bucket and keys yet",
                              r->application);
        if (!r || !s3_endpoint_told(r))
                return false;
        told = s3_endpoint_store(p, r);
        *ret = (struct backup_store){ told.bucket, s3_endpoint_prefix(p, &told) };
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

bool backup_is_behind(const struct charm_world *w, struct charm_ask *a, const char *key) {
        struct backup_store s;
        size_t length;

        if (!backup_store(w, a, &s))
                return true;
        length = strlen(s.prefix);
        return !strncmp(key, s.prefix, length) && key[length] > '9';
}

bool backup_listed(const struct charm_world *w, struct charm_ask *a, size_t i, const char **ret_id,
                   const char **ret_file, bool *ret_end) {
        struct charm_plan *p = charm_paper(a);
        const char *key = charm_answer(w, charm_text(p, "/objects/%zu/key", i));
        struct backup_store s;
        size_t length;

        *ret_end = !key || !backup_store(w, a, &s);
        if (*ret_end || backup_is_behind(w, a, key) ||
            strncmp(key, s.prefix, strlen(s.prefix)) != 0)
                return false;
        key += strlen(s.prefix);
        length = strcspn(key, "/");
        if (!length || !key[length] || strchr(key + length + 1, '/'))
                return false;
        *ret_id = charm_text(p, "%.*s", (int)length, key);
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
        const char *const files[] = { BACKUP_METADATA, BACKUP_VERIFIED, BACKUP_FAILED,
                                      backup_dump_file(false), backup_dump_file(true) };
        const size_t most = sizeof(files) / sizeof(*files);
        const char *deleted = charm_state(w, "deleted");
        size_t i = deleted ? strtoul(deleted, NULL, 10) : 0;

        if (i > most) {
                charm_set(a, "deleted", NULL);
                return false;
        }
        if (i == most && backup_ask_delete_more(w, a, id))
                return true;
        charm_set(a, "deleted", charm_text(charm_paper(a), "%zu", i + 1));
        backup_ask_object(w, a, "delete-object", id, i < most ? files[i] : backup_owner_file(w, a),
                          "");
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

/* ---- the passphrase */

const char *backup_passphrase(const struct charm_world *w) {
        const struct charm_view *v = charm_world_view(w);
        const char *given = charm_param(w, "passphrase");

        if (given || !charm_option_set(v, OPTION_BACKUP_PASSPHRASE))
                return given;
        return charm_option(v, OPTION_BACKUP_PASSPHRASE);
}

/* ---- lines */

const char *backup_line(struct charm_ask *a, const char *text, size_t i) {
        for (; text && *text; i--) {
                size_t length = strcspn(text, "\n");

                if (!i)
                        return charm_text(charm_paper(a), "%.*s", (int)length, text);
                text += length + (text[length] == '\n');
        }
        return NULL;
}

const char *backup_field(struct charm_ask *a, const char *line, size_t i) {
        for (; i && *line; i--) {
                line += strcspn(line, "\t");
                line += *line == '\t';
        }
        return charm_text(charm_paper(a), "%.*s", (int)strcspn(line, "\t"), line);
}

const char *backup_meta(struct charm_ask *a, const char *text, const char *name, size_t i) {
        size_t length = strlen(name);

        for (; text && *text; text += strcspn(text, "\n"), text += *text == '\n') {
                if (strncmp(text, name, length) != 0 || strncmp(text + length, ": ", 2) != 0)
                        continue;
                if (!i--)
                        return charm_text(charm_paper(a), "%.*s",
                                          (int)strcspn(text + length + 2, "\n"), text + length + 2);
        }
        return NULL;
}

const char *backup_word(struct charm_plan *p, const char **text) {
        const char *word = charm_text(p, "%.*s", (int)strcspn(*text, " "), *text);

        *text += strlen(word);
        *text += **text == ' ';
        return word;
}
