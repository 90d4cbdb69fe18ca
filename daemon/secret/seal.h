/* SPDX-License-Identifier: Apache-2.0 */
/* seal.h - secret values at rest: AES-256-GCM under keys that lie outside the state folder's databases
 *
 * The key: $CREDENTIALS_DIRECTORY/mooring-key (systemd), else the file of --key-file, else <state>/key, made 0600 at the first
 * start. Several keys may be live; the first seals, all open. Sealed bytes = format, key id, nonce, data, tag, with (table,
 * column, key, revision) as associated data, so that a value moved to another row does not open. After seal_new a sealer is
 * read only: any thread may use it. */
#pragma once

#include "arena.h"
#include "buf.h"
#include "digest.h"
#include "err.h"

#define SEAL_KEY_SIZE 32
#define SEAL_KEYS_MAX 8

struct sealer;
struct seal_options {
        const char *state_dir;
        const char *key_file;  /* NULL: <state_dir>/key */
        bool must_exist;       /* something is sealed already: a new key would open nothing. -ENOKEY with what to do */
};
/* *RET_MADE, when not NULL: the path of the key file that was made now, or NULL; free it. */
int seal_new(const struct seal_options *o, struct sealer **ret, char **ret_made, struct err *err);
struct sealer *seal_free(struct sealer *s);

struct seal_place { /* where a sealed value is kept: its associated data */
        const char *table, *column, *key;
        int64_t revision;
};
int seal_value(const struct sealer *s, const struct seal_place *at, const void *data, size_t len, struct buf *out,
               struct err *err);
/* -EBADMSG: damaged, or from another place; -ENOKEY: sealed under a key that is not live (its id in the text). */
int seal_open(const struct sealer *s, const struct seal_place *at, const void *sealed, size_t len,
              struct secret_text *ret, struct err *err);
/* A key derived for keyed hashes of secret material: DIGEST_SIZE bytes, stable for the life of the first key. */
const uint8_t *seal_hash_key(const struct sealer *s);
