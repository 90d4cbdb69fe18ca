/* SPDX-License-Identifier: Apache-2.0 */
/* cert-name.h - which keys there are, and which names a certificate may have; pure, without
 * OpenSSL */
#pragma once

#include "err.h"

enum cert_key { CERT_KEY_ECDSA, CERT_KEY_RSA, CERT_KEY_MAX };
const char *cert_key_name(enum cert_key kind); /* "ecdsa-p256", "rsa-2048" */
int cert_key_find(const char *name);           /* -1: none */

#define CERT_NAMES_MAX 100 /* of one certificate */

enum { CERT_SERVER = 1, CERT_CLIENT = 2 };

/* -EINVAL: neither a DNS name (perhaps with a first label "*") nor an IP address. */
int cert_check_name(const char *name, struct err *err);
bool cert_is_address(const char *name);
