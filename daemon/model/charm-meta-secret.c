/* SPDX-License-Identifier: Apache-2.0 */
/* charm-meta-secret.c - see charm-meta-secret.h */
#include "charm-meta-secret.h"

#include <stdlib.h>

static const char *const rotate_words[] = { "never",   "hourly",    "daily",  "weekly",
                                            "monthly", "quarterly", "yearly", NULL };

int charm_meta_secrets_read(struct charm_meta *m, json_t *secrets, const char *file,
                            const struct json_lines *lines, struct err *err) {
        static const struct json_field fields[] = {
                { "rotate", JSON_FIELD_ENUM, 0, JSON_REQUIRED, 0, 0, rotate_words }, {}
        };
        const char *name;
        json_t *j;

        json_object_foreach(secrets, name, j) {
                cleanup_(freep) char *path = str_format("secrets.%s", name);
                struct json_where where = { file, lines, path };
                int word;
                int r = json_decode(j, fields, false, &word, &where, err);

                if (r < 0)
                        return r;
                if (!strchr(name, '/'))
                        return json_error(err, &where, j, NULL,
                                          "must be LABEL/FIELD, as charm_secret asks for it");
        }
        m->secrets = json_object_size(secrets) ? json_incref(secrets) : NULL;
        return 0;
}
