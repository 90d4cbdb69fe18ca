/* SPDX-License-Identifier: Apache-2.0 */
/* gen-charm.h - inside gen-charm */
#pragma once

#include "buf.h"
#include "err.h"

/* Makes OUT a ready charm: charm.yaml, MODULE, README.md, objects/ and files/ of SOURCE, and
 * nothing that lay there before. Names the files it read, and STAMP as what depends on them, in
 * DEPFILE. */
int gen_charm_stage(const char *source, const char *module, const char *out, const char *stamp,
                    const char *depfile, struct err *err);
int gen_charm_read_file(const char *path, struct buf *out, struct err *err);
