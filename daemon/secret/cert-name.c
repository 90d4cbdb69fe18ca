/* SPDX-License-Identifier: Apache-2.0 */
/* cert-name.c - the words of certificates; see cert-name.h */
#include "cert-name.h"

#include "base.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>

#define NAME_MAX_LEN 253 /* of a DNS name */
#define LABEL_MAX_LEN 63

static const char *const key_names[] = { "ecdsa-p256", "rsa-2048" };
_Static_assert(ARRAY_SIZE(key_names) == CERT_KEY_MAX, "a kind of key without a name");

const char *cert_key_name(enum cert_key kind) {
        return key_names[kind];
}

int cert_key_find(const char *name) {
        for (int i = 0; i < CERT_KEY_MAX; i++)
                if (str_eq(name, key_names[i]))
                        return i;
        return -1;
}

static bool is_label(const char *p, size_t len) {
        if (len == 0 || len > LABEL_MAX_LEN || p[0] == '-' || p[len - 1] == '-')
                return false;
        for (size_t i = 0; i < len; i++)
                if (!isalnum((unsigned char)p[i]) && p[i] != '-' && p[i] != '_')
                        return false;
        return true;
}

static bool is_dns(const char *name) {
        const char *p = str_starts(name, "*.") ? name + 2 : name;

        if (strlen(name) > NAME_MAX_LEN)
                return false;
        for (size_t len; (len = strcspn(p, "."), is_label(p, len)); p += len + 1)
                if (!p[len])
                        return true;
        return false;
}

bool cert_is_address(const char *name) {
        unsigned char address[16];

        return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

int cert_check_name(const char *name, struct err *err) {
        if (name && (cert_is_address(name) || is_dns(name)))
                return 0;
        return err_set(err, -EINVAL, "\"%.80s\" is neither a DNS name nor an IP address",
                       name ? name : "");
}
