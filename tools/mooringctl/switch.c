/* SPDX-License-Identifier: Apache-2.0 */
/* switch.c - a JSON object {socket: model} in a file of the user's; see switch.h */
#include "switch.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX 65536 /* a line for each daemon of a user */

/* NULL: no home. */
static char *folder(void) {
        const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

        if (config && config[0] == '/')
                return str_format("%s/mooring", config);
        return home && home[0] == '/' ? str_format("%s/.config/mooring", home) : NULL;
}

static json_t *read_all(const char *path) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        json_t *json = NULL;

        if (cli_read_file(path, FILE_BYTES_MAX, &text, NULL) < 0 ||
            json_parse(buf_str(&text), text.len, &json, NULL) < 0)
                return NULL;
        return json;
}

char *switch_read(const char *socket) {
        cleanup_(freep) char *dir = folder();
        cleanup_(freep) char *path = dir ? str_format("%s/model", dir) : NULL;
        cleanup_(json_freep) json_t *json = path ? read_all(path) : NULL;

        return str_dup(json_get_str(json, socket, NULL));
}

static void make_folders(const char *dir) {
        cleanup_(freep) char *parent = str_dup(dir);
        char *slash = strrchr(parent, '/');

        *slash = '\0';
        mkdir(parent, 0700);
        mkdir(dir, 0700);
}

/* Daemons that are no more: a try's socket lay in a folder of its own. The folder of a service
 * goes while it is stopped, and comes back. */
static void drop_dead(json_t *json) {
        const char *socket;
        json_t *model;
        void *next;

        json_object_foreach_safe(json, next, socket, model) {
                cleanup_(freep) char *dir = str_dup(socket);
                char *slash = strrchr(dir, '/');

                if (slash)
                        *slash = '\0';
                if (dir[0] == '/' && !str_starts(dir, "/run/") && access(dir, F_OK) < 0 &&
                    errno == ENOENT)
                        json_object_del(json, socket);
        }
}

int switch_write(const char *socket, const char *model, struct err *err) {
        cleanup_(freep) char *dir = folder();
        cleanup_(freep) char *path = dir ? str_format("%s/model", dir) : NULL;
        cleanup_(freep) char *fresh = path ? str_format("%s.new", path) : NULL;
        cleanup_(json_freep) json_t *json = path ? read_all(path) : NULL;
        cleanup_(freep) char *text = NULL;
        cleanup_(fclosep) FILE *f = NULL;

        if (!dir)
                return err_set(
                        err, -ENOENT,
                        "neither HOME nor XDG_CONFIG_HOME is set: use --model or MOORING_MODEL");
        make_folders(dir);
        if (!json_is_object(json)) {
                json_decref(json);
                json = json_object();
        }
        drop_dead(json);
        json_object_set_new(json, socket, json_string(model));
        text = json_text(json);
        f = fopen(fresh, "we");
        if (!f || fputs(text, f) < 0 || fflush(f) != 0 || rename(fresh, path) < 0)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        return 0;
}
