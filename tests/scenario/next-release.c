/* SPDX-License-Identifier: Apache-2.0 */
/* next-release.c - mooringd of a release that does not exist yet: with one migration more, which is
 * in the file beside it
 *
 *      PROGRAM.sql     a statement a line; "-- reader: NNNN" is its mark; not there: no migration
 *      PROGRAM.fails   is there: it cannot start, after its store was migrated */
#include "controller.h"
#include "releases.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define STATEMENTS_MAX 8

int __real_controller_new(struct options *o, struct controller **ret, struct err *err);
int __wrap_controller_new(struct options *o, struct controller **ret, struct err *err);

static char *beside(const char *suffix) {
        char self[4096];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

        self[n < 0 ? 0 : n] = '\0';
        return str_format("%s%s", self, suffix);
}

int __wrap_controller_new(struct options *o, struct controller **ret, struct err *err) {
        cleanup_(freep) char *fails = beside(".fails");
        int r = __real_controller_new(o, ret, err);

        if (r < 0 || access(fails, F_OK) < 0)
                return r;
        *ret = controller_free(*ret);
        return err_set(err, -EIO, "what it needs is not on this machine");
}

/* The statements live as long as the program. */
__attribute__((constructor)) static void read_migration(void) {
        static char *statements[STATEMENTS_MAX + 1];
        struct store_migration m = { .name = "next-release.sql",
                                     .statements = (const char *const *)statements };
        cleanup_(freep) char *path = beside(".sql");
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        size_t n = 0, room = 0;
        char *line = NULL;

        while (f && n < STATEMENTS_MAX && getline(&line, &room, f) > 0)
                if (sscanf(line, "-- reader: %d", &m.reader) != 1)
                        statements[n++] = str_dup(line);
        free(line);
        if (f)
                releases_know(-1, &m);
}
