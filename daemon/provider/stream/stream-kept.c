/* SPDX-License-Identifier: Apache-2.0 */
/* stream-kept.c - see stream-kept.h
 *
 * Each folder is opened from the one above it and never through a link: who can write in one of
 * them leads nobody elsewhere. */
#include "stream-kept.h"

#include "clock.h"
#include "stream-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_folder(int at, const char *name) {
        return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The folder that NAME lies in, and *RET_BASE its last part. <0: -errno. */
static int open_parent(const char *folder, const char *name, const char **ret_base) {
        int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), next;
        const char *from = name;

        for (const char *slash; at >= 0 && (slash = strchr(from, '/')); from = slash + 1) {
                cleanup_(freep) char *part = str_ndup(from, (size_t)(slash - from));
                int code;

                next = open_folder(at, part);
                code = errno;
                close(at);
                errno = code;
                at = next;
        }
        *ret_base = from;
        return at < 0 ? -errno : at;
}

/* ---- list */

static json_t *file_json(const char *name, const struct stat *st) {
        char stamp[CLOCK_TEXT_MAX];

        return json_pack("{s:s, s:I, s:s}", "file", name, "bytes", (json_int_t)st->st_size,
                         "modified", clock_iso(st->st_mtim.tv_sec * 1000, false, stamp));
}

static void list_folder(int folder, const char *prefix, int depth, json_t *list);

static void list_one(int folder, const char *entry, const char *prefix, int depth, json_t *list) {
        cleanup_(freep) char *name = str_format("%s%s%s", prefix, *prefix ? "/" : "", entry);
        struct stat st;

        if (fstatat(folder, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return;
        if (S_ISREG(st.st_mode))
                json_array_append_new(list, file_json(name, &st));
        else if (S_ISDIR(st.st_mode) && depth < STREAM_KEPT_DEPTH)
                list_folder(open_folder(folder, entry), name, depth + 1, list);
}

/* Takes FOLDER over. */
static void list_folder(int folder, const char *prefix, int depth, json_t *list) {
        DIR *dir = folder < 0 ? NULL : fdopendir(folder);
        const struct dirent *e;

        if (!dir) {
                closep(&folder);
                return;
        }
        while (json_array_size(list) <= STREAM_KEPT_MAX && (e = readdir(dir)))
                if (e->d_name[0] != '.')
                        list_one(folder, e->d_name, prefix, depth, list);
        closedir(dir);
}

static int by_name(const void *a, const void *b) {
        return strcmp(json_get_str(*(json_t *const *)a, "file", ""),
                      json_get_str(*(json_t *const *)b, "file", ""));
}

static json_t *sorted(const json_t *list) {
        size_t n = json_array_size(list);
        cleanup_(freep) json_t **items = mem_array(json_t *, n + 1);
        json_t *out = json_array();

        for (size_t i = 0; i < n; i++)
                items[i] = json_array_get(list, i);
        qsort(items, n, sizeof(*items), by_name);
        for (size_t i = 0; i < n && i < STREAM_KEPT_MAX; i++)
                json_array_append(out, items[i]);
        return out;
}

int stream_kept_list(const char *folder, const char *below, json_t **ret, struct err *err) {
        cleanup_(freep) char *inside = str_format("%s/x", below);
        cleanup_(json_freep) json_t *list = json_array();
        const char *base;
        int at;

        if (!stream_file_name(inside))
                return err_set(err, -EINVAL, "\"%.100s\" is no folder of files", below);
        at = open_parent(folder, inside, &base);
        if (at < 0 && at != -ENOENT)
                return err_set(err, at, "%s/%s: %s", folder, below, strerror(-at));
        if (at >= 0)
                list_folder(at, "", 0, list);
        *ret = sorted(list);
        return json_array_size(list) > STREAM_KEPT_MAX;
}

/* ---- remove */

int stream_kept_remove(const char *folder, const char *name, struct err *err) {
        cleanup_(closep) int at = -1;
        const char *base;

        if (!stream_file_name(name))
                return err_set(err, -EINVAL,
                               "\"%.100s\" is no name of a file: letters, digits and \"._-:/\"",
                               name);
        at = open_parent(folder, name, &base);
        if (at < 0 || unlinkat(at, base, 0) < 0)
                return err_set(err, at < 0 ? at : -errno, "file %s: %s", name,
                               strerror(at < 0 ? -at : errno));
        return fsync(at) < 0 ? err_set(err, -errno, "file %s: %s", name, strerror(errno)) : 0;
}
