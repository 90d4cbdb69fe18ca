/* SPDX-License-Identifier: Apache-2.0 */
/* driver.c - runs files, or every file of a folder, through a fuzz target: seeds as ordinary
 * tests
 *
 * Linked instead of libFuzzer. Fails when there was nothing to run, so that an empty folder is
 * not a passed test. */
#include "buf.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path) {
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(freep) uint8_t *exact = NULL;
        size_t n;

        if (!f) {
                fprintf(stderr, "cannot open %s: %s\n", path, strerror(errno));
                return -1;
        }
        do {
                buf_reserve(&text, 65536);
                n = fread(text.data + text.len, 1, 65536, f);
                text.len += n;
        } while (n);
        /* A copy of exactly that size, so that the sanitizer sees one byte too many. */
        exact = mem_dup(text.data, text.len);
        fprintf(stderr, "%s: %zu bytes\n", path, text.len);
        LLVMFuzzerTestOneInput(exact, text.len);
        return 1;
}

/* Number of files that ran, -1: one could not be read. */
static int run_folder(const char *path) {
        DIR *dir = opendir(path);
        struct dirent *entry;
        int total = 0;

        if (!dir)
                return run_file(path);
        while (total >= 0 && (entry = readdir(dir))) {
                cleanup_(freep) char *file = str_format("%s/%s", path, entry->d_name);

                if (entry->d_name[0] == '.')
                        continue;
                total = run_file(file) < 0 ? -1 : total + 1;
        }
        closedir(dir);
        return total;
}

int main(int argc, char **argv) {
        int total = 0;

        for (int i = 1; i < argc; i++) {
                int n = run_folder(argv[i]);

                if (n < 0)
                        return 1;
                total += n;
        }
        fprintf(stderr, "%d inputs\n", total);
        return total ? 0 : 1;
}
