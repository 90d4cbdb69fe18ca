/* SPDX-License-Identifier: Apache-2.0 */
/* provider.c - the memory of the provider's words: identities, observations, answers, drift lists
 *
 * Called by every provider and by the reconciler. Knows no kind of outside; the table of those that exist is in
 * provider-table.c, above their folders. */
#include "provider.h"

#include <stdlib.h>

static const char *const presence_names[PRESENCE_MAX] = {
        [PRESENCE_UNKNOWN] = "unknown",
        [PRESENCE_ABSENT] = "absent",
        [PRESENCE_PRESENT] = "present",
        [PRESENCE_LEAVING] = "leaving",
};

static const char *const readiness_names[READY_MAX] = {
        [READY_UNKNOWN] = "unknown",
        [READY_NO] = "no",
        [READY_YES] = "yes",
        [READY_FAILED] = "failed",
};

static const char *const need_names[NEED_KIND_MAX] = {
        [NEED_EXISTS] = "exists",
        [NEED_READY] = "ready",
        [NEED_VALUE] = "value",
};

const char *presence_name(enum presence p) {
        return (unsigned)p < PRESENCE_MAX ? presence_names[p] : "?";
}

const char *readiness_name(enum readiness r) {
        return (unsigned)r < READY_MAX ? readiness_names[r] : "?";
}

const char *need_name(enum need_kind k) {
        return (unsigned)k < NEED_KIND_MAX ? need_names[k] : "?";
}

/* The same need twice is one; of two kinds the stronger (a later word of the enum) stays. */
void identity_need(struct identity *i, enum need_kind kind, const char *type, const char *path) {
        for (size_t n = 0; n < i->count; n++) {
                struct need *old = &i->needs[n];

                if (!str_eq(old->type, type) || !str_eq(old->path, path))
                        continue;
                old->kind = MAX_OF(old->kind, kind);
                return;
        }
        i->needs = mem_grow(i->needs, &i->room, i->count + 1, sizeof(*i->needs));
        i->needs[i->count++] = (struct need){ kind, str_dup(type), str_dup(path) };
}

void identity_free(struct identity *i) {
        for (size_t n = 0; n < i->count; n++) {
                free(i->needs[n].type);
                free(i->needs[n].path);
        }
        free(i->needs);
        free(i->type);
        free(i->path);
        free(i->lock);
        *i = (struct identity){ 0 };
}

void observation_clear(struct observation *o) {
        json_decref(o->found);
        json_decref(o->seen);
        json_decref(o->output);
        free(o->reason);
        *o = (struct observation){ 0 };
}

void observation_move(struct observation *to, struct observation *from) {
        if (to == from)
                return;
        observation_clear(to);
        *to = *from;
        *from = (struct observation){ 0 };
}

void op_clear(struct op *op) {
        observation_clear(&op->seen);
        freep(&op->fields);
        freep(&op->took_over);
        json_freep(&op->baseline);
        json_freep(&op->warnings);
        op->fields = op->took_over = NULL;
        op->baseline = op->warnings = NULL;
        memset(op->baseline_digest, 0, sizeof(op->baseline_digest));
        op->created = false;
        op->token[0] = '\0';
        op->again_at = 0;
        op->err = (struct err){ 0 };
}

struct drift *drift_list_add(struct drift_list *l) {
        struct drift *d;

        l->items = mem_grow(l->items, &l->room, l->count + 1, sizeof(*l->items));
        d = &l->items[l->count++];
        *d = (struct drift){ 0 };
        return d;
}

void drift_list_free(struct drift_list *l) {
        for (size_t i = 0; i < l->count; i++) {
                struct drift *d = &l->items[i];

                free(d->field);
                free(d->who);
                json_decref(d->wanted);
                json_decref(d->found);
        }
        free(l->items);
        *l = (struct drift_list){ 0 };
}
