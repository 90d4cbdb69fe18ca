/* SPDX-License-Identifier: Apache-2.0 */
/* credential.h - who we are to one API server, kept fresh
 *
 * A fixed token or password, a token file that is read again when it changes, or an exec plugin
 * whose answer is kept until it runs out or is refused. What a file or a plugin may be, the
 * daemon's options say:
 *
 *   {"token-folders": ["/run/secrets/..."], "exec-plugins": ["/usr/local/bin/kubelogin"],
 *    "exec-variables": ["AAD_LOGIN_METHOD"]} */
#pragma once

#include "buf.h"
#include "kubeconfig.h"
#include "loop.h"

#define CREDENTIAL_EXEC_MS 60000 /* a login that takes longer waits for a person */
#define CREDENTIAL_RETRY_MS 500  /* after the first failure of a plugin; doubled by each */
#define CREDENTIAL_RETRY_MAX_MS 60000
#define CREDENTIAL_EXEC_OUTPUT_MAX 262144 /* an ExecCredential with certificate and key has 10 KB */
#define CREDENTIAL_FILE_MAX 65536
#define CREDENTIAL_FILE_CHECK_MS 10000 /* kubelets renew tokens at 80 % of their hour */
#define CREDENTIAL_EARLY_MS 60000      /* renewed so long before it runs out */

struct credential;
struct credential_config {
        struct loop *loop;
        const struct kubeconfig *kubeconfig;
        const json_t *options; /* may be NULL: then no files and no plugins */
        /* A fresh login came (or failed): with a certificate of its own CERT and KEY are set. */
        void (*changed)(void *arg, int r, const struct err *err);
        void *arg;
};
int credential_new(const struct credential_config *c, struct credential **ret, struct err *err);
struct credential *credential_free(struct credential *c);
bool credential_ready(
        const struct credential *c);           /* false: a plugin still runs for the first time */
void credential_refused(struct credential *c); /* 401: read the file, run the plugin again */
void credential_authorize(void *credential, struct buf *ret_value); /* http.h's authorize */
const char *credential_certificate(const struct credential *c,
                                   const char **ret_key); /* of a plugin; NULL: none */
/* When a fixed token that is a JWT runs out, in Unix milliseconds. 0: it does not say, or what
 * authorizes us is renewed without a person (a file, a plugin). */
int64_t credential_token_ends(const struct credential *c);
