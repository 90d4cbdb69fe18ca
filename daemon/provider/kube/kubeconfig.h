/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig.h - the configuration and the credential of a cluster, as add-cluster sends and the
 * store keeps them
 *
 *   config      {"server", "tls-server-name", "insecure-skip-tls-verify", "namespace",
 *                "token-file", "exec": {"command", "api-version", "provide-cluster-info"}}
 *   credential  {"ca", "cert", "key", "token", "username", "password", "proxy-url",
 *                "exec-args": [], "exec-env": {}}
 *               PEM and plain text; sealed in the store
 *
 * What may hold a password stands in the credential: the configuration is stored and shown in
 * clear. */
#pragma once

#include "err.h"
#include "json.h"

struct kubeconfig_exec {
        const char *command, *api_version;
        json_t *args, *env; /* list of texts; object of texts; of the credential */
        bool cluster_info;
};

/* Borrowed from the two documents. */
struct kubeconfig {
        const char *server, *tls_name, *proxy, *namespace, *token_file;
        bool insecure;
        json_t *exec_table;
        bool has_exec;
        struct kubeconfig_exec exec;
        const char *ca, *cert, *key, *token, *username, *password;
};

/* -EINVAL: what is missing or cannot be, and what to do. CREDENTIAL may be NULL: then what a login
 * would do with it is not judged. */
int kubeconfig_read(const json_t *config, const json_t *credential, struct kubeconfig *ret,
                    struct err *err);
/* Which certificate is no longer good and since when: -EKEYEXPIRED. */
int kubeconfig_check_certificate(const char *pem, int64_t now_wall, struct err *err);
