/* SPDX-License-Identifier: Apache-2.0 */
/* application-secrets.c - the values of secrets that a plan asks for and that are not there yet */
#include "application.h"

#include "command.h"

#include <errno.h>
#include <stdlib.h>

static int make_secret(struct application_work *w, const char *key, const json_t *policy,
                       struct err *err) {
        const char *slash = strrchr(key, '/');
        cleanup_(secret_text_free) struct secret_text value = {};
        struct new_secret *s;
        struct seal_place at;

        if (!slash || !secret_value_make(policy, &value))
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
        at = (struct seal_place){ "secret_revision", "sealed", s->uri, 1 };
        return seal_value(w->rec->options.sealer, &at, value.data, value.len, &s->sealed, err);
}

int application_make_secrets(struct application_work *w, struct err *err) {
        const json_t *have = json_get(w->view, "secrets");
        const char *key;
        json_t *policy;

        json_object_foreach(w->plan->secrets, key, policy) {
                int r;

                if (json_object_get(have, key) || json_get(policy, "certificate"))
                        continue;
                r = make_secret(w, key, policy, err);
                if (r < 0)
                        return r;
        }
        return 0;
}
