/* SPDX-License-Identifier: Apache-2.0 */
/* files.c - see files.h */
#include "files.h"

#include "buf.h"

#include <stdlib.h>
#include <unistd.h>

char *files_read(const char *path) {
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        struct buf text = BUF_INIT;
        char chunk[4096];
        size_t n;

        if (!f)
                return NULL;
        while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
                buf_add(&text, chunk, n);
        return buf_take(&text);
}

char *files_shared(const char *name) {
        const char *dir = getenv("MOORING_SHARED");
        char *path = str_format("%s/%s", dir ? dir : SOURCE_ROOT "/../shared", name);

        if (access(path, R_OK) == 0)
                return path;
        free(path);
        return NULL;
}

json_t *files_json(const char *text) {
        json_t *j = NULL;

        return json_parse(text, strlen(text), &j, NULL) == 0 ? j : NULL;
}
