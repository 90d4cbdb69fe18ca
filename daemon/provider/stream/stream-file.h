/* SPDX-License-Identifier: Apache-2.0 */
/* stream-file.h - a file below a folder as an end of a stream
 *
 * Into: written without a name, synced, and given its name when it is whole; until then a file of
 * that name is as it was. No name leads out of the folder, also not by a symbolic link. */
#pragma once

#include "provider.h"

/* In the folder that a file lies in: an application's own, or one that its names make there.
 * Whoever names each file after an operation and removes none is told so, and not the disk. */
#define STREAM_FILES_MAX 1000
/* Bytes that stay free where the files are: model.db lies there too, and when that cannot be
 * written commands are refused. */
#define STREAM_DISK_KEEP (1ll << 30)

/* A name of such a file: letters, digits and "._-:/", and nothing that leads out. */
bool stream_file_name(const char *name);
/* -EINVAL: NAME is none. Files of both ends are opened later, in a thread; on_end says how that
 * went. The request's verb and ask are not looked at. */
struct bytes *stream_file_open(struct loop *l, const char *folder, const char *name,
                               const struct bytes_request *r, struct err *err);
