/* SPDX-License-Identifier: Apache-2.0 */
/* s3-config.h - which object store an s3 target is
 *
 *   {"engine": "minio"|"s3"|"azure", "endpoint": "https://host:port", "via": "NAMESPACE/POD",
 *    "port": 9000,
 *    "region": "us-east-1", "access-key": "...", "secret-key": "{{secret:...}}",
 *    "tls": {"mode": "verify-full", "ca": PEM}}
 *
 * Direct: an https endpoint, verified in full. Through the API server (via): plain is plain HTTP
 * inside the pipe, encrypt is TLS without a check, verify-ca checks the authority and no name,
 * verify-full the name of "endpoint" too.
 *
 * "azure" is Azure's Blob service (s3-azure.h), for objects alone: access-key is the account,
 * secret-key its key or a shared access signature. No plan may want it. In the place of secret-key
 * it may have "identity": {"client-id": which of the machine's, "address": of the metadata service,
 * another one on 127.0.0.1 for tests}: the machine's managed identity (s3-identity.h). */
#pragma once

#include "provider.h"

enum s3_engine { S3_MINIO, S3_PLAIN, S3_AZURE, S3_ENGINE_MAX };
enum s3_tls { S3_TLS_FULL, S3_TLS_CA, S3_TLS_ENCRYPT, S3_TLS_PLAIN, S3_TLS_MAX };

struct s3_config {
        enum s3_engine engine;
        enum s3_tls tls;
        char *endpoint, *via, *region, *access_key, *secret_key, *ca;
        int port;
        bool identity;
        char *client_id, *identity_address;
};

int s3_config_parse(const json_t *config, struct s3_config *ret,
                    struct err *err); /* secrets filled in; -EINVAL */
int s3_config_check(const json_t *config, const json_t *credential, struct err *err);
void s3_config_free(struct s3_config *c); /* wipes */
/* The host part of an endpoint, for the name in a certificate; the caller frees. */
char *s3_config_host(const char *endpoint);
