/* SPDX-License-Identifier: Apache-2.0 */
/* mysql-guard.c - the library's own plugins, entered by a gate of ours; see mysql-guard.h */
#include "mysql-guard.h"

#include <mariadb/mysql.h>

/* What <mysql/client_plugin.h> declares, which includes headers that are not installed. */
#define AUTHENTICATION_PLUGIN 2
#define AUTHENTICATION_FAILED 0

struct vio;
typedef int authenticate_fn(struct vio *vio, MYSQL *my);
struct plugin {
        struct st_mysql_client_plugin head;
        authenticate_fn *authenticate;
};

static authenticate_fn *sha2, *sha256; /* as the library has them */
static _Thread_local bool needed, refused;

/* A plugin's first packet is what begins TLS, if the server's greeting offers it: there is nothing
 * to ask yet but the greeting. */
static int pass(authenticate_fn *to, struct vio *vio, MYSQL *my) {
        if (my->server_capabilities & CLIENT_SSL)
                return to(vio, my);
        if (needed) {
                refused = true;
                return AUTHENTICATION_FAILED;
        }
        my->client_flag &= ~(unsigned long)CLIENT_SSL;
        my->options.use_ssl = 0;
        return to(vio, my);
}

static int pass_sha2(struct vio *vio, MYSQL *my) {
        return pass(sha2, vio, my);
}

static int pass_sha256(struct vio *vio, MYSQL *my) {
        return pass(sha256, vio, my);
}

/* A plugin that is not installed lets nobody in. */
static authenticate_fn *put(MYSQL *my, const char *name, authenticate_fn *gate) {
        struct plugin *plugin =
                (struct plugin *)mysql_client_find_plugin(my, name, AUTHENTICATION_PLUGIN);
        authenticate_fn *was = plugin ? plugin->authenticate : NULL;

        if (plugin)
                plugin->authenticate = gate;
        return was;
}

void mysql_guard_install(MYSQL *my) {
        sha2 = put(my, "caching_sha2_password", pass_sha2);
        sha256 = put(my, "sha256_password", pass_sha256);
}

void mysql_guard_begin(bool tls_needed) {
        needed = tls_needed;
        refused = false;
}

bool mysql_guard_refused(void) {
        return refused;
}
