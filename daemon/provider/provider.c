/* SPDX-License-Identifier: Apache-2.0 */
/* provider.c - the words' names, and who owns what in observations, operations and drift lists;
 * see provider.h */
#include "provider.h"

#include <stdlib.h>

static const char *const presence_names[] = { "unknown", "absent", "present", "leaving" };
static const char *const readiness_names[] = { "unknown", "not ready", "ready", "failed" };
static const char *const need_names[] = { "exists", "ready", "value" };
_Static_assert(ARRAY_SIZE(presence_names) == PRESENCE_MAX, "a presence without a name");
_Static_assert(ARRAY_SIZE(readiness_names) == READY_MAX, "a readiness without a name");
_Static_assert(ARRAY_SIZE(need_names) == NEED_KIND_MAX, "a need without a name");

static const struct provider *const *table_override;

const char *presence_name(enum presence p) {
        return presence_names[p];
}

const char *readiness_name(enum readiness r) {
        return readiness_names[r];
}

const char *need_name(enum need_kind k) {
        return need_names[k];
}

void provider_set_table(const struct provider *const *table) {
        table_override = table;
}

const struct provider *const *provider_all(void) {
        return table_override ? table_override : provider_table;
}

const struct provider *provider_find(const char *name) {
        const struct provider *const *p = provider_all();

        while (*p && !str_eq((*p)->name, name))
                p++;
        return *p;
}

void identity_need(struct identity *i, enum need_kind kind, const char *type, const char *path) {
        for (size_t n = 0; n < i->count; n++)
                if (i->needs[n].kind == kind && str_eq(i->needs[n].type, type) &&
                    str_eq(i->needs[n].path, path))
                        return;
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
        *i = (struct identity){ 0 };
}

void observation_clear(struct observation *o) {
        json_decref(o->found);
        json_decref(o->seen);
        json_decref(o->output);
        secret_values_free(o->hidden);
        free(o->reason);
        *o = (struct observation){ 0 };
}

void observation_hide(struct observation *o, const uint8_t *hash_key, const char *member,
                      const void *value, size_t len) {
        uint8_t digest[DIGEST_SIZE];
        char uri[SECRET_URI_SIZE];
        char token[SECRET_TOKEN_MAX];

        digest_hmac(hash_key, DIGEST_SIZE, value, len, digest);
        digest_text(digest, DIGEST_BASE32, SECRET_URI_SIZE - 1, uri);
        if (!o->output)
                o->output = json_object();
        if (!o->hidden)
                o->hidden = secret_values_new();
        json_object_set_new(o->output, member,
                            json_string(secret_token_write(uri, 1, SECRET_PLAIN, token)));
        secret_values_add(o->hidden, uri, 1, value, len);
}

void observation_move(struct observation *to, struct observation *from) {
        observation_clear(to);
        *to = *from;
        *from = (struct observation){ 0 };
}

void op_clear(struct op *op) {
        observation_clear(&op->seen);
        json_decref(take_ptr(op->baseline));
        json_decref(take_ptr(op->warnings));
        json_decref(take_ptr(op->told));
        free(take_ptr(op->fields));
        free(take_ptr(op->took_over));
        op->kept = secret_values_free(op->kept);
}

struct drift *drift_list_add(struct drift_list *l) {
        l->items = mem_grow(l->items, &l->room, l->count + 1, sizeof(*l->items));
        return &l->items[l->count++];
}

void drift_list_free(struct drift_list *l) {
        for (size_t i = 0; i < l->count; i++) {
                free(l->items[i].field);
                json_decref(l->items[i].wanted);
                json_decref(l->items[i].found);
                free(l->items[i].who);
        }
        free(l->items);
        *l = (struct drift_list){ 0 };
}
