/* SPDX-License-Identifier: Apache-2.0 */
/* gen-charm-stage.c - the folder that a charm is offered from, put together in the build tree
 *
 * So that `--charm-dir build/charms` works. Folders are named in the depfile too: their time
 * changes when a file comes or goes, which the files' own times do not tell. */
#include "gen-charm.h"

#include "object-tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

struct stage {
        struct buf depends;
        struct err *err;
};

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

static int make_folder(const char *path, struct err *err) {
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        return 0;
}

static void depend(struct stage *s, const char *path) {
        buf_printf(&s->depends, " %s", path);
}

static int copy_file(struct stage *s, const char *from, const char *to) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(fclosep) FILE *out = NULL;
        int r = gen_charm_read_file(from, &text, s->err);

        if (r < 0)
                return r;
        depend(s, from);
        (void)unlink(to); /* a running worker may have the old module mapped */
        out = fopen(to, "we");
        if (!out || (text.len && fwrite(text.data, text.len, 1, out) != 1))
                return err_set(s->err, -EIO, "%s: cannot be written", to);
        if (fchmod(fileno(out), 0644) < 0)
                return err_set(s->err, -errno, "%s: %s", to, strerror(errno));
        return 0;
}

static int copy_folder(struct stage *s, const char *from, const char *to);

static int copy_entry(struct stage *s, const char *from, const char *to) {
        struct stat st;

        if (lstat(from, &st) < 0)
                return err_set(s->err, -errno, "%s: %s", from, strerror(errno));
        if (S_ISDIR(st.st_mode))
                return copy_folder(s, from, to);
        return copy_file(s, from, to);
}

static void closedirp(DIR **d) {
        if (*d)
                closedir(*d);
}

static int copy_folder(struct stage *s, const char *from, const char *to) {
        cleanup_(closedirp) DIR *d = opendir(from);
        struct dirent *e;
        int r = d ? make_folder(to, s->err)
                  : err_set(s->err, -errno, "%s: %s", from, strerror(errno));

        depend(s, from);
        while (r >= 0 && (e = readdir(d))) {
                cleanup_(freep) char *source = str_format("%s/%s", from, e->d_name);
                cleanup_(freep) char *target = str_format("%s/%s", to, e->d_name);

                if (e->d_name[0] != '.')
                        r = copy_entry(s, source, target);
        }
        return r;
}

static int copy_parts(struct stage *s, const char *source, const char *out) {
        static const char *const parts[] = { "charm.yaml", "README.md", "objects", "files" };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(parts); i++) {
                cleanup_(freep) char *from = str_format("%s/%s", source, parts[i]);
                cleanup_(freep) char *to = str_format("%s/%s", out, parts[i]);

                if (access(from, F_OK) == 0)
                        r = copy_entry(s, from, to);
        }
        return r;
}

static int write_text(const char *path, const char *text, struct err *err) {
        cleanup_(fclosep) FILE *f = fopen(path, "we");

        if (!f || fputs(text, f) < 0)
                return err_set(err, -EIO, "%s: cannot be written", path);
        return 0;
}

/* What the daemon would refuse is told by the build. */
static int check_objects(const char *folder, struct err *err) {
        cleanup_(charm_dir_freep) struct charm_dir *d = NULL;
        cleanup_(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? err_set(err, -errno, "%s: %s", folder, strerror(errno))
                       : charm_dir_read(fd, -1, NULL, &d, err);

        return r < 0 ? r : object_tree_check(fd, d, err);
}

int gen_charm_stage(const char *source, const char *module, const char *out, const char *stamp,
                    const char *depfile, struct err *err) {
        struct stage s = { BUF_INIT, err };
        const char *slash = strrchr(module, '/');
        cleanup_(freep) char *to = str_format("%s/%s", out, slash ? slash + 1 : module),
                             *line = NULL;
        int r;

        if (nftw(out, remove_entry, 16, FTW_PHYS | FTW_DEPTH) < 0 && errno != ENOENT)
                return err_set(err, -errno, "%s: cannot be emptied: %s", out, strerror(errno));
        r = make_folder(out, err);
        if (r >= 0)
                r = copy_parts(&s, source, out);
        if (r >= 0)
                r = copy_file(&s, module, to);
        line = str_format("%s:%s\n", stamp, buf_str(&s.depends));
        buf_free(&s.depends);
        if (r >= 0)
                r = write_text(depfile, line, err);
        if (r >= 0)
                r = check_objects(out, err);
        return r < 0 ? r : write_text(stamp, "", err);
}
