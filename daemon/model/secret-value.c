/* SPDX-License-Identifier: Apache-2.0 */
/* secret-value.c - values of secrets: made as a policy says, sealed into revisions, opened */
#include "command-internal.h"

#include "digest.h"

#include <errno.h>

#define LENGTH_DEFAULT 32
#define LENGTH_MIN 8
#define ALPHABET_MIN 10

bool secret_value_make(const json_t *policy, struct secret_text *ret) {
        static const char letters[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        int64_t length = json_get_int(policy, "length", LENGTH_DEFAULT);
        const char *alphabet = json_get_str(policy, "alphabet", letters);
        char value[SECRET_LENGTH_MAX + 1];

        if (length < LENGTH_MIN || length > SECRET_LENGTH_MAX || strlen(alphabet) < ALPHABET_MIN)
                return false;
        digest_random_text(alphabet, (size_t)length, value);
        secret_text_set(ret, value, (size_t)length);
        explicit_bzero(value, sizeof(value));
        return true;
}

int secret_revision_open(struct tx *tx, const struct sealer *sealer, const struct q_secret_row *s,
                         int64_t revision, struct secret_text *ret, struct err *err) {
        struct seal_place at = { "secret_revision", "sealed", s->uri, revision };
        struct q_secret_revision_row *row;
        size_t n;
        int r = q_secret_revision_get(
                tx, &(struct q_secret_revision_get_in){ .secret_id = s->id, .revision = revision },
                &row, &n, err);

        if (r < 0)
                return r;
        if (n == 0)
                return err_set(err, -ENOENT, "secret %s has no revision %lld", s->uri,
                               (long long)revision);
        if (!sealer)
                return err_set(err, -ENOKEY, "there is no key to open secrets with");
        return seal_open(sealer, &at, row->sealed, row->sealed_len, ret, err);
}

int secret_revision_add(struct tx *tx, const struct sealer *sealer, const struct secret_revision *s,
                        const void *value, size_t len, struct err *err) {
        struct seal_place at = { "secret_revision", "sealed", s->uri, s->revision };
        cleanup_(buf_free) struct buf sealed = BUF_INIT;
        int r;

        if (!sealer)
                return err_set(err, -ENOKEY, "there is no key to seal secrets with");
        r = seal_value(sealer, &at, value, len, &sealed, err);
        if (r < 0)
                return r;
        return w_secret_revision_insert(
                tx,
                &(struct w_secret_revision_insert_in){ .secret_id = s->id,
                                                       .revision = s->revision,
                                                       .sealed = (const uint8_t *)sealed.data,
                                                       .sealed_len = sealed.len,
                                                       .created_at = tx_now(tx) },
                err);
}
