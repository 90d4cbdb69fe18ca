/* SPDX-License-Identifier: Apache-2.0 */
/* place.h - where backups lie that are no files of this machine
 *
 *      s3://BUCKET/PATH                   any store that speaks S3, path-style
 *      azblob://ACCOUNT/CONTAINER/PATH    Azure Blob Storage
 *
 * A folder is what such a name begins with, a backup what it is called in full. Files go there and
 * come from there as streams (provider/stream), so memory does not grow with them. On a loop, one
 * thing at a time; place_wait is for a process that has no other use for its loop. */
#pragma once

#include "http.h"
#include "json.h"

#define PLACE_WITHIN_MS 7200000 /* one file, there or back; a slow line moves 4 GB in that time */
#define PLACE_NAMES_MAX 10000   /* that a folder is read on to: pages of 1,000 */

struct place_options {
        /* As AWS' own tools keep them: aws_access_key_id, aws_secret_access_key, region,
         * endpoint_url. NULL: none. */
        const char *s3_credentials;
        /* A connection string: AccountKey, SharedAccessSignature or Authentication=ManagedIdentity
         * (with ClientId, and IdentityEndpoint for tests), AccountName, BlobEndpoint. */
        const char *azure_credentials;
        const char *ca; /* PEM authorities of both, in the place of the system's; or NULL */
};

bool place_named(const char *name); /* it is one of these, and no path */
/* FOLDER/FILE; the caller's. */
char *place_join(const char *folder, const char *file);

struct place;
/* -EINVAL: no such name; -ENOKEY: no credentials for it; -EPERM: others can read them. Reads files:
 * a few kilobytes. */
int place_open(struct loop *l, struct http *h, const struct place_options *o, const char *name,
               struct place **ret, struct err *err);
struct place *place_close(struct place *p); /* also in the middle: nothing is called any more */

/* Once, from the loop, and P may be closed in it. FOUND is the receiver's; NULL where nothing is
 * told. */
typedef void place_fn(void *arg, int r, json_t *found, const struct err *err);
/* FOLDER/FILE of this machine becomes the backup that P is named by. -EEXIST: there is one. */
void place_put(struct place *p, const char *folder, const char *file, place_fn *done, void *arg);
void place_get(struct place *p, const char *folder, const char *file, place_fn *done, void *arg);
/* P is a folder: [{"file": name within it, "bytes", "modified"}], sorted, of what begins with
 * PREFIX, without what lies in folders of it. */
void place_list(struct place *p, const char *prefix, place_fn *done, void *arg);
/* FILES: a list of names within the folder, taken over. */
void place_remove(struct place *p, json_t *files, place_fn *done, void *arg);

/* Opens, gets, closes: blocks, on a loop of its own. */
int place_fetch(const struct place_options *o, const char *name, const char *folder,
                const char *file, struct err *err);

/* ---- place-credentials.c */
/* The document of provider/s3's target (s3-config.h) for the store that NAME is in; *RET_REST: what
 * follows, "BUCKET/PATH". Both the caller's. */
int place_target(const struct place_options *o, const char *name, json_t **ret, char **ret_rest,
                 struct err *err);
