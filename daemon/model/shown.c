/* SPDX-License-Identifier: Apache-2.0 */
/* shown.c - see shown.h */
#include "shown.h"

#include "clock.h"
#include "command.h"
#include "drift-outcome.h"
#include "limit.h"
#include "lookup.h"
#include "map.h"

#include <errno.h>
#include <stdlib.h>

#define PEOPLE_MAX 5    /* rows of the audit that are told with what has moved */
#define LEDGER_MAX 1000 /* newest lines of drift that are looked through for who it was */
#define AUDIT_WINDOW 2000
#define PAGE 500

struct shown *shown_free(struct shown *s) {
        if (!s)
                return NULL;
        free(s->name);
        free(s->application);
        free(s->owner);
        json_wipe(s->request);
        json_decref(s->lines);
        free(s);
        return NULL;
}

/* ---- kept */

json_t *shown_lines(const json_t *lines) {
        static const char *const object[] = { "type", "path", "do", "content", "seen", "server" };
        json_t *out = json_array(), *line;
        size_t i;

        json_array_foreach(lines, i, line) {
                json_t *to = json_object();

                json_array_append_new(out, to);
                if (!json_get(line, "path")) {
                        json_object_set(to, "text", json_get(line, "text"));
                        if (json_get(line, "from"))
                                json_object_set(to, "from", json_get(line, "from"));
                        continue;
                }
                for (size_t k = 0; k < ARRAY_SIZE(object); k++)
                        if (json_get(line, object[k]))
                                json_object_set(to, object[k], json_get(line, object[k]));
        }
        return out;
}

static int check_size(const struct shown_new *in, const char *request, struct err *err) {
        if (json_array_size(in->lines) > SHOWN_LINES_MAX)
                return err_set(err, -E2BIG, "it has %zu lines, and those of at most %d are kept",
                               json_array_size(in->lines), SHOWN_LINES_MAX);
        if (request && strlen(request) > SHOWN_REQUEST_MAX)
                return err_set(err, -E2BIG, "what was asked has %zu bytes, and at most %u are kept",
                               strlen(request), SHOWN_REQUEST_MAX);
        return 0;
}

static int insert(struct tx *tx, const struct sealer *sealer, const struct shown_new *in,
                  int64_t model, const char *request, const char *lines,
                  const uint8_t digest[DIGEST_SIZE], const char *name, struct err *err) {
        struct seal_place at = { "shown", "request", name, 1 };
        cleanup_(buf_free) struct buf sealed = BUF_INIT;
        int r = request ? seal_value(sealer, &at, request, strlen(request), &sealed, err) : 0;

        if (r >= 0)
                r = w_shown_insert(
                        tx,
                        &(struct w_shown_insert_in){ .id = tx_id(tx, "shown"),
                                                     .name = name,
                                                     .model_id = model,
                                                     .application = in->application,
                                                     .owner = in->owner,
                                                     .request = (const uint8_t *)sealed.data,
                                                     .request_len = sealed.len,
                                                     .lines = lines,
                                                     .digest = digest,
                                                     .digest_len = DIGEST_SIZE,
                                                     .at = tx_now(tx),
                                                     .until = tx_now(tx) + SHOWN_KEEP_MS },
                        err);
        if (r >= 0)
                r = w_shown_prune_owner(tx,
                                        &(struct w_shown_prune_owner_in){ .owner = in->owner,
                                                                          .keep = SHOWN_OWNER_MAX },
                                        err);
        return r < 0 ? r : 0;
}

/* The name is that of what is in it, so that a transaction which runs again gives the same one. */
static void name_of(const uint8_t digest[DIGEST_SIZE], int64_t now, char ret[SHOWN_NAME_SIZE]) {
        uint8_t random[DIGEST_SIZE];

        digest_hmac(digest, DIGEST_SIZE, &now, sizeof(now), random);
        digest_text(random, DIGEST_READABLE, SHOWN_NAME_SIZE - 1, ret);
}

int shown_keep(struct tx *tx, const struct sealer *sealer, const struct shown_new *in,
               char ret[SHOWN_NAME_SIZE], struct err *err) {
        cleanup_(json_freep) json_t *kept = shown_lines(in->lines);
        cleanup_(freep) char *text = json_text(kept);
        char *request = in->request ? json_text(in->request) : NULL;
        struct buf all = BUF_INIT;
        uint8_t digest[DIGEST_SIZE];
        const struct q_model_row *model;
        struct q_shown_row *same;
        size_t n;
        int r = check_size(in, request, err);

        buf_printf(&all, "%s\n%s\n%s\n%s\n%s", in->owner, in->model, in->application,
                   request ? request : "", text);
        seal_keyed_hash(sealer, all.data, all.len, digest);
        buf_wipe(&all);
        if (r >= 0)
                r = lookup_model(tx, in->model, &model, err);
        if (r >= 0)
                r = q_shown_same(tx,
                                 &(struct q_shown_same_in){ .owner = in->owner,
                                                            .model_id = model->id,
                                                            .digest = digest,
                                                            .digest_len = DIGEST_SIZE },
                                 &same, &n, err);
        if (r >= 0 && n) {
                str_copy(ret, SHOWN_NAME_SIZE, same->name);
                r = w_shown_again(tx,
                                  &(struct w_shown_again_in){ .id = same->id,
                                                              .at = tx_now(tx),
                                                              .until = tx_now(tx) + SHOWN_KEEP_MS },
                                  err);
        } else if (r >= 0) {
                name_of(digest, tx_now(tx), ret);
                r = insert(tx, sealer, in, model->id, request, text, digest, ret, err);
        }
        wipep(&request);
        return r < 0 ? r : 0;
}

static int open_request(const struct sealer *sealer, const struct q_shown_row *row, json_t **ret,
                        struct err *err) {
        struct seal_place at = { "shown", "request", row->name, 1 };
        cleanup_(secret_text_free) struct secret_text text = { 0 };
        int r;

        if (!row->request_len)
                return 0;
        r = seal_open(sealer, &at, row->request, row->request_len, &text, err);
        return r < 0 ? r : json_parse(text.data, text.len, ret, err);
}

/* One that limits hold is not kept here: its application's row has it. */
static int find_held(struct tx *tx, const struct q_model_row *m, const char *name,
                     struct shown **ret, struct err *err) {
        struct q_application_list_in in = { .model_id = m->id, .after = "", .max = PAGE };
        struct q_application_row *rows;
        size_t n;
        int r;

        do {
                r = q_application_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        cleanup_(freep) char *content = command_held_content(&rows[i]);
                        char held[LIMIT_NAME_SIZE];

                        in.after = rows[i].name;
                        if (!content)
                                continue;
                        limit_name(rows[i].id, content, held);
                        if (!str_eq(held, name))
                                continue;
                        *ret = mem_new(struct shown);
                        (*ret)->model = m->id;
                        (*ret)->name = str_dup(name);
                        (*ret)->application = str_dup(rows[i].name);
                        (*ret)->lines =
                                json_pack("[{s:s, s:s, s:s, s:s}]", "type", "plan", "path",
                                          rows[i].name, "do", "release", "content", content);
                        return 1;
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

int shown_find(struct tx *tx, const struct sealer *sealer, const char *model, const char *name,
               struct shown **ret, struct err *err) {
        const struct q_model_row *m;
        struct q_shown_row *row;
        struct shown *s;
        size_t n;
        int r = lookup_model(tx, model, &m, err);

        if (r >= 0)
                r = find_held(tx, m, name, ret, err);
        if (r > 0)
                return 0;
        if (r >= 0)
                r = q_shown_by_name(tx, &(struct q_shown_by_name_in){ .name = name }, &row, &n,
                                    err);
        if (r < 0)
                return r;
        if (n == 0 || row->model_id != m->id || row->until <= tx_now(tx))
                return err_set(err, -ENOENT,
                               "no plan %s of model %s is kept: plans are kept for %lld hours, the "
                               "newest %d of each person, and gone on with once; plan again",
                               name, model, SHOWN_KEEP_MS / 3600000, SHOWN_OWNER_MAX);
        s = mem_new(struct shown);
        s->id = row->id;
        s->model = row->model_id;
        s->at = row->at;
        s->name = str_dup(row->name);
        s->application = str_dup(row->application);
        s->owner = str_dup(row->owner);
        r = open_request(sealer, row, &s->request, err);
        if (r >= 0)
                r = json_parse(row->lines, strlen(row->lines), &s->lines, err);
        if (r < 0) {
                shown_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

/* ---- compared */

static char *key_of(const json_t *line) {
        if (!json_get(line, "path"))
                return str_dup(json_get_str(line, "text", ""));
        return str_format("%s %s", json_get_str(line, "type", ""), json_get_str(line, "path", ""));
}

static void index_lines(const json_t *lines, struct map *ret) {
        json_t *line;
        size_t i;

        json_array_foreach(lines, i, line) {
                cleanup_(freep) char *key = key_of(line);

                map_set(ret, key, line);
        }
}

static bool same(const json_t *a, const json_t *b, const char *member) {
        return str_eq(json_get_str(a, member, ""), json_get_str(b, member, ""));
}

/* What is to be done, or what was there, is other now. */
static char *other(const json_t *then, const json_t *now, const char *who) {
        if (!same(then, now, "from"))
                return str_dup("what it changes is not what it was then");
        if (!same(then, now, "do"))
                return str_format("the plan says %s, now it is %s", json_get_str(then, "do", ""),
                                  json_get_str(now, "do", ""));
        if (!same(then, now, "content"))
                return str_dup(same(then, now, "seen")
                                       ? "what would be written is other now"
                                       : "what would be written is other now, and what is there "
                                         "too");
        if (!same(then, now, "seen"))
                return str_format("what is there is other now%s%s", who ? ": changed by " : "",
                                  who ? who : "");
        if (!same(then, now, "server"))
                return str_format("the server said %s, now it says %s",
                                  json_get_str(then, "server", "nothing"),
                                  json_get_str(now, "server", "nothing"));
        return NULL;
}

static void compare_line(const char *key, const json_t *then, const json_t *now, const char *who,
                         struct faults *ret) {
        bool object = json_get(then ? then : now, "path");
        cleanup_(freep) char *what = NULL;

        if (then && now) {
                what = other(then, now, who);
                if (what)
                        faults_add(ret, NULL, 0, "%s: %s", key, what);
        } else if (!object) {
                faults_add(ret, NULL, 0, "%s: %s", then ? "no longer" : "new", key);
        } else if (then) {
                faults_add(ret, NULL, 0,
                           "%s: the plan would %s it, and now nothing is to be done with it%s%s",
                           key, json_get_str(then, "do", "change"),
                           who ? "; it was changed by " : "", who ? who : "");
        } else {
                faults_add(ret, NULL, 0, "%s: not in the plan, and to be done too now: %s%s%s", key,
                           json_get_str(now, "do", ""), who ? "; it was changed by " : "",
                           who ? who : "");
        }
}

void shown_moved(const json_t *then, const json_t *now, const json_t *since, struct faults *ret) {
        const json_t *objects = json_get(since, "objects"), *person;
        struct map a = MAP_INIT, b = MAP_INIT;
        struct map_entry *e;
        size_t before = ret->count, k;

        index_lines(then, &a);
        index_lines(now, &b);
        for (size_t i = 0; (e = map_next(&a, &i));)
                compare_line(e->key, e->value, map_find(&b, e->key),
                             json_get_str(objects, e->key, NULL), ret);
        for (size_t i = 0; (e = map_next(&b, &i));)
                if (!map_find(&a, e->key))
                        compare_line(e->key, NULL, e->value, json_get_str(objects, e->key, NULL),
                                     ret);
        map_free(&a);
        map_free(&b);
        json_array_foreach(json_get(since, "people"), k, person)
                if (ret->count > before)
                        faults_add(ret, NULL, 0, "since then: %s", json_string_value(person));
}

/* ---- who it was */

static int read_people(struct tx *tx, const struct shown *s, const char *model, json_t *people,
                       struct err *err) {
        struct q_audit_last_row *last;
        struct q_audit_row *rows;
        size_t n;
        int r = q_audit_last(tx, &last, &n, err);

        if (r < 0 || n == 0)
                return r;
        r = q_audit_list(tx,
                         &(struct q_audit_list_in){ .newest = last->id,
                                                    .oldest = MAX_OF(last->id - AUDIT_WINDOW, 1),
                                                    .since = s->at,
                                                    .max = AUDIT_WINDOW },
                         &rows, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                char stamp[CLOCK_TEXT_MAX];

                if (!str_eq(rows[i].kind, "person") || !str_eq(rows[i].outcome, "done") ||
                    !str_eq(rows[i].model, model))
                        continue;
                if (json_array_size(people) == PEOPLE_MAX) {
                        json_array_append_new(people,
                                              json_string("more was changed: mooringctl audit"));
                        break;
                }
                json_array_append_new(
                        people, json_sprintf("%s %s by %s at %s%s%s", rows[i].what, rows[i].subject,
                                             rows[i].user_name, clock_iso(rows[i].at, false, stamp),
                                             rows[i].message[0] ? ": " : "", rows[i].message));
        }
        return r;
}

static int read_objects(struct tx *tx, const struct shown *s, json_t *objects, struct err *err) {
        struct q_drift_list_in in = {
                .model_id = s->model, .newest = INT64_MAX, .since = s->at, .max = LEDGER_MAX
        };
        struct q_drift_newest_before_row *last;
        struct q_drift_row *rows;
        size_t n;
        int r = q_drift_newest_before(
                tx,
                &(struct q_drift_newest_before_in){ .model_id = s->model, .before_id = INT64_MAX },
                &last, &n, err);

        if (r < 0 || n == 0)
                return r;
        in.newest = last->id;
        in.oldest = MAX_OF(last->id - LEDGER_MAX, 1);
        r = q_drift_list(tx, &in, &rows, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                cleanup_(freep) char *key = str_format("%s %s", rows[i].type, rows[i].path);

                if (rows[i].who[0] && !str_eq(rows[i].who, DRIFT_WHO_UNKNOWN) &&
                    !json_object_get(objects, key))
                        json_object_set_new(objects, key, json_string(rows[i].who));
        }
        return r;
}

int shown_since(struct tx *tx, const struct shown *s, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *people = json_array(), *objects = json_object();
        struct q_model_row *model;
        size_t n;
        int r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = s->model }, &model, &n, err);

        if (r >= 0 && n)
                r = read_people(tx, s, model->name, people, err);
        if (r >= 0)
                r = read_objects(tx, s, objects, err);
        if (r < 0)
                return r;
        *ret = json_object();
        json_object_set(*ret, "people", people);
        json_object_set(*ret, "objects", objects);
        return 0;
}
