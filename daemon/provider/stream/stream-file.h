/* SPDX-License-Identifier: Apache-2.0 */
/* stream-file.h - a file below a folder as an end of a stream
 *
 * Into: written without a name, synced, and given its name when it is whole; until then a file of
 * that name is as it was. No name leads out of the folder, also not by a symbolic link. */
#pragma once

#include "provider.h"

/* -EINVAL: NAME is none. Files of both ends are opened later, in a thread; on_end says how that
 * went. The request's verb and ask are not looked at. */
struct bytes *stream_file_open(struct loop *l, const char *folder, const char *name,
                               const struct bytes_request *r, struct err *err);
