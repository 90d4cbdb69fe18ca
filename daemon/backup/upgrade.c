/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.c - see upgrade.h */
#include "upgrade.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define KEY_BYTES 32

struct upgrade {
        struct upgrade_options options;
        struct upgrade_ask ask;
        bool busy;
        int64_t since;               /* clock_wall of our start */
        char *backup;                /* file */
        char key[2 * KEY_BYTES + 1]; /* of a try */
        void *given;                 /* copy of the ask's key */
};

static void forget_key(struct upgrade *u) {
        if (u->given)
                explicit_bzero(u->given, u->ask.key_len);
        free(take_ptr(u->given));
        explicit_bzero(u->key, sizeof(u->key));
}

static void end(struct upgrade *u, int r, json_t *plan, const struct err *err) {
        if (u->ask.try_only && u->backup)
                unlink(u->backup);
        free(take_ptr(u->backup));
        forget_key(u);
        u->busy = false;
        u->ask.done(u->ask.arg, r, plan, err);
}

/* ---- what is looked at before */

static bool is_same_file(const char *a, const char *b) {
        struct stat x, y;

        return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int check_program(const struct upgrade *u, struct err *err) {
        const char *program = u->options.program;

        if (access(program, X_OK) < 0)
                return err_set(err, -errno, "the installed program %s: %s", program,
                               strerror(errno));
        if (is_same_file(program, "/proc/self/exe"))
                return err_set(err, -EALREADY,
                               "%s is the release that runs (%s): install the other one first "
                               "(apt install mooring), and leave the daemon running",
                               program, MOORING_VERSION);
        return 0;
}

static int64_t size_of(const char *folder, const char *name) {
        cleanup_(freep) char *path = str_format("%s/%s", folder, name);
        struct stat st;

        return stat(path, &st) < 0 ? 0 : (int64_t)st.st_size;
}

static int check_room(const struct upgrade *u, struct err *err) {
        const char *folder = u->options.state_dir;
        int64_t needed =
                UPGRADE_ROOM * (size_of(folder, "model.db") + size_of(folder, "model.db-wal"));
        struct statvfs fs;
        int64_t there;

        if (statvfs(folder, &fs) < 0)
                return err_set(err, -errno, "%s: %s", folder, strerror(errno));
        there = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
        if (there >= needed)
                return 0;
        return err_set(err, -ENOSPC,
                       "%s has %lld MiB left, and the copies that are made take %lld: make room, "
                       "then ask again",
                       folder, (long long)(there >> 20), (long long)(needed >> 20) + 1);
}

/* ---- what the installed program found */

static int refuse_charms(const json_t *refused, struct err *err) {
        const json_t *first = json_array_get(refused, 0);

        return err_set(err, -EBUSY,
                       "%zu of the charms in use would not load: %s. Build and `refresh` them to a "
                       "content that both releases load, or --force: their applications then stand "
                       "still, and nothing of them is touched, until they are refreshed",
                       json_array_size(refused), json_get_str(first, "why", "?"));
}

static int judge(const struct upgrade *u, const json_t *found, bool way_back, struct err *err) {
        const json_t *refused = json_get(found, "charms-refused"),
                     *schema = json_get(found, "schema");

        if (!json_get_str(found, "by", NULL))
                return err_set(err, -EPROTONOSUPPORT,
                               "%s is a release that cannot take over by itself: stop the daemon, "
                               "and start it",
                               u->options.program);
        if (json_get_str(found, "no-workers", NULL))
                return err_set(err, -ENOSYS, "it would not start: %s",
                               json_get_str(found, "no-workers", ""));
        if (u->ask.force)
                return 0;
        if (json_array_size(refused))
                return refuse_charms(refused, err);
        if (!way_back)
                return err_set(err, -EBUSY,
                               "release %s cannot work any more on what %s makes of the store "
                               "(schema %lld): the way back would be the copy of before, without "
                               "what is written after. --force goes on",
                               MOORING_VERSION, json_get_str(found, "by", "?"),
                               (long long)json_get_int(schema, "number", 0));
        return 0;
}

static json_t *plan_of(const struct upgrade *u, const json_t *found, bool way_back) {
        const json_t *schema = json_get(found, "schema");
        json_t *refused = json_get(found, "charms-refused");

        return json_pack("{s:s, s:{s:s, s:O}, s:{s:O*, s:O, s:O}, s:b, s:s*, s:O, s:O}", "program",
                         u->options.program, "from", "release", MOORING_VERSION, "schema",
                         json_get(schema, "before"), "to", "release", json_get(found, "by"),
                         "schema", json_get(schema, "number"), "reader", json_get(schema, "reader"),
                         "way-back", way_back, "backup", u->ask.try_only ? NULL : u->backup,
                         "charms", json_get(found, "charms"), "charms-refused", refused);
}

static void on_verified(void *arg, int r, json_t *found, const struct err *why) {
        struct upgrade *u = arg;
        struct store_schema h;
        json_t *plan = NULL;
        struct err err = {};
        bool way_back;

        store_schema(u->options.store, &h);
        if (r < 0) {
                err = *why;
                err_add(&err, r, "%s cannot take over, and nothing was changed",
                        u->options.program);
                return end(u, r, NULL, &err);
        }
        way_back = json_get_int(json_get(found, "schema"), "reader", 0) <= h.known;
        r = judge(u, found, way_back, &err);
        if (r >= 0)
                plan = plan_of(u, found, way_back);
        json_decref(found);
        end(u, r, plan, &err);
}

static void on_made(void *arg, int r, json_t *made, const struct err *why) {
        struct upgrade *u = arg;
        struct backup_ask ask = { .key = u->ask.key,
                                  .key_len = u->ask.key_len,
                                  .program = u->options.program,
                                  .forgotten = u->ask.try_only,
                                  .done = on_verified,
                                  .arg = u };
        struct err err = {};

        if (r < 0)
                return end(u, r, NULL, why);
        u->backup = str_dup(json_get_str(made, "file", ""));
        json_decref(made);
        ask.path = u->backup;
        r = backup_keeper_verify(u->options.backups, &ask, &err);
        if (r < 0)
                end(u, r, NULL, &err);
}

static int begin(struct upgrade *u, struct err *err) {
        cleanup_(freep) char *part = str_format("%s/" UPGRADE_PART, u->options.state_dir);
        struct backup_ask ask = { .folder = u->ask.folder,
                                  .key = u->ask.key,
                                  .key_len = u->ask.key_len,
                                  .forgotten = u->ask.try_only,
                                  .done = on_made,
                                  .arg = u };

        if (u->ask.try_only) {
                unlink(part);
                ask.path = part;
                ask.folder = NULL;
        }
        return backup_keeper_create(u->options.backups, &ask, err);
}

static void take_key(struct upgrade *u) {
        uint8_t random[KEY_BYTES];

        if (u->ask.try_only) {
                digest_random(random, sizeof(random));
                digest_hex(random, sizeof(random), u->key);
                explicit_bzero(random, sizeof(random));
                u->ask.key = u->key;
                u->ask.key_len = strlen(u->key);
        } else if (u->ask.key) {
                u->given = mem_dup(u->ask.key, u->ask.key_len);
                u->ask.key = u->given;
        }
}

int upgrade_try(struct upgrade *u, const struct upgrade_ask *ask, struct err *err) {
        int r;

        if (u->busy)
                return err_set(err, -EBUSY, "an upgrade is being tried: wait until that is over");
        r = check_program(u, err);
        if (r >= 0)
                r = check_room(u, err);
        if (r < 0)
                return r;
        u->ask = *ask;
        take_key(u);
        u->busy = true;
        r = begin(u, err);
        u->busy = r >= 0;
        if (r < 0)
                forget_key(u);
        return r;
}

void upgrade_go(struct upgrade *u) {
        u->options.replace(u->options.arg);
}

void upgrade_stays(struct upgrade *u) {
        if (u)
                u->options.stays(u->options.arg);
}

/* ---- */

json_t *upgrade_json(const struct upgrade *u) {
        const struct upgrade_options *o = &u->options;
        struct store_schema h;

        store_schema(o->store, &h);
        return json_pack("{s:s, s:s, s:I, s:i, s:i, s:b, s:o}", "program", o->program, "release",
                         MOORING_VERSION, "since", (json_int_t)u->since, "schema", h.number,
                         "known", h.known, "installed",
                         access(o->program, X_OK) == 0 &&
                                 !is_same_file(o->program, "/proc/self/exe"),
                         "failed", o->failed ? json_words(o->failed) : json_null());
}

struct upgrade *upgrade_new(const struct upgrade_options *o) {
        struct upgrade *u = mem_new(struct upgrade);

        u->options = *o;
        u->since = clock_wall();
        return u;
}

struct upgrade *upgrade_free(struct upgrade *u) {
        if (!u)
                return NULL;
        free(u->backup);
        forget_key(u);
        free(u);
        return NULL;
}
