/* SPDX-License-Identifier: Apache-2.0 */
/* doctor-rows.c - the facts that lie in rows and files; see doctor.h
 *
 * Runs on the store's read thread, where the disk may be slow. What cannot be read is a fact
 * itself, so that a broken store does not keep the rest from being judged. */
#include "doctor.h"

#include "admin-internal.h"
#include "clock.h"
#include "queries.gen.h"
#include "schedule-age.h"
#include "routes.h"
#include "seal.h"
#include "rule.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PAGE 1000
#define CERTIFICATES_MAX 256 /* of one bundle: all public authorities are 150 */

/* ---- rows */

static void add_pause(json_t *row, const char *by, const char *why, int64_t at, int64_t until) {
        if (!by)
                return;
        json_object_set_new(row, "paused-by", json_words(by));
        json_object_set_new(row, "paused-why", json_words(why));
        json_object_set_new(row, "paused-at", json_integer(at));
        json_object_set_new(row, "paused-until", json_integer(until));
}

/* When the first window of a rule begins that F keeps from its repairs; NULL: none. */
static char *missed_window(const struct rules *rules, const struct freeze *f, int64_t now) {
        char stamp[CLOCK_TEXT_MAX];

        for (size_t i = 0; i < rules->count; i++) {
                const struct rule *r = &rules->items[i];
                bool fits = !f->application[0] || !r->application[0] ||
                            str_eq(f->application, r->application);
                int64_t change;
                bool open = rule_window_open(r, now, &change);

                if (!fits || !r->begins[0] || open || !change || (f->until && change > f->until))
                        continue;
                return str_format("the repair window \"%s\" begins at %s, before it ends",
                                  r->begins, clock_iso(change, false, stamp));
        }
        return NULL;
}

static void add_rule(const struct q_model_row *m, const struct rule *r, json_t *to) {
        cleanup_(freep) char *text = rule_text(r);

        if (r->mode != RULE_REPAIR)
                json_array_append_new(to, json_pack("{s:s, s:s, s:s, s:o, s:I, s:I}", "model",
                                                    m->name, "application", r->application, "mode",
                                                    rule_mode_name(r->mode), "text",
                                                    json_words(text), "at", (json_int_t)r->at,
                                                    "until", (json_int_t)r->until));
}

/* Rules that keep something from being put right, freezes and pauses. */
static int add_stops(struct tx *tx, const struct q_model_row *m, json_t *facts, struct err *err) {
        json_t *to = json_get(facts, "freezes");
        struct rules *rules = NULL;
        int r = rules_load(tx, m->id, &rules, err);

        for (size_t i = 0; r >= 0 && i < rules->count; i++)
                add_rule(m, &rules->items[i], json_get(facts, "rules"));

        for (size_t i = 0; r >= 0 && i < rules->freeze_count; i++) {
                const struct freeze *f = &rules->freezes[i];
                cleanup_(freep) char *text = freeze_text(f);
                cleanup_(freep) char *missed = missed_window(rules, f, tx_now(tx));

                if (!f->id) /* "restored" tells it once */
                        continue;
                json_array_append_new(to,
                                      json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I}", "model",
                                                m->name, "application", f->application, "type",
                                                f->type, "path", f->path, "text", json_words(text),
                                                "missed", json_words(missed), "at",
                                                (json_int_t)f->at, "until", (json_int_t)f->until));
        }
        rules_free(rules);
        return r;
}

static int add_models(struct tx *tx, json_t *to, json_t *names, json_t *facts, struct err *err) {
        struct q_model_list_in in = { .max = PAGE };
        struct q_model_row *rows;
        size_t n = PAGE;
        int r = 0;

        while (r >= 0 && n == PAGE) {
                r = q_model_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        json_t *row = json_pack("{s:s}", "name", rows[i].name);
                        char id[32];

                        snprintf(id, sizeof(id), "%lld", (long long)rows[i].id);
                        json_object_set_new(names, id, json_string(rows[i].name));
                        add_pause(row, rows[i].paused_by, rows[i].paused_why, rows[i].paused_at,
                                  rows[i].paused_until);
                        json_array_append_new(to, row);
                        r = add_stops(tx, &rows[i], facts, err);
                        if (r >= 0)
                                r = doctor_schedules_read(tx, rows[i].id,
                                                          json_get(facts, "schedules"), err);
                        if (r >= 0)
                                r = doctor_issued_read(tx, rows[i].id, rows[i].name, facts, err);
                }
                if (r >= 0 && n)
                        in.after = rows[n - 1].id;
        }
        return r;
}

static json_t *application_json(const struct q_application_row *a, const json_t *names,
                                const char *state_dir) {
        cleanup_(freep) char *folder =
                a->charm_sha256 ? str_format("%s/charms/%s", state_dir, a->charm_sha256) : NULL;
        char id[32];
        json_t *row;

        snprintf(id, sizeof(id), "%lld", (long long)a->model_id);
        row = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:I, s:b}", "model",
                        json_get_str(names, id, ""), "name", a->name, "charm-name", a->charm_name,
                        "charm-channel", a->channel, "charm-sha256", a->charm_sha256, "charm-rev",
                        (json_int_t)a->revision, "charm-missing",
                        folder && access(folder, F_OK) < 0 && errno == ENOENT);
        add_pause(row, a->paused_by, a->paused_why, a->paused_at, a->paused_until);
        return row;
}

static int add_applications(struct tx *tx, json_t *to, const json_t *names, const char *state_dir,
                            struct err *err) {
        struct q_application_list_all_in in = { .max = PAGE };
        struct q_application_row *rows;
        size_t n = PAGE;
        int r = 0;

        while (r >= 0 && n == PAGE) {
                r = q_application_list_all(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++)
                        json_array_append_new(to, application_json(&rows[i], names, state_dir));
                if (r >= 0 && n)
                        in.after = rows[n - 1].id;
        }
        return r;
}

static int add_rows(struct tx *tx, struct request *q, json_t *facts, struct err *err) {
        const char *state_dir = q->admin->options.state_dir;
        cleanup_(json_freep) json_t *names = json_object();
        json_t *models = json_array(), *applications = json_array();
        struct q_metric_counts_row *counts;
        size_t n;
        int r;

        json_object_set_new(facts, "models", models);
        json_object_set_new(facts, "applications", applications);
        json_object_set_new(facts, "freezes", json_array());
        json_object_set_new(facts, "rules", json_array());
        json_object_set_new(facts, "schedules", json_array());
        json_object_set_new(facts, "secrets", json_array());
        json_object_set_new(facts, "certificates", json_array());
        json_object_set_new(facts, "authorities", json_array());
        json_object_set_new(facts, "schedule-ages", json_array());
        r = add_models(tx, models, names, facts, err);
        if (r >= 0)
                r = schedule_ages_read(tx, NULL, json_get(facts, "schedule-ages"), err);
        if (r >= 0)
                r = doctor_secrets_read(tx, clock_wall(), json_get(facts, "secrets"), err);
        if (r >= 0)
                r = doctor_backups_read(tx, q, facts, err);
        if (r >= 0)
                r = add_applications(tx, applications, names, state_dir, err);
        if (r >= 0)
                r = q_metric_counts(tx, &counts, &n, err);
        if (r >= 0 && n)
                json_object_set_new(facts, "counts",
                                    json_pack("{s:I}", "leftovers", (json_int_t)counts->leftovers));
        return r;
}

static void add_needed(struct tx *tx, struct request *q, json_t *facts) {
        cleanup_(json_freep) json_t *role = NULL;
        struct err err = { 0 };

        if (cluster_role_read(tx, q, &role, &err) < 0) {
                json_object_set_new(facts, "needed-failed", json_words(err_text(&err)));
                return;
        }
        json_object_set(facts, "needed", json_get(role, "rules"));
        json_object_set(facts, "needed-unknown", json_get(role, "unknown"));
}

/* ---- files */

static json_t *mode_json(const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return json_pack("{s:s, s:s}", "path", path, "failed", strerror(errno));
        return json_pack("{s:s, s:i, s:I, s:I}", "path", path, "mode", (int)(st.st_mode & 07777),
                         "owner", (json_int_t)st.st_uid, "self", (json_int_t)geteuid());
}

/* As df: what only root may fill, or a quota withholds, is no part of the whole. */
static void add_disk(json_t *facts, const char *state_dir) {
        struct statvfs fs;
        fsblkcnt_t usable;

        if (statvfs(state_dir, &fs) < 0) {
                json_object_set_new(facts, "disk-failed", json_string(strerror(errno)));
                return;
        }
        usable = fs.f_blocks - fs.f_bfree + fs.f_bavail;
        json_object_set_new(
                facts, "disk",
                json_pack("{s:I, s:I, s:I, s:I}", "bytes", (json_int_t)(usable * fs.f_frsize),
                          "free", (json_int_t)(fs.f_bavail * fs.f_frsize), "inodes",
                          (json_int_t)fs.f_files, "inodes-free", (json_int_t)fs.f_favail));
}

static void add_key_facts(json_t *key, const struct stat *st) {
        json_object_set_new(key, "keys", json_integer(st->st_size / SEAL_KEY_SIZE));
        json_object_set_new(key, "changed", json_integer(st->st_mtim.tv_sec * 1000ll));
}

static void add_files(json_t *facts, const struct admin_options *o) {
        struct seal_options seal = { .state_dir = o->state_dir, .key_file = o->key_file };
        cleanup_(freep) char *wal = str_format("%s/model.db-wal", o->state_dir);
        bool credential;
        cleanup_(freep) char *key = seal_where(&seal, &credential);
        json_t *key_json = mode_json(key);
        struct stat st;

        json_object_set_new(facts, "state", mode_json(o->state_dir));
        add_disk(facts, o->state_dir);
        if (stat(wal, &st) == 0)
                json_object_set_new(facts, "files",
                                    json_pack("{s:I}", "model.db-wal", (json_int_t)st.st_size));
        if (stat(key, &st) == 0)
                add_key_facts(key_json, &st);
        json_object_set_new(key_json, "credential", json_boolean(credential));
        json_object_set_new(facts, "key", key_json);
}

json_t *doctor_rows(struct tx *tx, struct request *q) {
        const struct admin_options *o = &q->admin->options;
        json_t *facts = json_object();
        struct err err = { 0 };

        if (add_rows(tx, q, facts, &err) < 0)
                json_object_set_new(facts, "rows-failed", json_words(err_text(&err)));
        add_needed(tx, q, facts);
        add_files(facts, o);
        return facts;
}

/* ---- certificates */

static int64_t end_of(gnutls_x509_crt_t *list, unsigned n, bool last) {
        int64_t ends = 0;

        for (unsigned i = 0; i < n; i++) {
                int64_t end = (int64_t)gnutls_x509_crt_get_expiration_time(list[i]) * 1000;

                if (i == 0 || (last && end > ends))
                        ends = end;
                gnutls_x509_crt_deinit(list[i]);
        }
        return ends;
}

int64_t doctor_certificate_ends(const char *pem, bool last) {
        gnutls_datum_t text = { (unsigned char *)pem, pem ? (unsigned)strlen(pem) : 0 };
        gnutls_x509_crt_t list[CERTIFICATES_MAX];
        unsigned n = CERTIFICATES_MAX;

        if (!pem || gnutls_x509_crt_list_import(list, &n, &text, GNUTLS_X509_FMT_PEM, 0) < 0)
                return 0;
        return end_of(list, n, last);
}
