/* SPDX-License-Identifier: Apache-2.0 */
/* write.h - one change of one object: what POST, PUT, PATCH and DELETE do, and the controllers too
 *
 * All fill WRITE.reply. Objects that are handed in are stolen. */
#pragma once

#include "reply.h"
#include "selector.h"
#include "sim.h"

enum write_unknown { WRITE_WARN, WRITE_STRICT, WRITE_IGNORE, WRITE_UNKNOWN_MAX };

struct write {
        struct sim *sim;
        struct kind *kind;
        const char *namespace; /* "" for a cluster-wide object */
        const char *name;      /* "" on POST */
        const char *subresource;
        const char *manager;
        bool dry_run, force;
        bool trusted; /* our own controller: may set status on creation, no admission */
        enum write_unknown unknown;
        struct reply *reply;
};

void write_create(struct write *w, json_t *object);
void write_update(struct write *w, json_t *object);
/* CONTENT_TYPE without parameters. */
void write_patch(struct write *w, const char *content_type, const json_t *patch);
void write_apply(struct write *w, json_t *config);
void write_delete(struct write *w, const json_t *options);
void write_delete_all(struct write *w, const struct selector *selector, const json_t *options);
