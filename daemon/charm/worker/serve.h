/* SPDX-License-Identifier: Apache-2.0 */
/* serve.h - inside the worker: one charm, loaded, sandboxed, planning until its channel closes */
#pragma once

#include "err.h"

enum {
        SERVE_CHANNEL = 3, /* socket to who started us: plan.h's frames */
        SERVE_FOLDER = 4,  /* the charm's folder */
        SERVE_MODULE = 5,  /* the harness only: a module that lies elsewhere */
};

struct serve_options {
        const char *sha256; /* of the pinned folder; NULL: read as it is (harness) */
        const char *module; /* name of SERVE_MODULE, or NULL */
        int64_t parent;     /* process that we die with */
        bool sandbox;
};

/* Exit status of the program. What went wrong is told over the channel. */
int serve_run(const struct serve_options *o);
