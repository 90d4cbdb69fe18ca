/* SPDX-License-Identifier: Apache-2.0 */
/* s3-azure.h - Azure's Blob service, where it says in other words what S3 says: objects, their
 * lists, streams of them
 *
 * Each request carries a shared access signature in its query: the one that the target was given,
 * or one of an hour that the account's key makes for the container; or the token of the machine's
 * managed identity (s3-identity.h). Blocks that were sent and never
 * put together are forgotten by the service itself, within a week. */
#pragma once

#include "s3-target.h"

#define AZURE_BLOB_TYPE "x-ms-blob-type: BlockBlob" /* a header that each new blob needs */
#define AZURE_VERSION_HEADER "x-ms-version: 2021-12-02" /* what a token wants said */
#define AZURE_UPLOAD_LEN 18 /* letters that the blocks of one upload have in common */

bool s3_is_azure(const struct s3_op *s);
/* PATH, which begins with the container, with what lets it in; the caller's. */
char *s3_azure_path(const struct s3_config *c, const char *path);
/* Whether the key that C has can be used. -EINVAL. */
int s3_azure_check(const struct s3_config *c, struct err *err);
/* The id of a block, base64; all ids of a blob have one length. The caller's. */
char *s3_azure_block(const char *upload, int number);
/* Of a list: what is asked for, and what came of it, as list-objects tells it. */
char *s3_azure_list_query(const json_t *ask, int64_t limit);
void s3_azure_list(struct s3_op *s, const struct ask *a);
