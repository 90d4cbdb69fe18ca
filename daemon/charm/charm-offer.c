/* SPDX-License-Identifier: Apache-2.0 */
/* charm-offer.c - scanning and finding offered charms; see charm-offer.h
 *
 * A folder that cannot be used stays in the list with its reason, so that who asks for it by
 * name is told that, and not that there is none. Folders whose names begin with "." or "_" are
 * not offered. Who may write there is looked at every time; what is in it is read again only
 * when a file's stamp changed. */
#include "charm-offer.h"

#include "channel.h"
#include "charm-dir.h"
#include "charm-meta.h"
#include "log.h"
#include "object-tree.h"
#include "opt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define OFFERS_MAX 1000 /* folders in all directories; the whole platform has forty */

void charm_offer_init(struct charm_offers *o, const char *const *dirs) {
        size_t n = 0;

        *o = (struct charm_offers){};
        while (dirs && dirs[n])
                n++;
        o->dirs = mem_array(char *, n + 1);
        for (size_t i = 0; i < n; i++)
                o->dirs[i] = str_dup(dirs[i]);
}

void charm_offer_clear(struct charm_offer *f) {
        free(f->folder);
        free(f->refused);
        charm_meta_free(f->meta);
        *f = (struct charm_offer){};
}

static void free_list(struct charm_offer *list, size_t count) {
        for (size_t i = 0; i < count; i++)
                charm_offer_clear(&list[i]);
        free(list);
}

void charm_offer_deinit(struct charm_offers *o) {
        free_list(o->list, o->count);
        free(o->stamps);
        for (size_t i = 0; o->dirs && o->dirs[i]; i++)
                free(o->dirs[i]);
        free(o->dirs);
        *o = (struct charm_offers){};
}

/* ---- one folder */

static int check_files(const struct charm_offer *f, const struct charm_dir *d, struct err *err) {
        cleanup_(freep) char *module = str_format("%s.so", f->meta->name);

        if (!d->module)
                return err_set(err, -ENOENT, "there is no module %s: it was not built", module);
        if (!str_eq(d->module, module))
                return err_set(err, -EINVAL, "the module is %s, charm.yaml's name wants %s",
                               d->module, module);
        for (size_t i = 0; i < f->meta->resource_count; i++) {
                const char *path = f->meta->resources[i].path;

                if (path && !charm_dir_find(d, path))
                        return err_set(err, -ENOENT,
                                       "resource %s: there is no %s; what a charm ships lies in "
                                       "files/ or objects/",
                                       f->meta->resources[i].name, path);
        }
        return 0;
}

static int read_meta(struct charm_offer *f, int fd, const struct charm_dir *d, struct err *err) {
        cleanup_(freep) char *path = str_format("%s/charm.yaml", f->folder);
        cleanup_(buf_free) struct buf text = BUF_INIT;
        int r = charm_dir_take(fd, charm_dir_find(d, "charm.yaml"), &text, err);

        return r < 0 ? r : charm_meta_parse(buf_str(&text), text.len, path, &f->meta, err);
}

static int read_content(struct charm_offer *f, int fd, struct err *err) {
        cleanup_(charm_dir_freep) struct charm_dir *d = NULL;
        int r = charm_dir_read(fd, -1, NULL, &d, err);

        if (r >= 0)
                r = read_meta(f, fd, d, err);
        if (r >= 0)
                r = check_files(f, d, err);
        if (r >= 0)
                r = object_tree_check(fd, d, err);
        if (d)
                memcpy(f->sha256, d->sha256, sizeof(f->sha256));
        return r;
}

static void read_folder(struct charm_offer *f, struct err *err) {
        cleanup_(closep) int fd = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? err_set(err, -errno, "%s", strerror(errno)) : read_content(f, fd, err);

        if (r < 0)
                f->refused = str_dup(err_text(err));
}

static uint64_t stamp_of(const char *folder) {
        cleanup_(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        uint64_t stamp = 0;

        if (fd >= 0)
                (void)charm_dir_stamp(fd, &stamp, NULL);
        return stamp;
}

/* Takes what the last scan read out of OLD, when it still holds. */
static bool take_old(struct charm_offers *old, const char *folder, uint64_t stamp,
                     struct charm_offer *ret) {
        for (size_t i = 0; i < old->count; i++) {
                if (!str_eq(old->list[i].folder, folder) || old->stamps[i] != stamp || !stamp ||
                    old->list[i].refused)
                        continue;
                *ret = old->list[i];
                old->list[i] = (struct charm_offer){};
                return true;
        }
        return false;
}

/* Once for each reason, not with each scan. */
static void tell_refused(const struct charm_offers *old, const struct charm_offer *f) {
        for (size_t i = 0; i < old->count; i++)
                if (str_eq(old->list[i].folder, f->folder) &&
                    str_eq(old->list[i].refused, f->refused))
                        return;
        log_plain(LOG_WARNING, "charm-scan", "charm folder %s is refused: %s", f->folder,
                  f->refused);
}

static void add_folder(struct charm_offers *o, struct charm_offers *old, const char *folder) {
        uint64_t stamp = stamp_of(folder);
        struct charm_offer *f;
        struct err err = {};

        o->list = mem_grow(o->list, &o->room, o->count + 1, sizeof(*o->list));
        o->stamps = mem_grow(o->stamps, &o->stamp_room, o->count + 1, sizeof(*o->stamps));
        o->stamps[o->count] = stamp;
        f = &o->list[o->count++];
        *f = (struct charm_offer){};
        if (!take_old(old, folder, stamp, f)) {
                f->folder = str_dup(folder);
                read_folder(f, &err);
        }
        if (!f->refused && charm_dir_trusted(folder, geteuid(), &err) < 0)
                f->refused = str_dup(err_text(&err));
        if (f->refused)
                tell_refused(old, f);
}

int charm_offer_read(const char *folder, struct charm_offer *ret, struct err *err) {
        int r = charm_dir_trusted(folder, geteuid(), err);

        *ret = (struct charm_offer){ .folder = str_dup(folder) };
        if (r >= 0)
                read_folder(ret, err);
        if (r >= 0 && !ret->refused)
                return 0;
        charm_offer_clear(ret);
        return err_add(err, err->code, "charm in %s", folder);
}

/* ---- all of them */

static int is_offered(const struct dirent *e) {
        return e->d_name[0] != '.' && e->d_name[0] != '_';
}

static int scan_dir(struct charm_offers *o, struct charm_offers *old, const char *dir,
                    struct err *err) {
        struct dirent **list = NULL;
        int n = scandir(dir, &list, is_offered, alphasort), r = 0;

        if (n < 0)
                return err_set(err, -errno, "charm directory %s: %s", dir, strerror(errno));
        for (int i = 0; i < n; i++) {
                cleanup_(freep) char *folder = str_format("%s/%s", dir, list[i]->d_name);
                cleanup_(freep) char *yaml = str_format("%s/charm.yaml", folder);

                if (r >= 0 && o->count >= OFFERS_MAX)
                        r = err_set(err, -E2BIG, "charm directories hold more than %d charms",
                                    OFFERS_MAX);
                if (r >= 0 && access(yaml, F_OK) == 0)
                        add_folder(o, old, folder);
                free(list[i]);
        }
        free(list);
        return r;
}

/* FNV-1a. */
static uint64_t add_print(uint64_t print, const char *text) {
        do
                print = (print ^ (unsigned char)*text) * 0x100000001b3;
        while (*text++);
        return print;
}

static uint64_t print_of(const struct charm_offers *o) {
        uint64_t print = 0xcbf29ce484222325;

        for (size_t i = 0; i < o->count; i++) {
                print = add_print(print, o->list[i].folder);
                print = add_print(print, o->list[i].sha256);
                print = add_print(print, o->list[i].refused ? o->list[i].refused : "");
        }
        return print;
}

int charm_offer_scan(struct charm_offers *o, struct err *err) {
        struct charm_offers fresh = { .dirs = o->dirs };
        int r = 0;

        for (size_t i = 0; o->dirs[i]; i++) {
                int k = scan_dir(&fresh, o, o->dirs[i], r < 0 ? NULL : err);

                /* A directory that is not there hides no other; the error is told all the same. */
                if (k < 0 && r >= 0)
                        r = k;
        }
        free_list(o->list, o->count);
        free(o->stamps);
        fresh.print = print_of(&fresh);
        *o = fresh;
        return r;
}

/* ---- finding */

static const char *offer_name(const struct charm_offer *f) {
        const char *slash = strrchr(f->folder, '/');

        return f->meta ? f->meta->name : slash ? slash + 1 : f->folder;
}

static int none_of_that_name(const struct charm_offers *o, const char *name, struct err *err) {
        cleanup_(buf_free) struct buf dirs = BUF_INIT, names = BUF_INIT;
        cleanup_(freep) const char **all = mem_array(const char *, o->count + 1);
        const char *near;

        for (size_t i = 0; i < o->count; i++)
                all[i] = offer_name(&o->list[i]);
        near = opt_nearest(name, all);
        for (size_t i = 0; o->dirs[i]; i++)
                buf_printf(&dirs, "%s%s", i ? ", " : "", o->dirs[i]);
        for (size_t i = 0; i < o->count && names.len < 200; i++)
                buf_printf(&names, "%s%s", i ? ", " : "", all[i]);
        return err_set(err, -ENOENT, "no charm module \"%s\" in %s; there %s %s%s%s%s", name,
                       dirs.len ? buf_str(&dirs) : "no directory", o->count == 1 ? "is" : "are",
                       names.len ? buf_str(&names) : "none", near ? ": did you mean \"" : "",
                       near ? near : "", near ? "\"?" : "");
}

/* Why none of those named NAME will do. */
static int none_serves(const struct charm_offers *o, const char *name, const char *channel,
                       int64_t revision, struct err *err) {
        cleanup_(buf_free) struct buf have = BUF_INIT;

        for (size_t i = 0; i < o->count; i++) {
                const struct charm_offer *f = &o->list[i];
                cleanup_(freep) char *channels = NULL;

                if (!str_eq(offer_name(f), name))
                        continue;
                if (f->refused)
                        return err_set(err, -EPERM, "charm %s in %s cannot be used: %s", name,
                                       f->folder, f->refused);
                channels = channel_list(f->meta->channels);
                buf_printf(&have, "%srevision %lld with channels %s", have.len ? "; " : "",
                           (long long)f->meta->revision, channels);
        }
        if (revision >= 0)
                return err_set(err, -ENOENT, "charm %s: no revision %lld%s%s; there is %s", name,
                               (long long)revision, channel ? " on " : "", channel ? channel : "",
                               buf_str(&have));
        return err_set(err, -ENOENT, "charm %s: no channel %s; there is %s", name,
                       channel ? channel : "", buf_str(&have));
}

static bool same_dir(const struct charm_offer *a, const struct charm_offer *b) {
        const char *x = strrchr(a->folder, '/'), *y = strrchr(b->folder, '/');

        return x - a->folder == y - b->folder &&
               memcmp(a->folder, b->folder, (size_t)(x - a->folder)) == 0;
}

int charm_offer_find(const struct charm_offers *o, const char *name, const char *channel,
                     int64_t revision, const struct charm_offer **ret, struct err *err) {
        const struct charm_offer *best = NULL;
        char full[CHANNEL_MAX];
        bool named = false;

        if (channel && channel_parse(channel, full, err) < 0)
                return -EINVAL;
        for (size_t i = 0; i < o->count; i++) {
                const struct charm_offer *f = &o->list[i];

                if (!str_eq(offer_name(f), name))
                        continue;
                named = true;
                if (f->refused || (revision >= 0 && f->meta->revision != revision) ||
                    (channel && !channel_serves(f->meta->channels, full)))
                        continue;
                if (!best || (same_dir(f, best) && f->meta->revision > best->meta->revision))
                        best = f;
        }
        if (!named)
                return none_of_that_name(o, name, err);
        if (!best)
                return none_serves(o, name, channel ? full : NULL, revision, err);
        *ret = best;
        return 0;
}
