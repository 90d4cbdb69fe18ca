/* SPDX-License-Identifier: Apache-2.0 */
/* stream-kept.h - files that streams wrote (stream-file.h), for who looks after them: listed and
 * deleted. Both block; any thread */
#pragma once

#include "err.h"
#include "json.h"

#define STREAM_KEPT_MAX 10000 /* of one list */
#define STREAM_KEPT_DEPTH 8   /* folders in folders that are looked into */

/* {"file": its name below BELOW, "bytes", "modified"} each, sorted, of the folder FOLDER/BELOW. 1:
 * there are more. None: also where there is no such folder. */
int stream_kept_list(const char *folder, const char *below, json_t **ret, struct err *err);
/* Deletes FOLDER/NAME. -EINVAL: NAME is none that a stream writes; -ENOENT. */
int stream_kept_remove(const char *folder, const char *name, struct err *err);
