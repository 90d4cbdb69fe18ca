/* SPDX-License-Identifier: Apache-2.0 */
/* certificate-spec.c - see certificate-spec.h */
#include "certificate-spec.h"

#include "base.h"

#include <errno.h>
#include <strings.h>

#define LIFETIME_MAX_S (50ll * 365 * 86400)
#define SUBJECT_MAX 64 /* bytes of one part, as X.520 has most of them */

unsigned certificate_use_of(const json_t *spec) {
        unsigned use = 0;
        size_t i;
        json_t *word;

        json_array_foreach(json_get(spec, "use"), i, word)
                use |= str_eq(json_string_value(word), "server")   ? CERT_SERVER
                       : str_eq(json_string_value(word), "client") ? CERT_CLIENT
                                                                   : 0;
        return use;
}

enum cert_key certificate_key_of(const json_t *spec) {
        return (enum cert_key)cert_key_find(json_get_str(spec, "key", ""));
}

bool certificate_is_authority(const json_t *spec) {
        return json_get(spec, "authority");
}

/* The parts of X.520 that a subject has beside its common name. */
static int check_subject(const char *label, const json_t *spec, struct err *err) {
        static const char *const parts[] = { "C", "ST", "L", "O", "OU", "emailAddress" };
        size_t len = strlen(json_get_str(spec, "common-name", ""));
        const char *part;
        json_t *text;

        if (!len || len > SUBJECT_MAX)
                return err_set(err, -EINVAL, "certificate %s: a common name of 1 to %d bytes",
                               label, SUBJECT_MAX);
        json_object_foreach(json_get(spec, "authority"), part, text) {
                bool known = false;

                for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
                        known = known || str_eq(part, parts[i]);
                len = json_string_length(text);
                if (!known || !len || len > SUBJECT_MAX || (str_eq(part, "C") && len != 2))
                        return err_set(err, -EINVAL,
                                       "certificate %s: %.20s=%.64s is no part of a subject: "
                                       "C (two letters), ST, L, O, OU, emailAddress are, of 1 to "
                                       "%d bytes",
                                       label, part, json_string_value(text), SUBJECT_MAX);
        }
        return 0;
}

static int check_names(const char *label, const json_t *spec, struct err *err) {
        const json_t *names = json_get(spec, "names");
        size_t i;
        json_t *name;
        int r = 0;

        if (!certificate_use_of(spec))
                return err_set(err, -EINVAL, "certificate %s: is for neither a server nor a client",
                               label);
        if (!json_array_size(names) || json_array_size(names) > CERT_NAMES_MAX)
                return err_set(err, -EINVAL, "certificate %s: 1 to %d names are wanted", label,
                               CERT_NAMES_MAX);
        json_array_foreach((json_t *)names, i, name)
                if (r >= 0)
                        r = cert_check_name(json_string_value(name), err);
        return r < 0 ? err_add(err, r, "certificate %s", label) : 0;
}

int certificate_check(const char *label, const json_t *spec, struct err *err) {
        int64_t lifetime = json_get_int(spec, "lifetime", 0);

        if (cert_key_find(json_get_str(spec, "key", "")) < 0)
                return err_set(err, -EINVAL, "certificate %s: no such kind of key: \"%.40s\"",
                               label, json_get_str(spec, "key", ""));
        if (lifetime < 0 || lifetime > LIFETIME_MAX_S)
                return err_set(err, -EINVAL, "certificate %s: a lifetime of %lld s", label,
                               (long long)lifetime);
        return certificate_is_authority(spec) ? check_subject(label, spec, err)
                                              : check_names(label, spec, err);
}

static bool is_svc(const char *label) {
        return strncasecmp(label, "svc", 3) == 0 && (label[3] == '.' || !label[3]);
}

/* In NAME.NAMESPACE, with or without the dot that ends a whole name. */
static const char *second_of_two(const char *name) {
        const char *dot = strchr(name, '.'), *next = dot ? strchr(dot + 1, '.') : NULL;

        return dot && (!next || !next[1]) ? dot + 1 : NULL;
}

/* The last .svc counts: before it may stand a Service of that name, and a pod's. *.svc would be of
 * every namespace, and X.svc of none. */
const char *certificate_namespace(const char *name, size_t *ret_len, bool *ret_service) {
        const char *found = NULL;

        for (const char *at = name, *dot; (dot = strchr(at, '.')); at = dot + 1)
                if (is_svc(dot + 1) && (at > name || *at == '*'))
                        found = at;
        *ret_service = found;
        if (!found)
                found = second_of_two(name);
        *ret_len = found ? strcspn(found, ".") : 0;
        return found;
}
