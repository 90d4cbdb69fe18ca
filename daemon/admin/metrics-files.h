/* SPDX-License-Identifier: Apache-2.0 */
/* metrics-files.h - what the metrics' listener on TCP shows, and whom it lets in: its certificate
 * and key, the token, the authority of client certificates
 *
 * All come from files that are read at the start and at each reload. */
#pragma once

#include "digest.h"
#include "err.h"

#define METRICS_FILE_MAX (256u << 10) /* a chain of certificates has 10 kB */
#define METRICS_TOKEN_MIN 16          /* characters: shorter ones can be tried out */

struct metrics_paths { /* borrowed; NULL: not given */
        const char *certificate, *key, *token, *client_ca;
};

struct metrics_files {
        char *certificate, *key, *client_ca; /* PEM, or NULL */
        uint8_t token[DIGEST_SIZE];          /* its hash */
        bool token_valid;
        int64_t expires; /* of the certificate, in Unix seconds; 0: there is none */
};

/* LOOPBACK: without TLS is allowed. -EINVAL, -EACCES, -ENOENT with what is wrong. */
int metrics_files_read(const struct metrics_paths *p, bool loopback, struct metrics_files *ret,
                       struct err *err);
void metrics_files_deinit(struct metrics_files *f); /* wipes the key; also a cleanup function */
/* Is VALUE ("Bearer ...", or NULL) the token? */
bool metrics_files_admit(const struct metrics_files *f, const char *value);
