/* SPDX-License-Identifier: Apache-2.0 */
/* pem.h - where certificates begin in a text of PEM; pure, for the daemon and for charms */
#pragma once

#include <string.h>

#define PEM_CERTIFICATE "-----BEGIN CERTIFICATE-----"

/* The certificate behind the one that PEM begins with; NULL: it is the last. */
static inline const char *pem_next(const char *pem) {
        return *pem ? strstr(pem + 1, PEM_CERTIFICATE) : NULL;
}
