/* SPDX-License-Identifier: Apache-2.0 */
/* certificate-spec.h - what a plan may ask of a certificate (certificate.h has its shape); pure,
 * for the daemon and the charms' harness */
#pragma once

#include "cert-name.h"
#include "json.h"

/* -EINVAL says why it is not right. */
int certificate_check(const char *label, const json_t *spec, struct err *err);
/* Not one for a server or a client, but one that signs others, itself signed by itself. */
bool certificate_is_authority(const json_t *spec);
enum cert_key certificate_key_of(const json_t *spec);
unsigned certificate_use_of(const json_t *spec); /* CERT_SERVER, CERT_CLIENT */
/* Where in NAME the namespace stands that it would be of in a cluster: before .svc, whatever comes
 * before and behind it (*RET_SERVICE), or behind the one dot of NAME.NAMESPACE; NULL: nowhere. */
const char *certificate_namespace(const char *name, size_t *ret_len, bool *ret_service);
