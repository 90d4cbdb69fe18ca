/* SPDX-License-Identifier: Apache-2.0 */
/* key.c - rotate-key: another key seals the store; waits until that is over */
#include "call.h"
#include "families.h"

#include <stdlib.h>
#include <unistd.h>

#define PAUSE_US 500000

struct options {
        bool status;
};
static const struct opt options[] = { { "status", 0, OPT_BOOL, offsetof(struct options, status),
                                        NULL, 0, 0, NULL, 0, NULL,
                                        "only say which key it is, and how far a rotation is" },
                                      {} };

static void print(struct cli *c, const json_t *key) {
        if (cli_print(c, key))
                return;
        fprintf(c->out, "Key %s of %s (%s): %s, %lld values sealed anew\n",
                json_get_str(key, "current", ""), json_get_str(key, "path", ""),
                json_get_str(key, "source", ""), json_get_str(key, "state", ""),
                (long long)json_get_int(key, "sealed", 0));
}

static void show_progress(const struct cli *c, const json_t *key) {
        if (c->terminal)
                fprintf(stderr, "\r%s: %lld values sealed anew ", json_get_str(key, "state", ""),
                        (long long)json_get_int(key, "sealed", 0));
}

/* What was begun goes on whoever watches. */
static int watch(struct cli *c, json_t **key) {
        while (!str_eq(json_get_str(*key, "state", "idle"), "idle")) {
                int r;

                show_progress(c, *key);
                usleep(PAUSE_US);
                json_decref(*key);
                *key = NULL;
                r = call_get(c, "/v1/key", key);
                if (r)
                        return r;
        }
        if (c->terminal)
                fputc('\n', stderr);
        return CLI_DONE;
}

static int rotate(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(json_freep) json_t *key = NULL;
        int r = o->status ? call_get(c, "/v1/key", &key)
                          : call_send(c, "POST", "/v1/key/rotate", NULL, &key);

        if (r == CLI_DONE && !o->status)
                r = watch(c, &key);
        if (r == CLI_DONE)
                print(c, key);
        return r;
}

const struct command key_commands[] = {
        { "rotate-key", NULL, GROUP_SECRETS, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING, options,
          sizeof(struct options), rotate,
          "Seal everything that is secret in the store with a new key",
          "The new key is put beside the old one in the key file, all values are sealed anew while "
          "the daemon works on, and then the old key is destroyed: back the new one up, and keep "
          "the old one's backup as long as backups of the store that it opens. A crash or Ctrl-C "
          "at any time loses nothing: it goes on by itself. Where the key is a credential of "
          "systemd's or comes from --key-file, it says what to do first.",
          .example = "rotate-key" },
        {}
};
