/* SPDX-License-Identifier: Apache-2.0 */
/* application-secrets.c - the values of secrets that a plan asks for and that are not there yet */
#include "application.h"

#include <errno.h>
#include <stdlib.h>

#define SECRET_LENGTH_MAX 128

static int make_secret(struct application_work *w, const char *key, const json_t *policy,
                       struct err *err) {
        static const char letters[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        int64_t length = json_get_int(policy, "length", 32);
        const char *alphabet = json_get_str(policy, "alphabet", letters);
        const char *slash = strrchr(key, '/');
        char value[SECRET_LENGTH_MAX + 1];
        struct new_secret *s;
        struct seal_place at;
        int r;

        if (!slash || length < 8 || length > SECRET_LENGTH_MAX || strlen(alphabet) < 10)
                return err_set(err, -EINVAL,
                               "secret %s: needs LABEL/FIELD, a length of 8 to %d, an alphabet of "
                               "at least 10",
                               key, SECRET_LENGTH_MAX);
        w->secrets =
                mem_grow(w->secrets, &w->secret_room, w->secret_count + 1, sizeof(*w->secrets));
        s = &w->secrets[w->secret_count++];
        *s = (struct new_secret){ .label = str_ndup(key, (size_t)(slash - key)),
                                  .field = str_dup(slash + 1),
                                  .policy = json_text(policy) };
        digest_random_text(DIGEST_BASE32, SECRET_URI_SIZE - 1, s->uri);
        digest_random_text(alphabet, (size_t)length, value);
        at = (struct seal_place){ "secret_revision", "sealed", s->uri, 1 };
        r = seal_value(w->rec->options.sealer, &at, value, (size_t)length, &s->sealed, err);
        explicit_bzero(value, sizeof(value));
        return r;
}

int application_make_secrets(struct application_work *w, struct err *err) {
        const json_t *have = json_get(w->view, "secrets");
        const char *key;
        json_t *policy;

        json_object_foreach(w->plan->secrets, key, policy) {
                int r;

                if (json_object_get(have, key))
                        continue;
                r = make_secret(w, key, policy, err);
                if (r < 0)
                        return r;
        }
        return 0;
}
