/* SPDX-License-Identifier: Apache-2.0 */
/* files.c - files that actions keep in the daemon's state folder: which there are, deleting one */
#include "call.h"
#include "families.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>

/* "shop/dumps/one.gz" as application and name. */
static void add_file(struct cli *c, struct table *t, const json_t *f) {
        const char *file = json_get_str(f, "file", ""), *slash = strchrnul(file, '/');
        const char *only = cli_operand(c, 0);
        size_t len = (size_t)(slash - file);
        char size[32], stamp[40];

        if (only && (strlen(only) != len || strncmp(only, file, len) != 0))
                return;
        table_printf(t, "%.*s", (int)len, file);
        table_add(t, *slash ? slash + 1 : "");
        table_add(t, text_bytes(json_get_int(f, "bytes", 0), size));
        table_add(t, text_time(json_get_str(f, "modified", NULL), c->globals->utc, stamp));
}

static int list_files(struct cli *c) {
        static const char *const head[] = { "Application", "File", "Size", "Modified", NULL };
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(freep) char *path = NULL;
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *f;
        size_t i;
        int r;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/files", cli_model(c));
        r = call_get(c, path, &json);
        if (r || cli_print(c, json))
                return r;
        table_init(&t, head);
        table_right(&t, 2);
        json_array_foreach(json_get(json, "files"), i, f)
                add_file(c, &t, f);
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                cli_say(c, "no files");
        if (json_get_bool(json, "more", false))
                cli_say(c, "there are more than are listed");
        return CLI_DONE;
}

static int delete_file(struct cli *c) {
        cleanup_(freep) char *path = NULL;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/applications/%s/files", cli_model(c), cli_operand(c, 0));
        call_query(&path, "file", cli_operand(c, 1));
        return call_change(c, "DELETE", path, NULL);
}

const struct command files_commands[] = {
        { "list-files", NULL, GROUP_ACTIONS, "[APPLICATION]", 0, 1, COMMAND_LIST,
          COMPLETES_APPLICATION, NULL, 0, list_files,
          "List files that actions keep in the daemon's state folder",
          "Also those of applications that are gone: nothing deletes them by itself.",
          .example = "list-files" },
        { "delete-file", NULL, GROUP_ACTIONS, "APPLICATION FILE", 2, 2, COMMAND_LIST,
          COMPLETES_APPLICATION, NULL, 0, delete_file,
          "Delete a file that an action keeps in the daemon's state folder", NULL,
          .example = "delete-file shop dumps/2026-11-22.gz" },
        {}
};
