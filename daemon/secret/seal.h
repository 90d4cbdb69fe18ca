/* SPDX-License-Identifier: Apache-2.0 */
/* seal.h - secret values at rest: AES-256-GCM under keys that lie outside the databases
 *
 * The key file: $CREDENTIALS_DIRECTORY/mooring-key (systemd), else that of --key-file, else
 * <state>/key; the last two are made, 0600, at the first start. It holds one to SEAL_KEYS_MAX
 * keys of SEAL_KEY_SIZE random bytes, one after the other: the first seals, all open. A new key
 * is put in front (model/rekey.h has the way of that).
 *
 * Sealed bytes = format (1), key id (8, of the key's SHA-256), nonce (12), data, tag (16), with
 * (table, column, key, revision) as associated data, so that a value moved to another row does
 * not open. Any thread may use a sealer; keys and parts come from one. */
#pragma once

#include "arena.h"
#include "buf.h"
#include "digest.h"
#include "err.h"

#define SEAL_KEY_SIZE 32
#define SEAL_KEYS_MAX 8
#define SEAL_OVERHEAD 37 /* sealed bytes beyond the data */
#define SEAL_ID_SIZE 8   /* bytes 1 to 8 of what is sealed: its key */

struct sealer;
struct seal_options {
        const char *state_dir;
        const char *key_file; /* NULL: <state_dir>/key */
        bool must_exist;      /* something is sealed: a new key would open nothing */
};
/* -ENOKEY: the key is missing though it must be there; -EPERM: others can read it; -EINVAL: not
 * a key file. *RET_MADE, when not NULL: the path of the key file that was made now, or NULL;
 * free it. */
int seal_new(const struct seal_options *o, struct sealer **ret, char **ret_made, struct err *err);
struct sealer *seal_free(struct sealer *s);

/* Which key file that is, free it; *RET_CREDENTIAL: it is one of systemd's credentials. */
char *seal_where(const struct seal_options *o, bool *ret_credential);

struct seal_place { /* where a sealed value is kept: its associated data */
        const char *table, *column, *key;
        int64_t revision;
};
int seal_value(const struct sealer *s, const struct seal_place *at, const void *data, size_t len,
               struct buf *out, struct err *err);
/* -EBADMSG: damaged, or from another place; -ENOKEY: sealed under a key that is not live (its id
 * in the text). */
int seal_open(const struct sealer *s, const struct seal_place *at, const void *sealed, size_t len,
              struct secret_text *ret, struct err *err);
/* Whether the key of this id is in the key file. */
bool seal_has_key(const struct sealer *s, const uint8_t id[SEAL_ID_SIZE]);
/* Whether it was sealed under the first key: others are sealed again when there is time. */
bool seal_is_current(const struct sealer *s, const void *sealed, size_t len);
/* A key for keyed hashes of secret material, DIGEST_SIZE bytes: derived from the first key that
 * there was, and kept from then on (seal_parts_write), for hashes in the store depend on it. */
const uint8_t *seal_hash_key(const struct sealer *s);
void seal_keyed_hash(const struct sealer *s, const void *data, size_t len,
                     uint8_t ret[DIGEST_SIZE]);
/* The id of the key that seals. */
const uint8_t *seal_current_id(const struct sealer *s);
/* A link of a chain, under a key derived from the key of that id. False: it is not known. */
bool seal_chain_hash(const struct sealer *s, const uint8_t id[SEAL_ID_SIZE], const void *data,
                     size_t len, uint8_t ret[DIGEST_SIZE]);

/* ---- another key, on the loop */
size_t seal_key_count(const struct sealer *s);
/* 1: a new key is in the daemon's own key file, in front, and seals from now on. -ENOSPC: too many
 * of them since the start. */
int seal_file_begin(const struct seal_options *o, struct sealer *s, struct err *err);
/* 1: the file has another key in front now, which seals from now on; 0: it has not. */
int seal_file_again(const struct seal_options *o, struct sealer *s, struct err *err);
/* Only the key that seals stays in the file; what was there is overwritten. The others open until
 * the daemon ends. */
int seal_file_settle(const struct seal_options *o, struct sealer *s, struct err *err);
/* What was derived from keys and has to outlive them: the key of keyed hashes, and of each key
 * that of its chains. As text, which is secret. */
void seal_parts_write(const struct sealer *s, struct buf *out);
/* *RET_WHOLE: it is all that there is of the live keys too. Before other threads use S. */
int seal_parts_read(struct sealer *s, const char *text, size_t len, bool *ret_whole,
                    struct err *err);
